//! Lifecycle events that the broker may not have yet.
//!
//! The commit that makes them writes them; here they are only found again, by whoever takes a
//! partition over, and deleted once the broker has them.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sagas::Timestamp;
use sagas_core::batch::{OutboxId, Outgoing, Slots};
use sqlx::Row as _;
use uuid::Uuid;

use super::commit::column;
use super::kind::Ask;
use super::sql::{Argument, Numbered, Statement};
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

/// The arguments of [`Store::outbox`].
struct Page<'a> {
    slots: &'a Slots,
    older_than: TimeDelta,
    after: Option<(Timestamp, Uuid)>,
    limit: u32,
}

type Bind = fn(&Page<'_>, Statement) -> Statement;

const ARGUMENTS: [Argument<Bind>; 6] = [
    ("slots", |page, s| s.bind(page.slots.own.clone())),
    ("slots_from", |page, s| s.bind(page.slots.from)),
    ("older_than_ms", |page, s| {
        s.bind(page.older_than.num_milliseconds())
    }),
    ("after", |page, s| {
        s.bind(page.after.map(|(created_at, _)| created_at.to_chrono()))
    }),
    ("after_id", |page, s| s.bind(page.after.map(|(_, id)| id))),
    ("limit", |page, s| s.bind(i64::from(page.limit))),
];

static PAGE: LazyLock<Numbered<Bind>> = LazyLock::new(|| {
    let named = "SELECT slot, id, created_at, events FROM event_outbox
         WHERE (slot = ANY (:slots) OR slot >= :slots_from)
           AND created_at <= statement_timestamp() - :older_than_ms * interval '1 ms'
           AND (:after::timestamptz IS NULL OR (created_at, id) > (:after, :after_id))
         ORDER BY created_at, id LIMIT :limit";
    Numbered::new(named, &ARGUMENTS)
});

/// The text of a page.
pub(super) fn text() -> Arc<str> {
    PAGE.text()
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
        let statement = PAGE.bind(&Page {
            slots,
            older_than: TimeDelta::from_std(older_than).unwrap_or(TimeDelta::MAX),
            after,
            limit,
        });
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sql;

    #[test]
    fn every_argument_of_a_page_has_a_name_of_its_own_and_is_used() {
        sql::ensure_used(&ARGUMENTS, [&*PAGE]);
    }
}
