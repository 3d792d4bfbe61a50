//! Lifecycle events that the broker may not have yet.
//!
//! The commit that makes them writes them; here they are only found again, by whoever takes a
//! partition over, and deleted once the broker has them.

use std::time::Duration;

use chrono::TimeDelta;
use sqlx::Row as _;

use super::batch::{OutboxId, Outgoing, Slots};
use super::commit::column;
use super::kind::Ask;
use super::{Error, Store};

impl Store {
    /// What is left in these slots and older than `older_than`, oldest first. Younger rows are
    /// on their way: whoever wrote them is about to publish and delete them.
    ///
    /// # Errors
    ///
    /// When the database is away or refuses, or a row cannot be read.
    pub async fn outbox(
        &self,
        slots: &Slots,
        older_than: Duration,
        limit: u32,
    ) -> Result<Vec<(OutboxId, Vec<Outgoing>)>, Error> {
        let older_than = TimeDelta::from_std(older_than).unwrap_or(TimeDelta::MAX);
        let statement = sqlx::query(
            "SELECT slot, id, events FROM event_outbox
             WHERE (slot = ANY ($1) OR slot >= $4)
               AND created_at <= statement_timestamp() - $2 * interval '1 ms'
             ORDER BY created_at, id LIMIT $3",
        )
        .bind(slots.own.clone())
        .bind(older_than.num_milliseconds())
        .bind(i64::from(limit))
        .bind(slots.from);
        let mut left = Vec::new();
        for row in self.run(Ask::Outbox, statement).await? {
            let (slot, id) = (row.try_get("slot")?, row.try_get("id")?);
            let events: &str = row.try_get("events")?;
            let events = serde_json::from_str(events).map_err(Error::UnreadableOutbox)?;
            left.push((OutboxId { slot, id }, events));
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
