//! What one batch does to the tables: `commit.sql`, part by part.
//!
//! Every part sees the tables as they were before the statement, so a start and an update of one
//! saga in one batch do not see each other.

use std::collections::BTreeSet;

use sagas::machine::Entry;
use sagas::{SagaId, Timestamp};
use sagas_core::batch::{
    Batch, Committed, OutboxId, Outgoing, Postponement, Start, StartOutcome, State, Update,
};
use serde::Serialize;
use uuid::Uuid;

use super::{Store, StoredSaga};

/// The data of a member cannot be stored: nothing of the batch is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadData;

/// What the double refuses, beside what Postgres does: a stand-in for data that fits no row.
pub(crate) const UNSTORABLE: &str = "unstorable";

/// Who wins, judged on the tables before the statement.
#[derive(Debug, Default)]
struct Winners {
    started: BTreeSet<SagaId>,
    updated: BTreeSet<SagaId>,
}

impl Store {
    /// Commits a batch, whole or not at all.
    ///
    /// # Errors
    ///
    /// When the data of a member cannot be stored.
    pub fn commit(&mut self, batch: &Batch, now: Timestamp) -> Result<Committed, BadData> {
        let winners = self.winners(batch);
        self.refuse_bad_data(batch, &winners)?;
        let starts = batch.starts.iter();
        for start in starts.filter(|start| winners.started.contains(&start.id)) {
            self.insert(start);
        }
        let updates = batch.updates.iter();
        for update in updates.filter(|update| winners.updated.contains(&update.id)) {
            self.update(update);
        }
        for postponement in &batch.postponements {
            self.postpone(batch, &winners, postponement);
        }
        let outbox = self.announce(batch, &winners, now);
        for row in &batch.delivered {
            self.outbox.remove(row);
        }
        for letter in &batch.dead_letters {
            let value = letter.value.clone().filter(|_| letter.offset < 0);
            let (topic, partition) = (letter.topic.to_string(), letter.partition);
            let key = (topic, partition, letter.offset, value);
            self.letters.entry(key).or_insert_with(|| letter.clone());
        }
        let mut committed = committed(batch, &winners, outbox, now);
        for (start, outcome) in batch.starts.iter().zip(&mut committed.starts) {
            if let Some(digest) = start.digest {
                let stored = *self.keys.entry(start.id).or_insert(digest);
                if *outcome == StartOutcome::SameBefore && !digest.is_same_as(stored.bytes()) {
                    *outcome = StartOutcome::OtherBefore;
                }
            }
        }
        Ok(committed)
    }

    fn winners(&self, batch: &Batch) -> Winners {
        let starts = batch.starts.iter().filter(|start| {
            let is_claimed = start.digest.is_some() && self.keys.contains_key(&start.id);
            !(is_claimed || self.sagas.contains_key(&start.id))
        });
        let updates = batch.updates.iter().filter(|update| {
            let row = self.sagas.get(&update.id);
            row.is_some_and(|row| row.revision == update.expected)
        });
        Winners {
            started: starts.map(|start| start.id).collect(),
            updated: updates.map(|update| update.id).collect(),
        }
    }

    /// Postgres converts every value before it looks at a row. That a revision has two entries it does
    /// not notice, because no lane writes such a batch; here it is refused, so that one that did shows.
    fn refuse_bad_data(&self, batch: &Batch, winners: &Winners) -> Result<(), BadData> {
        let names = batch.starts.iter().map(|start| start.definition.as_str());
        if names.into_iter().any(|name| name.contains('\0')) {
            return Err(BadData);
        }
        let starts = batch
            .starts
            .iter()
            .map(|start| (start.id, true, &start.state));
        let updates = batch
            .updates
            .iter()
            .map(|update| (update.id, false, &update.state));
        for (id, is_start, state) in starts.chain(updates) {
            if state.entries.iter().any(is_unstorable) {
                return Err(BadData);
            }
            let wins = if is_start {
                winners.started.contains(&id)
            } else {
                winners.updated.contains(&id)
            };
            let mut revisions = BTreeSet::new();
            let is_taken = |entry: &Entry| {
                let row = self.sagas.get(&id);
                row.is_some_and(|row| row.history.contains_key(&entry.revision))
            };
            let repeats = |entry: &Entry| !revisions.insert(entry.revision);
            let mut entries = state.entries.iter();
            if wins && (entries.clone().any(is_taken) || entries.any(repeats)) {
                return Err(BadData);
            }
        }
        Ok(())
    }

