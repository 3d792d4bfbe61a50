//! What a lane cannot know: whether a commit holds whose answer was lost.
//!
//! Invariant: a saga is in doubt for a lane from the instant at which the lane is told so until it
//! has read the saga again, or a later commit of it holds.

use std::collections::{BTreeMap, BTreeSet};

use orchestrator::store::CommitError;
use orchestrator::store::batch::{Batch, Committed};
use sagas::SagaId;

use super::{Life, World};

/// Per lane of a process.
#[derive(Debug, Default)]
pub(crate) struct Doubts {
    underway: BTreeMap<(Life, usize), Vec<SagaId>>,
    open: BTreeMap<(Life, usize), BTreeSet<SagaId>>,
}

impl World {
    /// A lane sends a commit. What it writes over must not be in doubt.
    pub(crate) fn note_commit(&mut self, life: Life, lane: usize, batch: &Batch) {
        let key = (life, lane);
        let updates = batch.updates.iter().map(|update| update.id);
        if let Some(open) = self.doubts.open.get(&key) {
            let doubtful = updates.clone().filter(|id| open.contains(id));
            self.journal.written_in_doubt.extend(doubtful);
        }
        let starts = batch.starts.iter().map(|start| start.id);
        let all = updates.chain(starts).collect();
        self.doubts.underway.insert(key, all);
    }

    /// The lane is told what became of it.
    pub(crate) fn note_result(
        &mut self,
        life: Life,
        lane: usize,
        result: &Result<Committed, CommitError>,
    ) {
        let key = (life, lane);
        let members = self.doubts.underway.remove(&key).unwrap_or_default();
        let open = self.doubts.open.entry(key).or_default();
        match result {
            Err(CommitError::Ambiguous(_)) => open.extend(members),
            Ok(_) => open.retain(|id| !members.contains(id)),
            Err(_) => {}
        }
    }

    /// The lane has read these.
    pub(crate) fn note_read(&mut self, life: Life, lane: usize, read: &[SagaId]) {
        if let Some(open) = self.doubts.open.get_mut(&(life, lane)) {
            open.retain(|id| !read.contains(id));
        }
    }
}
