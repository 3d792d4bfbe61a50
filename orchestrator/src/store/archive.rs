//! The archive: where sagas that have ended are kept until they are dropped.
//!
//! ```text
//!   saga, saga_history ──commit.sql, archive.sql──► saga_archive ──partition.rs──► gone
//!        hot, read first                             one row a saga, read for what is not hot
//! ```
//!
//! The commit that ends a saga puts it there. What is moved later is what that commit found no
//! partition for (`destination.rs`).
//!
//! Invariant: a saga lies in exactly one place at any instant, and only ever moves from left to
//! right. So whoever looks in the hot tables first, and then here, misses nothing between two
//! statements.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

use chrono::NaiveDate;
use sagas::{SagaId, Timestamp};
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::commit::column;
use super::kind::Ask;
use super::retention::{FIRST_DAY, Policy, tomorrow};
use super::sql::{Argument, Numbered, Statement};
use super::terms::{HISTORY_BYTES_MIN, TO_ARCHIVE, Terms};
use super::{Error, Failure, Store, sql};

/// The columns of a saga's row in the archive, named and typed as those of the table `saga`.
pub(super) const AS_SAGA: &str = "id, definition, version, fingerprint,
    CASE WHEN is_compensated THEN 'compensated' ELSE 'completed' END AS status, revision, started_at,
    finished_at AS updated_at, finished_at, NULL::timestamptz AS wake_at, moving";

/// A part of a shard's ended sagas, in the order in which they ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Sagas that stay where they are: they could not be moved.
    pub skip: u32,
    /// Sagas that are moved after them, at most.
    pub limit: u32,
}

/// The arguments of the statement that moves a part.
struct Move {
    shard: i16,
    now: Timestamp,
    part: Part,
    first_day: NaiveDate,
    terms: Terms,
}

type Bind = fn(&Move, Statement) -> Statement;

const ARGUMENTS: [Argument<Bind>; 13] = [
    ("shard", |moved, s| s.bind(moved.shard)),
    ("now", |moved, s| s.bind(moved.now.to_chrono())),
    ("limit", |moved, s| s.bind(i64::from(moved.part.limit))),
    ("skip", |moved, s| s.bind(i64::from(moved.part.skip))),
    ("slot", |moved, s| s.bind(i32::from(moved.shard))),
    ("first_day", |moved, s| s.bind(moved.first_day)),
    ("counted_from", |_, s| s.bind(FIRST_DAY)),
    ("definitions", |moved, s| {
        s.bind(moved.terms.definitions.clone())
    }),
    ("kept", |moved, s| s.bind(moved.terms.kept.clone())),
    ("steps", |moved, s| s.bind(moved.terms.steps.clone())),
    ("other_kept", |moved, s| s.bind(moved.terms.other_kept)),
    ("other_step", |moved, s| s.bind(moved.terms.other_step)),
    ("history_bytes_min", |_, s| s.bind(HISTORY_BYTES_MIN)),
];

static MOVE: LazyLock<Numbered<Bind>> = LazyLock::new(|| {
    let [gone, answer] = sql::parts(include_str!("archive.sql"), ["gone", "answer"]);
    Numbered::new(&format!("WITH\n{gone},\n{TO_ARCHIVE}{answer}"), &ARGUMENTS)
});

/// The text of the statement that moves a part.
pub(super) fn text() -> Arc<str> {
    MOVE.text()
}

