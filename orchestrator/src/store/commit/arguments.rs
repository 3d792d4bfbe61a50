//! A batch as the arguments of its statement: one array for each column, by the name that `commit.sql`
//! and `to_archive.sql` give it.

use std::collections::HashSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use sagas::{SagaId, Timestamp};
use sagas_core::batch::{Batch, LETTERS_KEPT_MAX, Outgoing, Postponement, Start, State, Update};
use serde::Serialize;

use super::column;
use crate::store::dead_letter::{Folded, fold, storable};
use crate::store::retention::FIRST_DAY;
use crate::store::sql::{Argument, Statement};
use crate::store::terms::{HISTORY_BYTES_MIN, Terms};

/// History in a saga's row stays below so many bytes; what comes after lies beside it. The row is written
/// anew with every step, so that a large payload in it would be, too.
const ENTRIES_BYTES_MAX: i32 = 2000;

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
    letters: Vec<Folded<'a>>,
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
            letters: fold(&batch.dead_letters),
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
            letters: !self.letters.is_empty(),
        }
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

/// What a batch has, hence which parts it needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts {
    pub(super) starts: bool,
    /// Some start has a key.
    pub(super) keys: bool,
    pub(super) updates: bool,
    /// Sagas that go to the archive.
    pub(super) ends: bool,
    /// Some member ends its saga, wherever that then lies.
    pub(super) tally: bool,
    pub(super) postponements: bool,
    pub(super) events: bool,
    pub(super) deliveries: bool,
    pub(super) letters: bool,
}

