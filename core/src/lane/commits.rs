//! The commits that are under way: one, and a second beside it when much waits.
//!
//! Invariants: an answer ends the commit whose number it names, and no other; a saga is in at most
//! one of them (its queue is held for the commit until the answer); each counts in a slot of its own
//! while the lane reads two reply partitions, because commits of one slot wait for each other there.

use std::collections::BTreeMap;

use sagas::sabotage::{Bug, is_seeded};

use super::Position;
use super::member::{Member, Starting};
use crate::batch::{DeadLetter, OutboxId, Postponement};

/// Commits of one lane at a time: while one is on its way to the disk, the other is decided.
pub const COMMITS_MAX: usize = 2;

/// A commit that is under way, and what it will mean.
#[derive(Debug, Default)]
pub(super) struct Underway {
    /// By position in the batch's starts.
    pub(super) starts: Vec<Starting>,
    /// By position in the batch's updates.
    pub(super) updates: Vec<Member>,
    pub(super) postponed: Vec<Postponement>,
    pub(super) letters: Vec<(Option<Position>, DeadLetter)>,
    pub(super) delivered: Vec<OutboxId>,
    /// Where it counts the sagas that it ends.
    pub(super) tally_slot: i32,
    /// Events in it.
    pub(super) events: usize,
    /// How many events it might have had.
    pub(super) limit: usize,
}

#[derive(Debug, Default)]
pub(super) struct Commits {
    open: BTreeMap<u64, Underway>,
    begun: u64,
}

impl Commits {
    /// The commit's number.
    pub(super) fn begin(&mut self, underway: Underway) -> u64 {
        self.begun += 1;
        self.open.insert(self.begun, underway);
        self.begun
    }

    /// What the answer to this commit is about; `None` when it was answered before.
    pub(super) fn end(&mut self, number: u64) -> Option<Underway> {
        let number = match self.open.first_key_value() {
            Some((oldest, _)) if is_seeded(Bug::MixesUpCommits) => *oldest,
            _ => number,
        };
        self.open.remove(&number)
    }

    /// How many are under way.
    pub(super) fn open(&self) -> usize {
        self.open.len()
    }

    /// How many were begun, modulo 2^31.
    pub(super) fn begun(&self) -> i32 {
        i32::try_from(self.begun % (1 << 31)).unwrap_or(0)
    }

    /// Where the next one counts: of the lane's slots, one that no commit under way has.
    pub(super) fn free_slot(&self, own: &[i32]) -> i32 {
        let is_free = |slot: &&i32| {
            self.open
                .values()
                .all(|underway| underway.tally_slot != **slot)
        };
        let free = own.iter().find(is_free).or_else(|| own.first());
        free.copied().unwrap_or(0)
    }

    /// The sagas that move in them.
    pub(super) fn members_mut(&mut self) -> impl Iterator<Item = &mut Member> {
        let open = self.open.values_mut();
        open.flat_map(|underway| {
            let starts = underway.starts.iter_mut().map(|start| &mut start.member);
            starts.chain(&mut underway.updates)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_slot(slot: i32) -> Underway {
        Underway {
            tally_slot: slot,
            ..Underway::default()
        }
    }

    #[test]
    fn two_commits_share_a_slot_only_where_the_lane_has_no_other() {
        let mut commits = Commits::default();
        assert_eq!(commits.free_slot(&[]), 0);
        let first = commits.begin(of_slot(commits.free_slot(&[3, 5])));
        assert_eq!(
            (commits.free_slot(&[3, 5]), commits.free_slot(&[3])),
            (5, 3)
        );
        commits.begin(of_slot(5));
        commits.end(first);
        assert_eq!(commits.free_slot(&[3, 5]), 3);
    }
}
