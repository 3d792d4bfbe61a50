//! Who serves what: the share of a replica, from the heartbeats that it hears, and its next heartbeat.
//!
//! It is affinity, never correctness. A replica that loses its database keeps its share; two replicas
//! that read one partition for a moment do no harm.
//!
//! Invariant: replicas that hear of the same replicas and the same number of partitions share everything
//! out among them, each number to one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sagas::Timestamp;
use sagas::sabotage::{Bug, is_seeded};
use uuid::Uuid;

use crate::batch::Slots;
use crate::lane::Input;
use crate::registry::Pin;
use crate::rendezvous::{Share, owned_by};
use crate::route;

/// A replica that is silent for so long is dead, as the others see it. A database that is silent for so
/// long is away, as far as clients can tell.
pub const SILENCE: Duration = Duration::from_secs(2);

/// This process, as it introduces itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replica {
    /// New with every start of the process.
    pub id: Uuid,
    /// For people: the host's name, say.
    pub name: String,
    /// When the process started.
    pub started_at: Timestamp,
    /// The definitions that it has, sorted: replicas that beat together lock their rows in one order.
    pub definitions: Vec<Pin>,
}

/// A replica that was seen alive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaSeen {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// When it started.
    pub started_at: Timestamp,
    /// When it last said that it lives.
    pub heartbeat_at: Timestamp,
}

/// The share of a replica.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Assignment {
    /// The reply partitions that it reads.
    pub partitions: BTreeSet<i32>,
    /// How many partitions the reply topic has.
    pub of: i32,
    /// The shards whose wakes it looks for.
    pub shards: Vec<u16>,
}

impl Assignment {
    /// Whose events left behind the replica publishes. A slot is the number of a partition: those
    /// that no partition has, because there were more when they were written, fall to the reader of
    /// the first partition, which always exists.
    #[must_use]
    pub fn slots(&self) -> Slots {
        Slots {
            own: self.partitions.iter().copied().collect(),
            from: self.partitions.contains(&0).then_some(self.of),
        }
    }
}

/// The membership of one replica.
#[derive(Debug)]
pub struct Membership {
    own: Uuid,
    shards: u16,
    lanes: usize,
    assignment: Assignment,
    /// Heartbeats that are ahead of the database's clock, and when each was first heard.
    ahead: BTreeMap<Uuid, (Timestamp, Duration)>,
}

/// What follows from a heartbeat that was answered.
#[derive(Debug)]
pub struct Heard {
    /// What lanes are told, in this order, by number; nothing where the share is what it was.
    pub inputs: Vec<(usize, Input)>,
    /// How long until the first of the others is dead, unless it beats before that: a beat then lets
    /// all that are left take its share over together.
    pub beat_within: Option<Duration>,
}

impl Membership {
    /// The replica `own`, which serves nothing yet.
    #[must_use]
    pub fn new(own: Uuid, shards: u16, lanes: usize) -> Self {
        Self {
            own,
            shards,
            lanes,
            assignment: Assignment::default(),
            ahead: BTreeMap::new(),
        }
    }

    /// What the replica serves.
    #[must_use]
    pub fn assignment(&self) -> &Assignment {
        &self.assignment
    }

    /// A heartbeat was answered: replicas that are not known to be dead, at this time of the database and
    /// this time of the observer's monotonic clock. The reply topic has so many partitions, as far as this
    /// replica has seen.
    pub fn hear(
        &mut self,
        seen: &[ReplicaSeen],
        now: Timestamp,
        observed: Duration,
        partitions: i32,
    ) -> Heard {
        let alive = &self.alive(seen, now, observed)[..];
        let assignment = self.share(alive, partitions);
        let is_first = self.assignment == Assignment::default();
        let keeps = is_seeded(Bug::KeepsItsShare) && !is_first;
        let inputs = if assignment == self.assignment || keeps {
            Vec::new()
        } else {
            self.assignment = assignment;
            self.tell_lanes()
        };
        let beat_within = self.until_death(alive, now, observed);
        Heard {
            inputs,
            beat_within,
        }
    }

    /// Those that live. A heartbeat that is ahead of the database's clock was written while that clock was
    /// wrong. It says nothing of when that was, so it counts only while it changes.
    fn alive(
        &mut self,
        seen: &[ReplicaSeen],
        now: Timestamp,
        observed: Duration,
    ) -> Vec<ReplicaSeen> {
        let is_ahead =
            |replica: &&ReplicaSeen| replica.id != self.own && replica.heartbeat_at > now + SILENCE;
        let ahead = seen.iter().filter(is_ahead).map(|replica| {
            let known = self.ahead.get(&replica.id);
            let known = known.filter(|(heartbeat_at, _)| *heartbeat_at == replica.heartbeat_at);
            let first = known.map_or(observed, |(_, first)| *first);
            (replica.id, (replica.heartbeat_at, first))
        });
        self.ahead = ahead.collect();
        let is_dead = |id: Uuid| {
            let ahead = self.ahead.get(&id);
            ahead.is_some_and(|(_, first)| observed.saturating_sub(*first) >= SILENCE)
                && !is_seeded(Bug::BelievesTheFuture)
        };
        let alive = seen.iter().filter(|replica| !is_dead(replica.id));
        alive.cloned().collect()
    }

