//! Lists of sagas: what runs, merged with what lies in the archive, newest first.
//!
//! Always from the primary and never from a cache, so that an answer is never older than the
//! question; and one statement, so that a saga that moves meanwhile is on the list once. Every part of it is an index
//! range in the order of the list, read no further than the limit: a page costs the same, however many
//! sagas are kept.

use std::sync::Arc;

use sagas::machine::Status;
use sagas::{SagaId, Timestamp};
use sagas_core::loaded::{SagaRow, Unreadable};
use uuid::Uuid;

use super::archive::AS_SAGA;
use super::commit::column;
use super::definition::is_missing;
use super::kind::Ask;
use super::load::{COLUMNS, read_row};
use super::overview::OPEN_SAGAS;
use super::sql::{Argument, Numbered, Statement};
use super::{Error, Store};

/// Which sagas a list shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListFilter {
    /// Only these; empty: all.
    pub states: Vec<Status>,
    /// Only this definition.
    pub definition: Option<String>,
    /// Only what a person should look at: what [`Counts::attention`](super::overview::Counts::attention) counts.
    pub attention: bool,
    /// Only what comes after this one, the last of the page before: its start and id.
    pub before: Option<(Timestamp, SagaId)>,
    /// At most so many.
    pub limit: u32,
}

const NEWEST_FIRST: &str = "ORDER BY started_at DESC, id DESC LIMIT :limit";
const NEWEST_OF_DEFINITION_FIRST: &str =
    "ORDER BY definition DESC, started_at DESC, id DESC LIMIT :limit";

type Bind = fn(&ListFilter, Statement) -> Statement;

const ARGUMENTS: [Argument<Bind>; 4] = [
    ("limit", |filter, s| s.bind(i64::from(filter.limit))),
    ("before_started_at", |filter, s| {
        s.bind(filter.before.map(|(started_at, _)| started_at.to_chrono()))
    }),
    ("before_id", |filter, s| {
        s.bind(filter.before.map(|(_, id)| id.0))
    }),
    ("definition", |filter, s| s.bind(filter.definition.clone())),
];

impl Store {
    /// Sagas, newest first by start and id, those included that this binary cannot read.
    ///
    /// # Errors
    ///
    /// When the database is away or refuses.
    pub async fn list(
        &self,
        filter: &ListFilter,
    ) -> Result<Vec<Result<SagaRow, Unreadable>>, Error> {
        let rows = self.run(Ask::List, statement(filter)).await?;
        rows.iter().map(|row| Ok(read_row(row)?)).collect()
    }
}

/// The statement with its arguments.
pub(super) fn statement(filter: &ListFilter) -> Statement {
    numbered(filter).bind(filter)
}

fn numbered(filter: &ListFilter) -> Numbered<Bind> {
    Numbered::new(&text(filter), &ARGUMENTS)
}

/// The text of every combination of conditions.
pub(super) fn texts() -> impl Iterator<Item = Arc<str>> {
    filters().map(|filter| numbered(&filter).text())
}

/// A filter for every combination of conditions.
fn filters() -> impl Iterator<Item = ListFilter> {
    let conditions = Status::ALL.len() + 3;
    (0..1_usize << conditions).map(|combination| {
        let has = |place: usize| combination >> place & 1 == 1;
        let states = Status::ALL.into_iter().enumerate();
        let states = states.filter(|(place, _)| has(place + 3));
        ListFilter {
            states: states.map(|(_, state)| state).collect(),
            definition: has(0).then(String::new),
            attention: has(1),
            before: has(2).then(|| (Timestamp::from_micros(0), SagaId(Uuid::nil()))),
            limit: 0,
        }
    })
}

/// Nothing in the text comes from outside. Conditions are written out, each only where it is asked for,
/// because the planner finds the right index only then.
fn text(filter: &ListFilter) -> String {
    if filter.attention {
        // Nothing in the archive needs any.
        return attention(&conditions(filter, &filter.states));
    }
    let archived = [
        (Status::Completed, "NOT is_compensated"),
        (Status::Compensated, "is_compensated"),
    ];
    let is_wanted = |state| filter.states.is_empty() || filter.states.contains(&state);
    let archived = archived.into_iter().filter(|(state, _)| is_wanted(*state));
    let archived = archived.map(|(_, is_of_state)| archived_part(filter, is_of_state));
    let parts: Vec<String> = hot_parts(filter).into_iter().chain(archived).collect();
    format!(
        "SELECT {COLUMNS} FROM (({})) AS everywhere {NEWEST_FIRST}",
        parts.join(") UNION ALL (")
    )
}