/// Binds one argument.
pub(super) type Bind = fn(&Rows<'_>, Statement) -> Statement;

/// What stands for each name.
pub(super) const ARGUMENTS: [Argument<Bind>; 64] = [
    ("starts_shard", |rows, s| {
        s.bind(column(&rows.starts, |(shard, _)| *shard))
    }),
    ("starts_id", |rows, s| {
        s.bind(column(&rows.starts, |(_, start)| start.id.0))
    }),
    ("starts_digest", |rows, s| {
        s.bind(column(&rows.starts, |(_, start)| {
            start.digest.map(|digest| digest.bytes().to_vec())
        }))
    }),
    ("starts_definition", |rows, s| {
        s.bind(column(&rows.starts, |(_, start)| start.definition.as_str()))
    }),
    ("starts_version", |rows, s| {
        s.bind(column(&rows.starts, |(_, start)| i64::from(start.version)))
    }),
    ("starts_fingerprint", |rows, s| {
        s.bind(column(&rows.starts, |(_, start)| start.fingerprint))
    }),
    ("starts_status", |rows, s| {
        s.bind(column(&rows.starts, |(_, start)| {
            start.state.status.as_str()
        }))
    }),
    ("starts_revision", |rows, s| {
        s.bind(column(&rows.starts, |(_, start)| {
            count(start.state.revision)
        }))
    }),
    ("starts_wake_at", |rows, s| {
        s.bind(column(&rows.starts, |(_, start)| {
            instant(start.state.wake_at)
        }))
    }),
    ("starts_moving", |rows, s| {
        s.bind(column(&rows.starts, |(_, start)| json(&start.state.moving)))
    }),
    ("starts_needs_attention", |rows, s| {
        s.bind(column(&rows.starts, |(_, start)| {
            start.state.moving.needs_attention()
        }))
    }),
    ("starts_started_at", |rows, s| {
        s.bind(column(&rows.starts, |(_, start)| {
            start.started_at.to_chrono()
        }))
    }),
    ("starts_updated_at", |rows, s| {
        s.bind(column(&rows.starts, |(_, start)| {
            moved_at(&start.state).to_chrono()
        }))
    }),
    ("starts_entries", |rows, s| {
        s.bind(column(&rows.starts, |(_, start)| entries(&start.state)))
    }),
    ("updates_shard", |rows, s| {
        s.bind(column(&rows.updates, |(shard, _)| *shard))
    }),
    ("updates_id", |rows, s| {
        s.bind(column(&rows.updates, |(_, update)| update.id.0))
    }),
    ("updates_expected", |rows, s| {
        s.bind(column(&rows.updates, |(_, update)| count(update.expected)))
    }),
    ("updates_revision", |rows, s| {
        s.bind(column(&rows.updates, |(_, update)| {
            count(update.state.revision)
        }))
    }),
    ("updates_status", |rows, s| {
        s.bind(column(&rows.updates, |(_, update)| {
            update.state.status.as_str()
        }))
    }),
    ("updates_wake_at", |rows, s| {
        s.bind(column(&rows.updates, |(_, update)| {
            instant(update.state.wake_at)
        }))
    }),
    ("updates_moving", |rows, s| {
        s.bind(column(&rows.updates, |(_, update)| {
            json(&update.state.moving)
        }))
    }),
    ("updates_needs_attention", |rows, s| {
        s.bind(column(&rows.updates, |(_, update)| {
            update.state.moving.needs_attention()
        }))
    }),
    ("updates_updated_at", |rows, s| {
        s.bind(column(&rows.updates, |(_, update)| {
            moved_at(&update.state).to_chrono()
        }))
    }),
    ("updates_entries", |rows, s| {
        s.bind(column(&rows.updates, |(_, update)| entries(&update.state)))
    }),
    ("entries_bytes_max", |_, s| s.bind(ENTRIES_BYTES_MAX)),
    ("ends_shard", |rows, s| {
        s.bind(column(&rows.ends, |(shard, _)| *shard))
    }),
    ("ends_id", |rows, s| {
        s.bind(column(&rows.ends, |(_, end)| end.id.0))
    }),
    ("ends_expected", |rows, s| {
        s.bind(column(&rows.ends, |(_, end)| count(end.expected)))
    }),
    ("ends_revision", |rows, s| {
        s.bind(column(&rows.ends, |(_, end)| count(end.state.revision)))
    }),
    ("ends_status", |rows, s| {
        s.bind(column(&rows.ends, |(_, end)| end.state.status.as_str()))
    }),
    ("ends_moving", |rows, s| {
        s.bind(column(&rows.ends, |(_, end)| json(&end.state.moving)))
    }),
    ("ends_finished_at", |rows, s| {
        s.bind(column(&rows.ends, |(_, end)| {
            moved_at(&end.state).to_chrono()
        }))
    }),
    ("ends_entries", |rows, s| {
        s.bind(column(&rows.ends, |(_, end)| entries(&end.state)))
    }),
    ("first_day", |_, s| s.bind(FIRST_DAY)),
    ("counted_from", |_, s| s.bind(FIRST_DAY)),
    ("definitions", |rows, s| {
        s.bind(rows.terms.definitions.clone())
    }),
    ("kept", |rows, s| s.bind(rows.terms.kept.clone())),
    ("steps", |rows, s| s.bind(rows.terms.steps.clone())),
    ("other_kept", |rows, s| s.bind(rows.terms.other_kept)),
    ("other_step", |rows, s| s.bind(rows.terms.other_step)),
    ("history_bytes_min", |_, s| s.bind(HISTORY_BYTES_MIN)),
    ("postponements_shard", |rows, s| {
        s.bind(column(&rows.postponements, |(shard, _)| *shard))
    }),
    ("postponements_id", |rows, s| {
        s.bind(column(&rows.postponements, |(_, postponement)| {
            postponement.id.0
        }))
    }),
    ("postponements_expected", |rows, s| {
        s.bind(column(&rows.postponements, |(_, postponement)| {
            count(postponement.expected)
        }))
    }),
    ("postponements_wake_at", |rows, s| {
        s.bind(column(&rows.postponements, |(_, postponement)| {
            instant(postponement.wake_at)
        }))
    }),
    ("events_slot", |rows, s| s.bind(rows.batch.slot)),
    ("events_id", |rows, s| {
        s.bind(column(&rows.events, |(id, _, _)| id.0))
    }),
    ("events_is_start", |rows, s| {
        s.bind(column(&rows.events, |(_, is_start, _)| *is_start))
    }),
    ("events_event", |rows, s| {
        s.bind(column(&rows.events, |(_, _, event)| json(event)))
    }),
    ("deliveries_slot", |rows, s| {
        s.bind(column(&rows.batch.delivered, |row| row.slot))
    }),
    ("deliveries_id", |rows, s| {
        s.bind(column(&rows.batch.delivered, |row| row.id))
    }),
    ("letters_cluster", |rows, s| {
        s.bind(column(&rows.letters, |folded| {
            storable(&folded.last.cluster)
        }))
    }),
    ("letters_topic", |rows, s| {
        s.bind(column(&rows.letters, |folded| storable(&folded.last.topic)))
    }),
    ("letters_partition", |rows, s| {
        s.bind(column(&rows.letters, |folded| folded.last.partition))
    }),
    ("letters_record_offset", |rows, s| {
        s.bind(column(&rows.letters, |folded| folded.last.offset))
    }),
    ("letters_digest", |rows, s| {
        s.bind(column(&rows.letters, |folded| folded.digest.as_slice()))
    }),
    ("letters_records", |rows, s| {
        s.bind(column(&rows.letters, |folded| folded.records()))
    }),
    ("letters_kind", |rows, s| {
        s.bind(column(&rows.letters, |folded| folded.last.kind.as_str()))
    }),
    ("letters_reason", |rows, s| {
        s.bind(column(&rows.letters, |folded| {
            storable(&folded.last.reason)
        }))
    }),
    ("letters_key", |rows, s| {
        s.bind(column(&rows.letters, |folded| folded.last.key.as_deref()))
    }),
    ("letters_headers", |rows, s| {
        s.bind(column(&rows.letters, |folded| folded.last.headers.packed()))
    }),
    ("letters_value", |rows, s| {
        s.bind(column(&rows.letters, |folded| folded.last.value.as_deref()))
    }),
    ("letters_kept_max", |_, s| s.bind(LETTERS_KEPT_MAX)),
    ("slot", |rows, s| s.bind(rows.batch.tally_slot)),
];

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