impl Store {
    /// Those of `shards` in which sagas have ended that were not moved yet.
    ///
    /// # Errors
    ///
    /// When the database is away or refuses.
    pub async fn shards_to_archive(
        &self,
        shards: &[u16],
        now: Timestamp,
    ) -> Result<Vec<u16>, Error> {
        let statement = sqlx::query(
            "SELECT asked.shard FROM unnest($1::smallint[]) AS asked (shard) CROSS JOIN LATERAL (
                 SELECT FROM saga WHERE saga.shard = asked.shard AND finished_at <= $2 LIMIT 1
             ) AS ended",
        )
        .bind(stored(shards))
        .bind(now.to_chrono());
        let rows = self.run(Ask::ShardsToArchive, statement).await?;
        let shard = |row: &PgRow| Ok(row.try_get::<i16, _>("shard")?.unsigned_abs());
        rows.iter().map(shard).collect()
    }

    /// Moves a part of a shard's ended sagas to the archive. Returns how many.
    ///
    /// Their partitions must exist ([`Store::make_partitions`]). Once this returns, they are found in
    /// the archive; after a crash of the database, there or where they were.
    ///
    /// # Errors
    ///
    /// When the database is away or refuses; nothing is moved then.
    pub async fn archive(
        &self,
        shard: u16,
        part: Part,
        policy: &Policy,
        now: Timestamp,
    ) -> Result<u64, Error> {
        let statement = MOVE.bind(&Move {
            shard: i16::try_from(shard).unwrap_or(i16::MAX),
            now,
            part,
            first_day: tomorrow(now),
            terms: Terms::of(policy)?,
        });
        let row = self.run_one(Ask::Archive, statement).await?;
        let moved: i64 = row.try_get("moved")?;
        Ok(moved.unsigned_abs())
    }

    /// The saga that comes after `skip` others of the shard in the order in which [`Store::archive`] moves
    /// them.
    ///
    /// # Errors
    ///
    /// When the database is away or refuses.
    pub async fn next_to_archive(
        &self,
        shard: u16,
        skip: u32,
        now: Timestamp,
    ) -> Result<Option<SagaId>, Error> {
        let statement = sqlx::query(
            "SELECT id FROM saga WHERE shard = $1 AND finished_at <= $2
             ORDER BY finished_at, id LIMIT 1 OFFSET $3",
        )
        .bind(i16::try_from(shard).unwrap_or(i16::MAX))
        .bind(now.to_chrono())
        .bind(i64::from(skip));
        let next = self.run(Ask::NextToArchive, statement).await?.pop();
        Ok(next.map(|row| row.try_get("id").map(SagaId)).transpose()?)
    }

    /// Those of `ids` that are not in `found`, from the archive.
    pub(super) async fn load_archived(
        &self,
        ask: Ask,
        ids: &[SagaId],
        found: &HashSet<SagaId>,
    ) -> Result<Vec<PgRow>, Error> {
        let missing: Vec<SagaId> = ids
            .iter()
            .filter(|id| !found.contains(id))
            .copied()
            .collect();
        if missing.is_empty() {
            return Ok(Vec::new());
        }
        let statement = sqlx::query(sqlx::AssertSqlSafe(format!(
            "SELECT {AS_SAGA}, history
             FROM unnest($1::smallint[], $2::uuid[]) AS l (shard, saga)
             JOIN saga_archive a ON a.shard = l.shard AND a.id = l.saga"
        )))
        .bind(column(&missing, |id| self.shard(*id)))
        .bind(column(&missing, |id| id.0));
        Ok(self.run(ask, statement).await?)
    }

    /// Those of `ids` that lie in the archive.
    pub(super) async fn archived(&self, ids: &[SagaId]) -> Result<Vec<SagaId>, Failure> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let statement = sqlx::query(
            "SELECT a.id FROM unnest($1::smallint[], $2::uuid[]) AS l (shard, id)
             JOIN saga_archive a ON a.shard = l.shard AND a.id = l.id",
        )
        .bind(column(ids, |id| self.shard(*id)))
        .bind(column(ids, |id| id.0));
        let rows = self.run(Ask::Archived, statement).await?;
        let ids = rows.iter().map(|row| Ok(SagaId(row.try_get("id")?)));
        ids.collect::<Result<_, _>>().map_err(Failure::Answered)
    }

    /// Whether an idempotency key names this saga. If there is no such saga besides, it has ended and
    /// was dropped: key and saga are committed together, and the key outlives the saga.
    ///
    /// # Errors
    ///
    /// When the database is away or refuses.
    pub async fn is_key_known(&self, id: SagaId) -> Result<bool, Error> {
        let statement = sqlx::query(
            "SELECT EXISTS (SELECT FROM saga_key WHERE shard = $1 AND id = $2) AS known",
        )
        .bind(self.shard(id))
        .bind(id.0);
        let row = self.run_one(Ask::KeyKnown, statement).await?;
        Ok(row.try_get("known")?)
    }
}

/// Shards as the database has them; one beyond the schema's range holds nothing.
pub(super) fn stored(shards: &[u16]) -> Vec<i16> {
    shards
        .iter()
        .filter_map(|shard| i16::try_from(*shard).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_argument_of_the_move_has_a_name_of_its_own_and_is_used() {
        sql::ensure_used(&ARGUMENTS, [&*MOVE]);
    }
}