    /// Time until the first of the others is dead, unless it beats before.
    fn until_death(
        &self,
        alive: &[ReplicaSeen],
        now: Timestamp,
        observed: Duration,
    ) -> Option<Duration> {
        if is_seeded(Bug::WaitsForItsBeat) {
            return None;
        }
        let others = alive.iter().filter(|replica| replica.id != self.own);
        let silent_for = |replica: &ReplicaSeen| match self.ahead.get(&replica.id) {
            Some((_, first)) => observed.saturating_sub(*first),
            None => now.since(replica.heartbeat_at),
        };
        let longest = others.map(silent_for).max()?;
        Some(SILENCE.saturating_sub(longest))
    }

    fn share(&self, alive: &[ReplicaSeen], of: i32) -> Assignment {
        let alive: Vec<Uuid> = alive.iter().map(|replica| replica.id).collect();
        let count = u32::try_from(of).unwrap_or(0);
        let partitions = owned_by(self.own, &alive, Share::Partitions, count);
        let shards = owned_by(self.own, &alive, Share::Shards, u32::from(self.shards));
        Assignment {
            partitions: partitions
                .filter_map(|number| i32::try_from(number).ok())
                .collect(),
            of,
            shards: shards
                .filter_map(|number| u16::try_from(number).ok())
                .collect(),
        }
    }

    fn tell_lanes(&self) -> Vec<(usize, Input)> {
        let Assignment { partitions, of, .. } = &self.assignment;
        let mut inputs = Vec::with_capacity(2 * self.lanes);
        for lane in 0..self.lanes {
            let is_own = |number: &i32| route::lane_of_partition(*number, self.lanes) == lane;
            let own = partitions.iter().copied().filter(is_own).collect();
            let held = Input::Held {
                partitions: partitions.clone(),
                of: *of,
            };
            inputs.push((lane, held));
            inputs.push((lane, Input::Assigned(own)));
        }
        inputs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replica(id: u128, seconds: u64) -> ReplicaSeen {
        ReplicaSeen {
            id: Uuid::from_u128(id),
            name: String::new(),
            started_at: Timestamp::default(),
            heartbeat_at: Timestamp::default() + Duration::from_secs(seconds),
        }
    }

    #[test]
    fn the_one_that_is_silent_for_longest_dies_first() {
        let alive = [replica(1, 10), replica(2, 13), replica(3, 12)];
        let left_of = |alive: &[ReplicaSeen], own, now| {
            let now = Timestamp::default() + Duration::from_millis(now);
            let membership = Membership::new(Uuid::from_u128(own), 16, 2);
            membership.until_death(alive, now, Duration::ZERO)
        };
        let left = |own, now| left_of(&alive, own, now);
        assert_eq!(left(1, 13_400), Some(Duration::from_millis(600)));
        assert_eq!(left(2, 13_400), Some(Duration::ZERO), "it is late");
        assert_eq!(
            left_of(&alive[..1], 1, 0),
            None,
            "no other replica is there"
        );
    }

    #[test]
    fn lanes_are_told_of_a_share_once() {
        let mut membership = Membership::new(Uuid::from_u128(1), 16, 2);
        let (alone, now) = ([replica(1, 10)], Timestamp::default());
        let heard = membership.hear(&alone, now, Duration::ZERO, 4);
        assert!(heard.beat_within.is_none());
        let told: Vec<_> = heard.inputs.iter().map(|(lane, _)| *lane).collect();
        assert_eq!(told, [0, 0, 1, 1]);
        assert_eq!(membership.assignment().shards.len(), 16);
        assert!(matches!(
            &heard.inputs[3].1,
            Input::Assigned(own) if own.iter().eq(&[1, 3])
        ));
        assert!(
            membership
                .hear(&alone, now, Duration::ZERO, 4)
                .inputs
                .is_empty()
        );
        assert!(
            !membership
                .hear(&alone, now, Duration::ZERO, 5)
                .inputs
                .is_empty()
        );
        let both = [replica(1, 10), replica(2, 10)];
        assert!(
            !membership
                .hear(&both, now, Duration::ZERO, 5)
                .inputs
                .is_empty()
        );
        assert_eq!(membership.assignment().shards.len(), 8);
    }

    /// The database's clock was an hour ahead, and the second replica was killed meanwhile.
    #[test]
    fn a_heartbeat_from_the_future_counts_only_while_it_changes() {
        let mut membership = Membership::new(Uuid::from_u128(1), 16, 1);
        let mut hear = |own: u64, other: u64, observed| {
            let seen = [replica(1, own), replica(2, other)];
            let now = Timestamp::default() + Duration::from_secs(own);
            let heard = membership.hear(&seen, now, Duration::from_millis(observed), 4);
            let shards = membership.assignment().shards.len();
            (shards, heard.beat_within.map(|within| within.as_millis()))
        };
        assert_eq!(hear(100, 100, 0), (8, Some(2_000)));
        assert_eq!(hear(100, 3_700, 500), (8, Some(2_000)));
        assert_eq!(hear(101, 3_700, 1_500), (8, Some(1_000)));
        assert_eq!(hear(101, 3_701, 2_000), (8, Some(2_000)), "it has beaten");
        assert_eq!(hear(103, 3_701, 3_999), (8, Some(1)));
        assert_eq!(hear(103, 3_701, 4_000), (16, None), "it is dead");
        assert_eq!(hear(104, 104, 4_500), (8, Some(2_000)), "it is there again");
    }

    #[test]
    fn the_reader_of_the_first_partition_has_the_slots_that_no_partition_has() {
        let mut assignment = Assignment {
            partitions: BTreeSet::from([0, 2]),
            of: 4,
            shards: Vec::new(),
        };
        assert!(assignment.slots().contains(7) && assignment.slots().contains(2));
        assert!(!assignment.slots().contains(3));
        assignment.partitions.remove(&0);
        assert!(!assignment.slots().contains(7));
    }
}
