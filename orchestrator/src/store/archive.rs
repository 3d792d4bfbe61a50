//! The archive: where sagas that have ended are kept until they are dropped.
//!
//! ```text
//!   saga, saga_history ──archive.sql──► saga_archive ──partition.rs──► gone
//!        hot, read first                 one row a saga, read for what is not hot
//! ```
//!
//! Invariant: a saga lies in exactly one place at any instant, and only ever moves from left to
//! right. So whoever looks in the hot tables first, and then here, misses nothing between two
//! statements.

use std::collections::HashSet;

use sagas::machine::Entry;
use sagas::{SagaId, Timestamp};
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use sqlx::postgres::types::PgInterval;

use super::commit::column;
use super::load::{read_row, unreadable};
use super::loaded::Loaded;
use super::retention::{FIRST_DAY, Policy, step_days, tomorrow};
use super::{Error, Store};

/// The columns of a saga's row in the archive, named and typed as those of the table `saga`.
pub(super) const AS_SAGA: &str = "id, definition, version, fingerprint,
    CASE WHEN is_compensated THEN 'compensated' ELSE 'completed' END AS status, revision, started_at,
    finished_at AS updated_at, finished_at, NULL::timestamptz AS wake_at, moving";

impl Store {
    /// Those of `shards` in which a saga ended at least the policy's `settle` ago, and was not moved
    /// yet.
    ///
    /// # Errors
    ///
    /// When the database is away or refuses.
    pub async fn shards_to_archive(
        &self,
        shards: &[u16],
        policy: &Policy,
        now: Timestamp,
    ) -> Result<Vec<u16>, Error> {
        let statement = sqlx::query(
            "SELECT asked.shard FROM unnest($1::smallint[]) AS asked (shard) CROSS JOIN LATERAL (
                 SELECT FROM saga WHERE saga.shard = asked.shard AND finished_at <= $2 LIMIT 1
             ) AS ended",
        )
        .bind(stored(shards))
        .bind((now - policy.settle).to_chrono());
        let rows = self.run(statement).await?;
        let shard = |row: &PgRow| Ok(row.try_get::<i16, _>("shard")?.unsigned_abs());
        rows.iter().map(shard).collect()
    }

    /// Moves at most `limit` sagas of a shard to the archive, those first that ended first. Returns
    /// how many.
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
        limit: u32,
        policy: &Policy,
        now: Timestamp,
    ) -> Result<u64, Error> {
        let own: Vec<_> = policy.definitions.iter().collect();
        let interval = |kept| PgInterval::try_from(kept).map_err(sqlx::Error::Encode);
        let kept = own.iter().map(|(_, kept)| interval(**kept));
        let statement = sqlx::query(include_str!("archive.sql"))
            .bind(i16::try_from(shard).unwrap_or(i16::MAX))
            .bind((now - policy.settle).to_chrono())
            .bind(i64::from(limit))
            .bind(tomorrow(now))
            .bind(FIRST_DAY)
            .bind(column(&own, |(name, _)| (*name).clone()))
            .bind(kept.collect::<Result<Vec<_>, _>>()?)
            .bind(column(&own, |(_, kept)| step_days(**kept)))
            .bind(interval(policy.finished)?)
            .bind(step_days(policy.finished));
        let moved: i64 = self.run_one(statement).await?.try_get("moved")?;
        Ok(moved.unsigned_abs())
    }

    /// Those of `ids` that are not in `found`, from the archive.
    pub(super) async fn load_archived(
        &self,
        ids: &[SagaId],
        found: &HashSet<SagaId>,
    ) -> Result<Vec<Loaded>, Error> {
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
        self.run(statement)
            .await?
            .iter()
            .map(read_archived)
            .collect()
    }

    /// Those of `ids` that lie in the archive.
    pub(super) async fn archived(&self, ids: &[SagaId]) -> Result<Vec<SagaId>, Error> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let statement = sqlx::query(
            "SELECT a.id FROM unnest($1::smallint[], $2::uuid[]) AS l (shard, id)
             JOIN saga_archive a ON a.shard = l.shard AND a.id = l.id",
        )
        .bind(column(ids, |id| self.shard(*id)))
        .bind(column(ids, |id| id.0));
        let rows = self.run(statement).await?;
        rows.iter()
            .map(|row| Ok(SagaId(row.try_get("id")?)))
            .collect()
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
        Ok(self.run_one(statement).await?.try_get("known")?)
    }
}

/// Shards as the database has them; one beyond the schema's range holds nothing.
pub(super) fn stored(shards: &[u16]) -> Vec<i16> {
    shards
        .iter()
        .filter_map(|shard| i16::try_from(*shard).ok())
        .collect()
}

fn read_archived(row: &PgRow) -> Result<Loaded, Error> {
    let saga = read_row(row)?;
    let text: &str = row.try_get("history")?;
    let history: Vec<Entry> =
        serde_json::from_str(text).map_err(unreadable(saga.id, "the history"))?;
    Ok(Loaded { row: saga, history })
}