    fn insert(&mut self, start: &Start) {
        if let Some(digest) = start.digest {
            self.keys.insert(start.id, digest);
        }
        let mut row = StoredSaga {
            definition: start.definition.clone(),
            version: start.version,
            fingerprint: start.fingerprint,
            status: start.state.status,
            revision: 0,
            started_at: start.started_at,
            updated_at: start.started_at,
            finished_at: None,
            wake_at: None,
            moving: String::new(),
            history: std::collections::BTreeMap::new(),
        };
        write(&mut row, &start.state);
        self.sagas.insert(start.id, row);
    }

    fn update(&mut self, update: &Update) {
        let Some(mut row) = self.sagas.remove(&update.id) else {
            return;
        };
        write(&mut row, &update.state);
        self.sagas.insert(update.id, row);
    }

    fn postpone(&mut self, batch: &Batch, winners: &Winners, postponement: &Postponement) {
        let is_updated = batch
            .updates
            .iter()
            .any(|update| update.id == postponement.id);
        let is_new = winners.started.contains(&postponement.id);
        if let Some(row) = self.sagas.get_mut(&postponement.id)
            && row.revision == postponement.expected
            && !is_updated
            && !is_new
        {
            row.wake_at = postponement.wake_at;
        }
    }

    fn announce(&mut self, batch: &Batch, winners: &Winners, now: Timestamp) -> Option<OutboxId> {
        let starts = batch.starts.iter();
        let starts = starts.filter(|start| winners.started.contains(&start.id));
        let updates = batch.updates.iter();
        let updates = updates.filter(|update| winners.updated.contains(&update.id));
        let states = starts.map(|s| &s.state).chain(updates.map(|u| &u.state));
        let events = states.flat_map(|state| state.announcements.iter().cloned());
        let events: Vec<Outgoing> = events.collect();
        if events.is_empty() {
            return None;
        }
        self.outbox_rows += 1;
        let row = OutboxId {
            slot: batch.slot,
            id: Uuid::from_u128(self.outbox_rows),
        };
        self.outbox.insert(row, (now, events));
        Some(row)
    }
}

fn write(row: &mut StoredSaga, state: &State) {
    row.status = state.status;
    row.revision = state.revision;
    row.wake_at = state.wake_at;
    row.moving = text(&state.moving);
    row.updated_at = state.entries.last().map_or(row.updated_at, |last| last.at);
    row.finished_at = state.status.is_terminal().then_some(row.updated_at);
    for entry in &state.entries {
        row.history.insert(entry.revision, text(entry));
    }
}

fn committed(
    batch: &Batch,
    winners: &Winners,
    outbox: Option<OutboxId>,
    now: Timestamp,
) -> Committed {
    let outcome = |start: &Start| {
        if winners.started.contains(&start.id) {
            StartOutcome::Started
        } else {
            StartOutcome::SameBefore
        }
    };
    let updates = batch.updates.iter();
    Committed {
        letters_left_out: BTreeSet::new(),
        starts: batch.starts.iter().map(outcome).collect(),
        updates: updates.map(|u| winners.updated.contains(&u.id)).collect(),
        outbox,
        database_time: now,
    }
}

fn is_unstorable(entry: &Entry) -> bool {
    let payload = entry.payload.as_ref();
    payload.is_some_and(|payload| payload.text().contains(UNSTORABLE))
}

pub(super) fn text<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("no map with keys other than strings in it")
}
