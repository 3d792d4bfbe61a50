//! The statement of a list: what runs, merged with what lies in the archive, newest first.
//!
//! One statement, so that a saga that moves meanwhile is on the list once. Every part of it is an index
//! range in the order of the list, read no further than the limit: a page costs the same, however many
//! sagas are kept.

use sagas::machine::Status;

use super::archive::AS_SAGA;
use super::commit::column;
use super::definition::IS_MISSING;
use super::load::COLUMNS;
use super::overview::{ListFilter, OPEN_SAGAS};

const NEWEST_FIRST: &str = "ORDER BY started_at DESC, id DESC LIMIT $1";

/// Its arguments: the limit; then start and id of the cursor, if there is one; then the definition, if
/// it matters. Nothing in the text comes from outside.
///
/// Conditions are written out, each only where it is asked for, because the planner finds the right
/// index only then.
pub(super) fn sql(filter: &ListFilter) -> String {
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
    let (conditions, order) = match (definition_argument(filter), filter.before) {
        (None, None) => (String::new(), NEWEST_FIRST.to_owned()),
        (None, Some(_)) => (
            "AND (started_at, id) < ($2, $3)".to_owned(),
            NEWEST_FIRST.to_owned(),
        ),
        // Written as ranges, because an equation would let the planner walk through the sagas of all
        // definitions: it does not know that this one is rare.
        (Some(definition), before) => {
            let end = match before {
                None => format!("definition <= {definition}"),
                Some(_) => format!("(definition, started_at, id) < ({definition}, $2, $3)"),
            };
            (
                format!("AND definition >= {definition} AND {end}"),
                "ORDER BY definition DESC, started_at DESC, id DESC LIMIT $1".to_owned(),
            )
        }
    };
    format!("SELECT {AS_SAGA} FROM saga_archive WHERE {is_of_state} {conditions} {order}")
}

/// Two kinds of them, each by its own index. Open sagas are looked through for orphans only where a
/// definition is missing: whatever a saga pins was published (migration 0007). They are gathered before
/// they are ordered: where nearly none is an orphan, a walk in order would go through the whole table.
fn attention(conditions: &str) -> String {
    format!(
        "WITH missing AS MATERIALIZED (
             SELECT name, version, fingerprint FROM definition_seen d WHERE {IS_MISSING}
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
        conditions.push("(saga.started_at, saga.id) < ($2, $3)".to_owned());
    }
    if let Some(definition) = definition_argument(filter) {
        conditions.push(format!("saga.definition = {definition}"));
    }
    conditions.join(" AND ")
}

/// The argument that names the definition.
fn definition_argument(filter: &ListFilter) -> Option<&'static str> {
    filter.definition.as_ref()?;
    Some(if filter.before.is_some() { "$4" } else { "$2" })
}
