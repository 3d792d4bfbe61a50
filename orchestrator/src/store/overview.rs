//! What REST and the dashboard read: lists, counts, who has ended.
//!
//! Always from the primary and never from a cache, so that an answer is never older than the
//! question. A list merges what runs with what lies in the archive, in one statement: a saga that
//! moves meanwhile is on it once.

use std::collections::{BTreeMap, HashSet};

use sagas::machine::Status;
use sagas::{SagaId, Timestamp};
use sqlx::{AssertSqlSafe, Row as _};

use super::archive::AS_SAGA;
use super::commit::column;
use super::definition::{self, IS_MISSING, Missing};
use super::load::read_row;
use super::loaded::SagaRow;
use super::{Error, Store};

/// Which sagas a list shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListFilter {
    /// Only these; empty: all.
    pub states: Vec<Status>,
    /// Only this definition.
    pub definition: Option<String>,
    /// Only what a person should look at: what [`Counts::attention`] counts.
    pub attention: bool,
    /// Only what comes after this one, the last of the page before: its start and id.
    pub before: Option<(Timestamp, SagaId)>,
    /// At most so many.
    pub limit: u32,
}

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
    /// Dead letters.
    pub dead_letters: u64,
}

impl Store {
    /// Sagas, newest first by start and id.
    ///
    /// # Errors
    ///
    /// When the database is away or refuses.
    pub async fn list(&self, filter: &ListFilter) -> Result<Vec<SagaRow>, Error> {
        let mut statement =
            sqlx::query(AssertSqlSafe(list_sql(filter))).bind(i64::from(filter.limit));
        if let Some((started_at, id)) = filter.before {
            statement = statement.bind(started_at.to_chrono()).bind(id.0);
        }
        if let Some(definition) = &filter.definition {
            statement = statement.bind(definition.clone());
        }
        self.run(statement).await?.iter().map(read_row).collect()
    }

    /// Counts of everything, from one snapshot.
    ///
    /// # Errors
    ///
    /// When the database is away or refuses.
    pub async fn counts(&self) -> Result<Counts, Error> {
        // What has not ended is little and has an index; what has ended is much and has a tally.
        let statement = sqlx::query(AssertSqlSafe(format!(
            "WITH pinned AS (
                 SELECT status, definition AS name, version, fingerprint, count(*) AS sagas,
                     count(*) FILTER (WHERE needs_attention) AS attention
                 FROM saga WHERE status IN {OPEN}
                 GROUP BY status, definition, version, fingerprint
             ), open AS (
                 SELECT pinned.*, d.seen_at, {IS_MISSING} AS is_missing
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
        for row in self.run(statement).await? {
            let (kind, count): (&str, i64) = (row.try_get("kind")?, row.try_get("count")?);
            let count = count.unsigned_abs();
            match kind {
                "attention" => counts.attention = count,
                "missing" => counts.missing.push((definition::read(&row)?, count)),
                "dead_letters" => counts.dead_letters = count,
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
        for row in self.run(statement).await? {
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

    /// Whether the database answers.
    ///
    /// # Errors
    ///
    /// When it does not.
    pub async fn ping(&self) -> Result<(), Error> {
        self.run(sqlx::query("SELECT 1")).await?;
        Ok(())
    }
}

/// The statuses of sagas that have not ended.
const OPEN: &str = "('running', 'compensating', 'stuck')";

/// The columns of a row, which the archive has likewise ([`AS_SAGA`]).
const COLUMNS: &str =
    "id, definition, version, fingerprint, status, revision, started_at, updated_at,
    finished_at, wake_at, moving";

const NEWEST_FIRST: &str = "ORDER BY started_at DESC, id DESC LIMIT $1";

/// Conditions are written out, each only where it is asked for, because the planner finds the right
/// index only then. Nothing in the text comes from outside.
///
/// Every part is an index range in the order of the list, read no further than the limit.
fn list_sql(filter: &ListFilter) -> String {
    let conditions = conditions(filter);
    let states = column(&filter.states, |state| format!("'{state}'"));
    let hot_conditions = if states.is_empty() {
        conditions.clone()
    } else {
        format!("{conditions} AND status IN ({})", states.join(", "))
    };
    if filter.attention {
        // Nothing in the archive needs any.
        return attention_sql(&hot_conditions);
    }
    let of_state = |state| filter.states.is_empty() || filter.states.contains(&state);
    let hot = format!("SELECT {COLUMNS} FROM saga WHERE {hot_conditions} {NEWEST_FIRST}");
    let archived = [
        (Status::Completed, "NOT is_compensated"),
        (Status::Compensated, "is_compensated"),
    ];
    let archived = archived.into_iter().filter(|(state, _)| of_state(*state));
    let archived = archived.map(|(_, is_of_state)| {
        format!(
            "SELECT {AS_SAGA} FROM saga_archive WHERE {is_of_state} AND {conditions} {NEWEST_FIRST}"
        )
    });
    let parts: Vec<String> = std::iter::once(hot).chain(archived).collect();
    format!(
        "SELECT * FROM (({})) AS everywhere {NEWEST_FIRST}",
        parts.join(") UNION ALL (")
    )
}

/// Two kinds of them, each by its own index. The open sagas are gathered before they are ordered:
/// where nearly none is an orphan, a walk in order would go through the whole table.
fn attention_sql(conditions: &str) -> String {
    format!(
        "WITH orphan AS MATERIALIZED (
             SELECT saga.shard, saga.id, saga.started_at
             FROM saga LEFT JOIN definition_seen d
                 ON d.name = saga.definition AND d.version = saga.version
                     AND d.fingerprint = saga.fingerprint
             WHERE status IN {OPEN} AND NOT needs_attention AND {IS_MISSING} AND {conditions}
         )
         SELECT * FROM (
             (SELECT * FROM saga WHERE needs_attention AND {conditions} {NEWEST_FIRST})
             UNION ALL
             (SELECT saga.* FROM (SELECT shard, id FROM orphan {NEWEST_FIRST}) AS o
              JOIN saga ON saga.shard = o.shard AND saga.id = o.id)
         ) AS both_kinds {NEWEST_FIRST}"
    )
}

/// What holds for rows of every table.
fn conditions(filter: &ListFilter) -> String {
    let mut conditions = vec!["true".to_owned()];
    let mut arguments = 1;
    if filter.before.is_some() {
        conditions.push("(started_at, id) < ($2, $3)".to_owned());
        arguments = 3;
    }
    if filter.definition.is_some() {
        conditions.push(format!("definition = ${}", arguments + 1));
    }
    conditions.join(" AND ")
}