/// What did not go to the archive yet.
fn hot_parts(filter: &ListFilter) -> Vec<String> {
    let (ended, open): (Vec<Status>, Vec<Status>) =
        filter.states.iter().partition(|state| state.is_terminal());
    let mut parts = Vec::new();
    if !open.is_empty() || filter.states.is_empty() {
        let conditions = conditions(filter, &open);
        parts.push(format!(
            "SELECT {COLUMNS} FROM saga WHERE {conditions} {NEWEST_FIRST}"
        ));
    }
    if !ended.is_empty() {
        // Few, because those that end go there at once: gathered by an index of their own and put in
        // order. In the order of the list, they would be looked for among all that are open.
        let conditions = conditions(filter, &ended);
        parts.push(format!(
            "SELECT {COLUMNS} FROM (
                 SELECT {COLUMNS} FROM saga WHERE finished_at IS NOT NULL AND {conditions} OFFSET 0
             ) AS ended {NEWEST_FIRST}"
        ));
    }
    parts
}

/// Sagas of one state in the archive.
fn archived_part(filter: &ListFilter, is_of_state: &str) -> String {
    let mut conditions = vec![is_of_state];
    let order = if filter.definition.is_some() {
        // Written as ranges, because an equation would let the planner walk through the sagas of all
        // definitions: it does not know that this one is rare.
        conditions.push("definition >= :definition");
        conditions.push(match filter.before {
            None => "definition <= :definition",
            Some(_) => {
                "(definition, started_at, id) < (:definition, :before_started_at, :before_id)"
            }
        });
        NEWEST_OF_DEFINITION_FIRST
    } else {
        if filter.before.is_some() {
            conditions.push("(started_at, id) < (:before_started_at, :before_id)");
        }
        NEWEST_FIRST
    };
    let conditions = conditions.join(" AND ");
    format!("SELECT {AS_SAGA} FROM saga_archive WHERE {conditions} {order}")
}

/// Two kinds of them, each by its own index. Open sagas are looked through for orphans only where a
/// definition is missing: whatever a saga pins was published (`definition_seen`). They are gathered before
/// they are ordered: where nearly none is an orphan, a walk in order would go through the whole table.
fn attention(conditions: &str) -> String {
    let is_missing = is_missing();
    format!(
        "WITH missing AS MATERIALIZED (
             SELECT name, version, fingerprint FROM definition_seen d WHERE {is_missing}
         ), orphan AS MATERIALIZED (
             SELECT saga.shard, saga.id, saga.started_at
             FROM {OPEN_SAGAS} AS saga JOIN missing m
                 ON m.name = saga.definition AND m.version = saga.version
                     AND m.fingerprint = saga.fingerprint
             WHERE EXISTS (SELECT FROM missing) AND NOT needs_attention AND {conditions}
         )
         SELECT {COLUMNS} FROM (
             (SELECT {COLUMNS} FROM saga WHERE needs_attention AND {conditions} {NEWEST_FIRST})
             UNION ALL
             (SELECT {COLUMNS} FROM (SELECT shard AS o_shard, id AS o_id FROM orphan {NEWEST_FIRST}) AS o
              JOIN saga ON saga.shard = o_shard AND saga.id = o_id)
         ) AS both_kinds {NEWEST_FIRST}"
    )
}

/// What holds for rows of the table `saga`; of any state, where none is named.
fn conditions(filter: &ListFilter, states: &[Status]) -> String {
    let mut conditions = vec!["true".to_owned()];
    if !states.is_empty() {
        let states: Vec<String> = column(states, |state| format!("'{state}'"));
        conditions.push(format!("saga.status IN ({})", states.join(", ")));
    }
    if filter.before.is_some() {
        conditions.push("(saga.started_at, saga.id) < (:before_started_at, :before_id)".to_owned());
    }
    if filter.definition.is_some() {
        conditions.push("saga.definition = :definition".to_owned());
    }
    conditions.join(" AND ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sql;

    #[test]
    fn every_argument_of_a_list_has_a_name_of_its_own_and_is_used() {
        let lists: Vec<_> = filters().map(|filter| numbered(&filter)).collect();
        sql::ensure_used(&ARGUMENTS, &lists);
    }
}
