//! How far each reply partition has been worked off, without gaps.
//!
//! An offset may be stored with the broker only when every record before it is committed to the
//! database, or needs no commit. Records of a partition finish in any order; this keeps the order.

use std::collections::{BTreeMap, BTreeSet};

use sagas::sabotage::{Bug, is_seeded};

/// Where a record was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Reply partition.
    pub partition: i32,
    /// Offset in it.
    pub offset: i64,
}

#[derive(Debug, Default)]
struct Partition {
    unfinished: BTreeSet<i64>,
    next: i64,
    advanced_to: i64,
}

/// The open records of every partition.
#[derive(Debug, Default)]
pub(super) struct Offsets {
    partitions: BTreeMap<i32, Partition>,
}

impl Offsets {
    /// A record has arrived.
    pub(super) fn arrived(&mut self, at: Position) {
        let partition = self.partitions.entry(at.partition).or_default();
        partition.unfinished.insert(at.offset);
        partition.next = partition.next.max(at.offset + 1);
    }

    /// A record is worked off for good.
    pub(super) fn finished(&mut self, at: Position) {
        if let Some(partition) = self.partitions.get_mut(&at.partition) {
            partition.unfinished.remove(&at.offset);
        }
    }

    /// The partitions that came further since the last call, with the offset to continue at.
    pub(super) fn advances(&mut self) -> Vec<(i32, i64)> {
        let mut advances = Vec::new();
        for (number, partition) in &mut self.partitions {
            let first = partition.unfinished.first().copied();
            let first = first.filter(|_| !is_seeded(Bug::AdvancesOffsetsEarly));
            let reached = first.unwrap_or(partition.next);
            if reached > partition.advanced_to {
                partition.advanced_to = reached;
                advances.push((*number, reached));
            }
        }
        advances
    }

    /// Forgets partitions that somebody else reads now; returned later, they start anew.
    pub(super) fn keep_only(&mut self, assigned: &BTreeSet<i32>) {
        self.partitions
            .retain(|number, _| assigned.contains(number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: i64) -> Position {
        Position {
            partition: 3,
            offset,
        }
    }

    #[test]
    fn an_offset_waits_for_every_record_before_it() {
        let mut offsets = Offsets::default();
        (5..9).for_each(|offset| offsets.arrived(at(offset)));
        offsets.finished(at(6));
        offsets.finished(at(7));
        assert_eq!(offsets.advances(), [(3, 5)]);
        offsets.finished(at(5));
        assert_eq!(offsets.advances(), [(3, 8)]);
        offsets.finished(at(8));
        assert_eq!(offsets.advances(), [(3, 9)]);
        assert_eq!(offsets.advances(), []);
    }

    #[test]
    fn a_partition_that_comes_back_may_start_at_an_earlier_offset() {
        let mut offsets = Offsets::default();
        offsets.arrived(at(9));
        offsets.finished(at(9));
        assert_eq!(offsets.advances(), [(3, 10)]);
        offsets.keep_only(&BTreeSet::new());
        offsets.arrived(at(4));
        offsets.finished(at(4));
        assert_eq!(offsets.advances(), [(3, 5)]);
    }
}
