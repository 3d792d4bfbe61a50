//! Which partition a record goes to.
//!
//! A partition is a request of its own, to the broker and from it, and at small batches requests are
//! what everything costs. So the commands of a flight go to one partition of their topic, those of
//! the next flight to the next one; a large flight takes several, so that a participant's instances
//! share it. A saga's commands may overtake each other: barrier and state machine do not mind.
//!
//! Lifecycle events are read by others, who count on a saga's events coming in order: its id decides.

use std::sync::atomic::{AtomicI32, Ordering};

use rdkafka::producer::Partitioner;
use uuid::Uuid;

/// Commands in a row that go to one partition: more than a flight has, until thousands of sagas
/// move at a time.
const RUN: i32 = 256;

/// Chooses partitions.
#[derive(Debug)]
pub(super) struct Spread {
    /// The topic whose records keep their order.
    events: String,
    /// Commands placed, rounded up to whole runs at the start of each flight.
    placed: AtomicI32,
}

impl Spread {
    pub(super) fn new(events: String) -> Self {
        Self {
            events,
            placed: AtomicI32::new(0),
        }
    }

    /// What is placed from now on goes to other partitions than what was placed before.
    pub(super) fn next_flight(&self) {
        let placed = self.placed.load(Ordering::Relaxed);
        let next = (placed / RUN).wrapping_add(1).checked_mul(RUN);
        self.placed.store(next.unwrap_or(0), Ordering::Relaxed);
    }
}

impl Partitioner for Spread {
    fn partition(
        &self,
        topic: &str,
        key: Option<&[u8]>,
        count: i32,
        has_leader: impl Fn(i32) -> bool,
    ) -> i32 {
        let count = count.max(1);
        if topic == self.events {
            let saga = key.and_then(|key| Uuid::try_parse_ascii(key).ok());
            let (_, low) = saga.unwrap_or_default().as_u64_pair();
            return i32::try_from(low % u64::from(count.unsigned_abs())).unwrap_or(0);
        }
        let first = self.placed.fetch_add(1, Ordering::Relaxed).max(0) / RUN % count;
        let mut in_turn = (first..count).chain(0..first);
        in_turn
            .find(|partition| has_leader(*partition))
            .unwrap_or(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(spread: &Spread, topic: &str) -> i32 {
        spread.partition(topic, Some(b"no uuid"), 4, |_| true)
    }

    #[test]
    fn a_flight_of_commands_shares_a_partition_and_the_next_one_takes_another() {
        let spread = Spread::new("saga.events".to_owned());
        let mut seen = Vec::new();
        for _ in 0..5 {
            spread.next_flight();
            let one = place(&spread, "saga.stock.commands");
            assert_eq!(place(&spread, "saga.cards.commands"), one);
            assert_eq!(place(&spread, "saga.stock.commands"), one);
            seen.push(one);
        }
        assert_eq!(seen, [1, 2, 3, 0, 1]);
    }

    #[test]
    fn a_large_flight_takes_several_partitions() {
        let spread = Spread::new("saga.events".to_owned());
        spread.next_flight();
        let all: Vec<_> = (0..600).map(|_| place(&spread, "commands")).collect();
        assert_eq!((all[0], all[255], all[256], all[599]), (1, 1, 2, 3));
    }

    #[test]
    fn a_partition_without_a_leader_is_left_out() {
        let spread = Spread::new("saga.events".to_owned());
        spread.next_flight();
        assert_eq!(spread.partition("commands", None, 4, |p| p != 1), 2);
        assert_eq!(spread.partition("commands", None, 4, |_| false), 1);
    }

    #[test]
    fn a_sagas_events_keep_to_one_partition() {
        let spread = Spread::new("saga.events".to_owned());
        let place = |key: Uuid| {
            spread.next_flight();
            spread.partition("saga.events", Some(key.to_string().as_bytes()), 4, |_| true)
        };
        let keys = [Uuid::from_u128(7), Uuid::from_u128(8)];
        assert_eq!([place(keys[0]), place(keys[0])], [3, 3]);
        assert_eq!(place(keys[1]), 0);
    }

    #[test]
    fn the_count_of_commands_may_pass_its_end() {
        let spread = Spread::new("saga.events".to_owned());
        spread.placed.store(i32::MAX, Ordering::Relaxed);
        assert!((0..4).contains(&place(&spread, "commands")));
        spread.next_flight();
        assert!((0..4).contains(&place(&spread, "commands")));
    }
}
