//! What goes row by row when its time has come: idempotency keys and dead letters.
//!
//! A few at a time, so that no statement holds many locks or runs for long; the caller comes again
//! while there are more, and rests in between.

use chrono::NaiveDate;
use sagas::Timestamp;
use sqlx::Row as _;

use super::kind::Ask;
use super::retention::Policy;
use super::{Error, Store};

impl Store {
    /// Frees at most `limit` idempotency keys of a shard that were first used so long ago that the
    /// policy frees them. Returns how many.
    ///
    /// A key is never freed while its saga is open, or lies in the archive: then one key would have
    /// two sagas. That also holds after the policy was changed.
    ///
    /// # Errors
    ///
    /// When the database is away or refuses.
    pub async fn free_keys(
        &self,
        shard: u16,
        limit: u32,
        policy: &Policy,
        now: Timestamp,
    ) -> Result<u64, Error> {
        // No saga in the archive started before the oldest one there, hence none of those keys; a day
        // is room for the difference between the clocks of a replica and the database.
        let statement = sqlx::query(
            "WITH bound AS MATERIALIZED (
                 SELECT least($2, (
                     least((SELECT min(started_at) FROM saga_archive WHERE is_compensated),
                         (SELECT min(started_at) FROM saga_archive WHERE NOT is_compensated))
                     AT TIME ZONE 'UTC')::date - 1) AS day
             ), due AS MATERIALIZED (
                 SELECT id FROM saga_key k
                 WHERE shard = $1 AND created_on < (SELECT day FROM bound) AND NOT EXISTS (
                     SELECT FROM saga s WHERE s.shard = k.shard AND s.id = k.id)
                 ORDER BY created_on LIMIT $3
             )
             DELETE FROM saga_key USING due
             WHERE saga_key.shard = $1 AND saga_key.id = due.id RETURNING saga_key.id",
        )
        .bind(i16::try_from(shard).unwrap_or(i16::MAX))
        .bind(first_day_kept(policy, now))
        .bind(i64::from(limit));
        Ok(self.run(Ask::FreeKeys, statement).await?.len() as u64)
    }

    /// Deletes at most `limit` dead letters that have last come so long ago that the policy keeps them no
    /// longer, and all numbers of such days. Returns how many letters.
    ///
    /// # Errors
    ///
    /// When the database is away or refuses.
    pub async fn drop_dead_letters(
        &self,
        limit: u32,
        policy: &Policy,
        now: Timestamp,
    ) -> Result<u64, Error> {
        let statement = sqlx::query(
            "WITH forgotten AS (DELETE FROM dead_letter_tally WHERE day < $3)
             DELETE FROM dead_letter
             WHERE ctid = ANY (ARRAY(
                 SELECT ctid FROM dead_letter WHERE received_at < $1 ORDER BY received_at LIMIT $2))
             RETURNING id",
        )
        .bind((now - policy.dead_letters).to_chrono())
        .bind(i64::from(limit))
        .bind((now - policy.dead_letters).to_chrono().date_naive());
        let gone = self.run(Ask::DropDeadLetters, statement).await?;
        Ok(gone.len() as u64)
    }

    /// How many keys and dead letters the policy would let go now, counted up to [`COUNTED_MAX`].
    ///
    /// # Errors
    ///
    /// When the database is away or refuses.
    pub async fn due_to_go(&self, policy: &Policy, now: Timestamp) -> Result<DueToGo, Error> {
        let statement = sqlx::query(
            "SELECT (SELECT count(*) FROM (
                     SELECT FROM generate_series(0, $1::integer - 1) AS own (shard)
                     JOIN saga_key k ON k.shard = own.shard AND k.created_on < $2 LIMIT $4) AS k
                 ) AS keys,
                 (SELECT count(*) FROM (
                     SELECT FROM dead_letter WHERE received_at < $3 LIMIT $4) AS d
                 ) AS dead_letters,
                 (SELECT count(*) FROM (
                     SELECT FROM generate_series(0, $1::integer - 1) AS own (shard)
                     JOIN saga s ON s.shard = own.shard AND s.finished_at <= $5 LIMIT $4) AS s
                 ) AS sagas",
        )
        .bind(i32::from(self.shards()))
        .bind(first_day_kept(policy, now))
        .bind((now - policy.dead_letters).to_chrono())
        .bind(COUNTED_MAX)
        .bind(now.to_chrono());
        let row = self.run_one(Ask::DueToGo, statement).await?;
        Ok(DueToGo {
            sagas: row.try_get::<i64, _>("sagas")?.unsigned_abs(),
            keys: row.try_get::<i64, _>("keys")?.unsigned_abs(),
            dead_letters: row.try_get::<i64, _>("dead_letters")?.unsigned_abs(),
        })
    }
}

/// Nobody waits for a count of more.
pub const COUNTED_MAX: i64 = 1_000_000;

/// What the policy would let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DueToGo {
    /// Sagas that have ended and can be moved to the archive.
    pub sagas: u64,
    /// Idempotency keys that are old enough; those of sagas that are still kept stay.
    pub keys: u64,
    /// Dead letters.
    pub dead_letters: u64,
}

fn first_day_kept(policy: &Policy, now: Timestamp) -> NaiveDate {
    (now - policy.keys).to_chrono().date_naive()
}
