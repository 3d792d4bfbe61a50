//! Lifecycle events that the broker may not have yet.
//!
//! The commit that makes them writes them; here they are only found again, by whoever takes a
//! partition over, and deleted once the broker has them.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use saga_core::batch::{OutboxId, Outgoing, Slots};
use sagas::Timestamp;
use sqlx::Row as _;
use uuid::Uuid;

use super::commit::column;
use super::kind::Ask;
use super::{Error, Store};

/// A row that its lane has not published yet, as far as is known.
#[derive(Debug)]
pub struct Left {
    /// The row.
    pub id: OutboxId,
    /// Time of its commit.
    pub created_at: Timestamp,
    /// Its events in order, where this binary can read them.
    pub events: Result<Vec<Outgoing>, UnreadableRow>,
}

/// A row that a newer binary may have written.
#[derive(Debug, thiserror::Error)]
#[error("this binary cannot read it")]
pub struct UnreadableRow {
    /// The row's events, as they are stored.
    pub text: String,
    /// Where they cannot be read.
    #[source]
    pub source: serde_json::Error,
}

impl Left {
    /// Place of the row in the order of [`Store::outbox`].
    #[must_use]
    pub fn place(&self) -> (Timestamp, Uuid) {
        (self.created_at, self.id.id)
    }
}

impl Store {
    /// A page of the rows that are left in these slots and older than `older_than`, oldest first, that
    /// come `after` a place. Younger rows are about to be published and deleted by the lane that wrote
    /// them.
    ///
    /// # Errors
    ///
    /// When the database is away or refuses.
    pub async fn outbox(
        &self,
        slots: &Slots,
        older_than: Duration,
        after: Option<(Timestamp, Uuid)>,
        limit: u32,
    ) -> Result<Vec<Left>, Error> {
        let older_than = TimeDelta::from_std(older_than).unwrap_or(TimeDelta::MAX);
        let (after, after_id) = after.unzip();
        let statement = sqlx::query(
            "SELECT slot, id, created_at, events FROM event_outbox
             WHERE (slot = ANY ($1) OR slot >= $4)
               AND created_at <= statement_timestamp() - $2 * interval '1 ms'
               AND ($5::timestamptz IS NULL OR (created_at, id) > ($5, $6))
             ORDER BY created_at, id LIMIT $3",
        )
        .bind(slots.own.clone())
        .bind(older_than.num_milliseconds())
        .bind(i64::from(limit))
        .bind(slots.from)
        .bind(after.map(Timestamp::to_chrono))
        .bind(after_id);
        let mut left = Vec::new();
        for row in self.run(Ask::Outbox, statement).await? {
            let (slot, id) = (row.try_get("slot")?, row.try_get("id")?);
            let created_at: DateTime<Utc> = row.try_get("created_at")?;
            let text: &str = row.try_get("events")?;
            let events = serde_json::from_str(text).map_err(|source| UnreadableRow {
                text: text.to_owned(),
                source,
            });
            left.push(Left {
                id: OutboxId { slot, id },
                created_at: created_at.into(),
                events,
            });
        }
        Ok(left)
    }

    /// Deletes rows that the broker has acknowledged, when no commit is about to take them along.
    ///
    /// # Errors
    ///
    /// When the database is away or refuses; the rows are then published once more.
    pub async fn delivered(&self, rows: &[OutboxId]) -> Result<(), Error> {
        let statement = sqlx::query(
            "DELETE FROM event_outbox USING unnest($1::integer[], $2::uuid[]) AS d (slot, id)
             WHERE event_outbox.slot = d.slot AND event_outbox.id = d.id",
        )
        .bind(column(rows, |row| row.slot))
        .bind(column(rows, |row| row.id));
        self.run(Ask::Delivered, statement).await?;
        Ok(())
    }
}
