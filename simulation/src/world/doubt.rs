//! What is in a lane's commits and loads under way, and what a lane cannot know: whether one holds whose answer
//! was lost.
//!
//! Invariant: a saga is in doubt for a lane from the instant at which the lane is told so until it
//! has read the saga again, or a later commit of it holds.

use std::collections::{BTreeMap, BTreeSet};

use sagas::SagaId;
use sagas_core::CommitError;
use sagas_core::batch::{Batch, Committed};

use super::{Life, World};
use crate::faults::Fault;
use crate::journal::LoadAsked;

/// Per lane of a process.
#[derive(Debug, Default)]
pub(crate) struct Doubts {
    underway: BTreeMap<(Life, usize), BTreeMap<u64, Members>>,
    open: BTreeMap<(Life, usize), BTreeSet<SagaId>>,
    /// Loads under way.
    loads: BTreeMap<(Life, usize), usize>,
}

/// The sagas of one commit.
#[derive(Debug, Default)]
struct Members {
    moved: Vec<SagaId>,
    postponed: Vec<SagaId>,
}

impl Members {
    fn of(batch: &Batch) -> Self {
        let updates = batch.updates.iter().map(|update| update.id);
        let starts = batch.starts.iter().map(|start| start.id);
        let postponed = batch.postponements.iter();
        Self {
            moved: updates.chain(starts).collect(),
            postponed: postponed.map(|postponement| postponement.id).collect(),
        }
    }

    fn all(&self) -> impl Iterator<Item = &SagaId> {
        self.moved.iter().chain(&self.postponed)
    }
}

impl World {
    /// A lane sends a commit. What it writes over must not be in doubt, nor in another one.
    pub(crate) fn note_commit(&mut self, life: Life, lane: usize, number: u64, batch: &Batch) {
        let key = (life, lane);
        if let Some(open) = self.doubts.open.get(&key) {
            let updates = batch.updates.iter().map(|update| update.id);
            let doubtful = updates.filter(|id| open.contains(id));
            self.journal.written_in_doubt.extend(doubtful);
        }
        let members = Members::of(batch);
        let underway = self.doubts.underway.entry(key).or_default();
        let elsewhere: BTreeSet<SagaId> =
            underway.values().flat_map(Members::all).copied().collect();
        let twice = members.all().filter(|id| elsewhere.contains(id));
        self.journal.committed_at_once.extend(twice);
        let is_second = !underway.is_empty();
        underway.insert(number, members);
        if is_second {
            self.faults.count(Fault::CommitsOverlapped);
        }
    }

    /// The lane is told what became of it.
    pub(crate) fn note_result(
        &mut self,
        life: Life,
        lane: usize,
        number: u64,
        result: &Result<Committed, CommitError>,
    ) {
        let key = (life, lane);
        let underway = self.doubts.underway.entry(key).or_default();
        let members = underway.remove(&number).unwrap_or_default().moved;
        let is_overtaking = underway.keys().any(|other| *other < number);
        if is_overtaking {
            self.faults.count(Fault::CommitOvertaken);
        }
        let open = self.doubts.open.entry(key).or_default();
        match result {
            Err(CommitError::Ambiguous(_)) => open.extend(members),
            Ok(_) => open.retain(|id| !members.contains(id)),
            Err(_) => {}
        }
    }

    /// A lane asks for a load.
    pub(crate) fn note_load(&mut self, life: Life, lane: usize, sagas: &[SagaId]) {
        let under_way = self.doubts.loads.entry((life, lane)).or_default();
        self.journal.loads.push(LoadAsked {
            sagas: sagas.to_vec(),
            beside: *under_way,
        });
        *under_way += 1;
    }

    /// Its load is answered.
    pub(crate) fn note_loaded(&mut self, life: Life, lane: usize) {
        let under_way = self.doubts.loads.entry((life, lane)).or_default();
        *under_way = under_way.saturating_sub(1);
    }

    /// The lane has read these.
    pub(crate) fn note_read(&mut self, life: Life, lane: usize, read: &[SagaId]) {
        if let Some(open) = self.doubts.open.get_mut(&(life, lane)) {
            open.retain(|id| !read.contains(id));
        }
    }
}
