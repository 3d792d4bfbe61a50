//! What REST and the dashboard read beside lists: counts, who has ended.
//!
//! Always from the primary and never from a cache, so that an answer is never older than the
//! question.

use std::collections::{BTreeMap, HashSet};

use sagas::machine::Status;
use sagas::{SagaId, Timestamp};
use sqlx::{AssertSqlSafe, Row as _};

use super::commit::column;
use super::definition::{self, Missing, is_missing};
use super::kind::Ask;
use super::{Error, Store};

/// How many there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Sagas by status; every status has a number.
    pub by_status: BTreeMap<Status, u64>,
    /// Sagas that a person should look at: stuck, trying beyond their retry policy, or of a
    /// definition that no live replica has.
    pub attention: u64,
    /// Definitions that open sagas pin and no live replica has, with the number of those sagas.
    pub missing: Vec<(Missing, u64)>,
    /// Rows of dead letters.
    pub dead_letters: u64,
    /// Dead letters that have no row: those beyond the rows of their kind and day.
    pub dead_letters_left_out: u64,
}

impl Store {
    /// Counts of everything, from one snapshot.
    ///
    /// # Errors
    ///
    /// When the database is away or refuses.
    pub async fn counts(&self) -> Result<Counts, Error> {
        // What has not ended is little and has an index; what has ended is much and has a tally.
        let is_missing = is_missing();
        let statement = sqlx::query(AssertSqlSafe(format!(
            "WITH pinned AS (
                 SELECT status, definition AS name, version, fingerprint, count(*) AS sagas,
                     count(*) FILTER (WHERE needs_attention) AS attention
                 FROM {OPEN_SAGAS} AS saga
                 GROUP BY status, definition, version, fingerprint
             ), open AS (
                 SELECT status, name, version, fingerprint, sagas, attention, d.seen_at,
                     {is_missing} AS is_missing
                 FROM pinned LEFT JOIN definition_seen d USING (name, version, fingerprint)
             ), counted (kind, count) AS (
                 SELECT status, sum(sagas)::bigint FROM open GROUP BY status
                 UNION ALL
                 SELECT status, sum(sagas)::bigint FROM saga_tally GROUP BY status
                 UNION ALL
                 SELECT 'attention', coalesce(sum(
                     CASE WHEN is_missing THEN sagas ELSE attention END), 0)::bigint FROM open
                 UNION ALL
                 SELECT 'dead_letters', count(*) FROM dead_letter
                 UNION ALL
                 SELECT 'dead_letters_left_out', coalesce(sum(left_out), 0)::bigint
                 FROM dead_letter_tally
             )
             SELECT kind, count, NULL AS name, NULL::bigint AS version, NULL::uuid AS fingerprint,
                 NULL::timestamptz AS seen_at
             FROM counted
             UNION ALL
             SELECT 'missing', sum(sagas)::bigint, name, version, fingerprint, max(seen_at)
             FROM open WHERE is_missing GROUP BY name, version, fingerprint
             ORDER BY name, version, fingerprint"
        )));
        let zero = Status::ALL.into_iter().map(|status| (status, 0));
        let mut counts = Counts {
            by_status: zero.collect(),
            ..Counts::default()
        };
        for row in self.run(Ask::Counts, statement).await? {
            let (kind, count): (&str, i64) = (row.try_get("kind")?, row.try_get("count")?);
            let count = count.unsigned_abs();
            match kind {
                "attention" => counts.attention = count,
                "missing" => counts.missing.push((definition::read(&row)?, count)),
                "dead_letters" => counts.dead_letters = count,
                "dead_letters_left_out" => counts.dead_letters_left_out = count,
                status => {
                    let known = Status::ALL
                        .into_iter()
                        .find(|known| known.as_str() == status);
                    // A status of a newer binary has no place here.
                    if let Some(known) = known {
                        counts.by_status.insert(known, count);
                    }
                }
            }
        }
        Ok(counts)
    }

    /// Which of these have ended or are stuck, so that waiting for them longer is of no use.
    ///
    /// # Errors
    ///
    /// When the database is away or refuses.
    pub async fn ended(&self, ids: &[SagaId]) -> Result<Vec<SagaId>, Error> {
        let statement = sqlx::query(
            "SELECT s.id, s.status IN ('completed', 'compensated', 'stuck') AS has_ended
             FROM unnest($1::smallint[], $2::uuid[]) AS l (shard, id)
             JOIN saga s ON s.shard = l.shard AND s.id = l.id",
        )
        .bind(column(ids, |id| self.shard(*id)))
        .bind(column(ids, |id| id.0));
        let mut ended = Vec::new();
        let mut found = HashSet::new();
        for row in self.run(Ask::Ended, statement).await? {
            let id = SagaId(row.try_get("id")?);
            found.insert(id);
            if row.try_get("has_ended")? {
                ended.push(id);
            }
        }
        let missing: Vec<SagaId> = ids
            .iter()
            .filter(|id| !found.contains(id))
            .copied()
            .collect();
        ended.extend(self.archived(&missing).await?);
        Ok(ended)
    }

    /// The database's clock.
    ///
    /// # Errors
    ///
    /// When the database is away or refuses.
    pub async fn database_time(&self) -> Result<Timestamp, Error> {
        let statement = sqlx::query("SELECT clock_timestamp() AS now");
        let row = self.run_one(Ask::DatabaseTime, statement);
        let now: chrono::DateTime<chrono::Utc> = row.await?.try_get("now")?;
        Ok(now.into())
    }

    /// Whether the database answers.
    ///
    /// # Errors
    ///
    /// When it does not.
    pub async fn ping(&self) -> Result<(), Error> {
        self.run(Ask::Ping, sqlx::query("SELECT 1")).await?;
        Ok(())
    }
}

/// Sagas that have not ended, as a table: by the index of those that have a wake, and by that of those
/// that have none. A condition on the status alone has no index, because most open sagas run, and a scan
/// of the table passes all that ended since the last vacuum.
pub(super) const OPEN_SAGAS: &str = "(
    SELECT shard, id, definition, version, fingerprint, status, started_at, needs_attention
    FROM saga WHERE wake_at IS NOT NULL
    UNION ALL
    SELECT shard, id, definition, version, fingerprint, status, started_at, needs_attention
    FROM saga WHERE wake_at IS NULL AND status IN ('running', 'compensating', 'stuck'))";
