//! What was stored, and what was read of it.

use std::collections::BTreeMap;

use sagas::{SagaId, Status};

use super::{Evidence, Finding, require};
use crate::journal::Commit;

/// A write starts from the revision that is stored, and each transition adds one and a history row.
pub(super) fn revisions_grow_by_one(evidence: &Evidence<'_>) -> Finding {
    let mut revisions: BTreeMap<SagaId, u64> = BTreeMap::new();
    for commit in &evidence.journal.commits {
        let id = commit.saga;
        let stored = revisions.insert(id, commit.revision).unwrap_or(0);
        let expected = commit.expected.unwrap_or(0);
        require(stored == expected && commit.revision > stored, id, || {
            format!(
                "revision {} was written over {stored}, expected {expected}",
                commit.revision
            )
        })?;
    }
    for (id, stored) in &evidence.sagas {
        let revisions = stored.loaded.history.iter().map(|entry| entry.revision);
        require(revisions.eq(1..=stored.loaded.row.revision), *id, || {
            let entries = stored.loaded.history.len();
            format!(
                "revision {} has {entries} history rows",
                stored.loaded.row.revision
            )
        })?;
    }
    Ok(())
}

/// What has ended stays as it ended.
pub(super) fn terminal_states_never_change(evidence: &Evidence<'_>) -> Finding {
    let mut ended: BTreeMap<SagaId, Status> = BTreeMap::new();
    for commit in &evidence.journal.commits {
        if let Some(end) = ended.get(&commit.saga) {
            let text = format!("it was {end} and became {}", commit.status);
            return Err((Some(commit.saga), text));
        }
        if commit.status.is_terminal() {
            ended.insert(commit.saga, commit.status);
        }
    }
    Ok(())
}

/// Whatever has not ended is looked at again, or waits for a person who has a reason.
pub(super) fn no_saga_without_a_wake_or_a_person(evidence: &Evidence<'_>) -> Finding {
    for commit in &evidence.journal.commits {
        let rests = commit.status.is_terminal() || commit.status == Status::Stuck;
        let is_paused = commit.moving.paused.is_some();
        require(
            rests || is_paused || commit.wake_at.is_some(),
            commit.saga,
            || {
                format!(
                    "revision {} is {} and has no wake",
                    commit.revision, commit.status
                )
            },
        )?;
        let is_stuck = commit.status == Status::Stuck;
        let has_reason = !is_stuck || evidence.journal.troubled.contains(&commit.saga);
        require(has_reason, commit.saga, || {
            "it waits for a person without a reason".to_owned()
        })?;
    }
    for (id, stored) in &evidence.sagas {
        let row = &stored.loaded.row;
        let rests = row.status.is_terminal() || row.status == Status::Stuck;
        let is_paused = row.moving.paused.is_some();
        require(rests || is_paused || row.wake_at.is_some(), *id, || {
            format!("it is {} and has no wake", row.status)
        })?;
    }
    Ok(())
}

/// A read gives the last committed state and its whole history.
pub(super) fn what_is_read_is_what_was_committed(evidence: &Evidence<'_>) -> Finding {
    let mut latest: BTreeMap<SagaId, &Commit> = BTreeMap::new();
    let mut seen = 0;
    for read in &evidence.journal.reads {
        for commit in &evidence.journal.commits[seen..read.after] {
            latest.insert(commit.saga, commit);
        }
        seen = read.after;
        let Some(commit) = latest.get(&read.saga) else {
            return Err((
                Some(read.saga),
                "it was read before it was stored".to_owned(),
            ));
        };
        let is_same = read.revision == commit.revision
            && read.moving == commit.moving
            && read.status == commit.status;
        require(is_same, read.saga, || {
            format!(
                "revision {} was read, {} is committed",
                read.revision, commit.revision
            )
        })?;
        let entries = u64::try_from(read.entries).unwrap_or(u64::MAX);
        require(
            entries == read.revision && read.newest == entries,
            read.saga,
            || {
                format!(
                    "revision {} was read with {entries} history rows",
                    read.revision
                )
            },
        )?;
    }
    Ok(())
}

/// A binary moves no saga whose definition it lacks, or has changed.
pub(super) fn only_who_has_the_definition_moves_a_saga(evidence: &Evidence<'_>) -> Finding {
    match evidence.journal.written_unknown.first() {
        None => Ok(()),
        Some(saga) => Err((
            Some(*saga),
            "a binary wrote it that does not have its definition".to_owned(),
        )),
    }
}

/// After a commit whose answer was lost, its sagas are read again before they are written again.
pub(super) fn what_is_in_doubt_is_read_again(evidence: &Evidence<'_>) -> Finding {
    match evidence.journal.written_in_doubt.first() {
        None => Ok(()),
        Some(saga) => Err((
            Some(*saga),
            "it was written over without a look, after a commit of it whose answer was lost"
                .to_owned(),
        )),
    }
}

/// Of the commits that a lane has under way, at most one has a saga.
pub(super) fn a_saga_is_in_one_commit_at_a_time(evidence: &Evidence<'_>) -> Finding {
    match evidence.journal.committed_at_once.first() {
        None => Ok(()),
        Some(saga) => Err((
            Some(*saga),
            "a lane wrote it while another commit of the lane had it".to_owned(),
        )),
    }
}

/// With nothing going wrong any more, every saga ends, where need be by a person, and all queues empty.
pub(super) fn everything_comes_to_rest(evidence: &Evidence<'_>) -> Finding {
    match &evidence.journal.unrest {
        None => Ok(()),
        Some(unrest) => Err((evidence.restless(), unrest.clone())),
    }
}

impl Evidence<'_> {
    fn restless(&self) -> Option<SagaId> {
        self.world.store.open().next()
    }
}
