//! A batch as the arguments of its statement: one array for each column, in the order in which
//! `commit.sql` numbers them.

use std::collections::HashSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use saga_core::batch::{Batch, Outgoing, Postponement, Start, State, Update};
use sagas::{SagaId, Timestamp};
use serde::Serialize;

use super::column;
use super::statement::Parts;
use crate::store::dead_letter;
use crate::store::retention::FIRST_DAY;
use crate::store::session::Statement;
use crate::store::terms::Terms;

/// A batch whose rows are sorted by (shard, id).
pub(super) struct Rows<'a> {
    batch: &'a Batch,
    starts: Vec<(i16, &'a Start)>,
    updates: Vec<(i16, &'a Update)>,
    /// Updates that end their saga and put it into the archive.
    ends: Vec<(i16, &'a Update)>,
    postponements: Vec<(i16, &'a Postponement)>,
    /// Of which member each is: a start and an update of one batch may name the same saga (the start
    /// then loses).
    events: Vec<(SagaId, bool, &'a Outgoing)>,
    terms: Arc<Terms>,
}

impl<'a> Rows<'a> {
    /// Without the starts of `ended_before`. `terms_at`: on which terms what ends at an instant goes
    /// to the archive, if it does.
    pub(super) fn of(
        batch: &'a Batch,
        ended_before: &[SagaId],
        shard: impl Fn(SagaId) -> i16,
        terms_at: impl Fn(Timestamp) -> Option<Arc<Terms>>,
    ) -> Self {
        let mut terms = None;
        let (mut updates, mut ends) = (Vec::with_capacity(batch.updates.len()), Vec::new());
        for update in &batch.updates {
            let row = (shard(update.id), update);
            let is_end = update.state.status.is_terminal();
            match is_end.then(|| terms_at(moved_at(&update.state))).flatten() {
                Some(found) => {
                    terms = Some(found);
                    ends.push(row);
                }
                None => updates.push(row),
            }
        }
        updates.sort_unstable_by_key(|(shard, update)| (*shard, update.id));
        ends.sort_unstable_by_key(|(shard, update)| (*shard, update.id));
        let is_new = |start: &&Start| !ended_before.contains(&start.id);
        let events = events(batch, is_new);
        let starts = batch.starts.iter().filter(is_new);
        let mut starts: Vec<(i16, &Start)> = starts.map(|s| (shard(s.id), s)).collect();
        starts.sort_unstable_by_key(|(shard, start)| (*shard, start.id));
        Self {
            batch,
            starts,
            updates,
            ends,
            postponements: postponements(batch, shard),
            events,
            terms: terms.unwrap_or_default(),
        }
    }

    pub(super) fn parts(&self) -> Parts {
        let has_ended = |status: sagas::Status| status.is_terminal();
        let mut starts = self.starts.iter();
        let mut updates = self.batch.updates.iter();
        Parts {
            starts: !self.starts.is_empty(),
            keys: self.batch.starts.iter().any(|start| start.digest.is_some()),
            updates: !self.updates.is_empty(),
            ends: !self.ends.is_empty(),
            tally: starts.any(|(_, start)| has_ended(start.state.status))
                || updates.any(|update| has_ended(update.state.status)),
            postponements: !self.postponements.is_empty(),
            events: !self.events.is_empty(),
            deliveries: !self.batch.delivered.is_empty(),
            letters: !self.batch.dead_letters.is_empty(),
        }
    }

    pub(super) fn bind(&self, statement: Statement) -> Statement {
        let statement = bind_starts(statement, &self.starts);
        let statement = bind_updates(statement, &self.updates);
        let statement = bind_ends(statement, &self.ends);
        let statement = self.terms.bind(statement, FIRST_DAY);
        let statement = bind_postponements(statement, &self.postponements);
        let statement = bind_events(statement.bind(self.batch.slot), &self.events);
        let delivered = &self.batch.delivered;
        let statement = statement
            .bind(column(delivered, |row| row.slot))
            .bind(column(delivered, |row| row.id));
        dead_letter::bind(statement, &self.batch.dead_letters).bind(self.batch.tally_slot)
    }
}

/// Without those whose saga moves in the same batch.
fn postponements(batch: &Batch, shard: impl Fn(SagaId) -> i16) -> Vec<(i16, &Postponement)> {
    if batch.postponements.is_empty() {
        return Vec::new();
    }
    let moved: HashSet<SagaId> = batch.updates.iter().map(|update| update.id).collect();
    let stay = batch
        .postponements
        .iter()
        .filter(|p| !moved.contains(&p.id));
    let mut rows: Vec<_> = stay.map(|p| (shard(p.id), p)).collect();
    rows.sort_unstable_by_key(|(shard, postponement)| (*shard, postponement.id));
    rows
}

/// Without those of starts that are left out.
fn events(batch: &Batch, is_new: impl Fn(&&Start) -> bool) -> Vec<(SagaId, bool, &Outgoing)> {
    let starts = batch
        .starts
        .iter()
        .filter(is_new)
        .map(|s| (s.id, true, &s.state));
    let updates = batch.updates.iter().map(|u| (u.id, false, &u.state));
    let events = starts.chain(updates).flat_map(|(id, is_start, state)| {
        let event = move |event| (id, is_start, event);
        state.announcements.iter().map(event)
    });
    events.collect()
}

fn bind_starts(statement: Statement, starts: &[(i16, &Start)]) -> Statement {
    statement
        .bind(column(starts, |(shard, _)| *shard))
        .bind(column(starts, |(_, start)| start.id.0))
        .bind(column(starts, |(_, start)| {
            start.digest.map(|digest| digest.bytes().to_vec())
        }))
        .bind(column(starts, |(_, start)| start.definition.as_str()))
        .bind(column(starts, |(_, start)| i64::from(start.version)))
        .bind(column(starts, |(_, start)| start.fingerprint))
        .bind(column(starts, |(_, start)| start.state.status.as_str()))
        .bind(column(starts, |(_, start)| count(start.state.revision)))
        .bind(column(starts, |(_, start)| instant(start.state.wake_at)))
        .bind(column(starts, |(_, start)| json(&start.state.moving)))
        .bind(column(starts, |(_, start)| {
            start.state.moving.needs_attention()
        }))
        .bind(column(starts, |(_, start)| start.started_at.to_chrono()))
        .bind(column(starts, |(_, start)| {
            moved_at(&start.state).to_chrono()
        }))
        .bind(column(starts, |(_, start)| entries(&start.state)))
}

fn bind_updates(statement: Statement, updates: &[(i16, &Update)]) -> Statement {
    statement
        .bind(column(updates, |(shard, _)| *shard))
        .bind(column(updates, |(_, update)| update.id.0))
        .bind(column(updates, |(_, update)| count(update.expected)))
        .bind(column(updates, |(_, update)| count(update.state.revision)))
        .bind(column(updates, |(_, update)| update.state.status.as_str()))
        .bind(column(updates, |(_, update)| instant(update.state.wake_at)))
        .bind(column(updates, |(_, update)| json(&update.state.moving)))
        .bind(column(updates, |(_, update)| {
            update.state.moving.needs_attention()
        }))
        .bind(column(updates, |(_, update)| {
            moved_at(&update.state).to_chrono()
        }))
        .bind(column(updates, |(_, update)| entries(&update.state)))
}

fn bind_ends(statement: Statement, ends: &[(i16, &Update)]) -> Statement {
    statement
        .bind(column(ends, |(shard, _)| *shard))
        .bind(column(ends, |(_, update)| update.id.0))
        .bind(column(ends, |(_, update)| count(update.expected)))
        .bind(column(ends, |(_, update)| count(update.state.revision)))
        .bind(column(ends, |(_, update)| update.state.status.as_str()))
        .bind(column(ends, |(_, update)| json(&update.state.moving)))
        .bind(column(ends, |(_, update)| {
            moved_at(&update.state).to_chrono()
        }))
        .bind(column(ends, |(_, update)| entries(&update.state)))
}

fn bind_postponements(statement: Statement, rows: &[(i16, &Postponement)]) -> Statement {
    statement
        .bind(column(rows, |(shard, _)| *shard))
        .bind(column(rows, |(_, postponement)| postponement.id.0))
        .bind(column(rows, |(_, postponement)| {
            count(postponement.expected)
        }))
        .bind(column(rows, |(_, postponement)| {
            instant(postponement.wake_at)
        }))
}

fn bind_events(statement: Statement, events: &[(SagaId, bool, &Outgoing)]) -> Statement {
    statement
        .bind(column(events, |(id, _, _)| id.0))
        .bind(column(events, |(_, is_start, _)| *is_start))
        .bind(column(events, |(_, _, event)| json(event)))
}

/// What a usual saga's state or history entry takes: room for it at once, not in four steps.
const JSON_BYTES: usize = 512;

fn json<T: Serialize>(value: &T) -> String {
    let mut text = Vec::with_capacity(JSON_BYTES);
    write(&mut text, value);
    String::from_utf8(text).expect("JSON is UTF-8")
}

/// The history of a state's transitions, as it is stored: separated by commas.
fn entries(state: &State) -> String {
    let mut text = Vec::with_capacity(JSON_BYTES);
    for entry in &state.entries {
        if !text.is_empty() {
            text.push(b',');
        }
        write(&mut text, entry);
    }
    String::from_utf8(text).expect("JSON is UTF-8")
}

fn write<T: Serialize>(text: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(text, value).expect("no map with keys other than strings in it");
}

fn count(revision: u64) -> i64 {
    i64::try_from(revision).expect("a revision counts transitions, one by one")
}

fn instant(at: Option<Timestamp>) -> Option<DateTime<Utc>> {
    at.map(Timestamp::to_chrono)
}

fn moved_at(state: &State) -> Timestamp {
    let last = state.entries.last();
    last.expect("a saga moves by transitions, and each has an entry")
        .at
}
