//! Lifecycle events, which no saga waits for: those of several flights go together.
//!
//! A commit brings one or two events for each of several partitions. A partition is a request of its own,
//! and the broker works off the requests of one client one by one, so that each of them would hold up the
//! commands behind it.

use std::time::{Duration, Instant};

use super::Batch;

/// The least time between two flights with events. What comes first after it goes at once.
const EVERY: Duration = Duration::from_millis(20);

/// Batches of events that wait for the next flight that takes some, in order.
#[derive(Default)]
pub(super) struct Gathering {
    waiting: Vec<Batch>,
    last: Option<Instant>,
}

impl Gathering {
    pub(super) fn add(&mut self, batch: Batch) {
        self.waiting.push(batch);
    }

    /// When something must be taken; `None`: there is nothing.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        let due = self.last.map_or(now, |last| last + EVERY);
        (!self.waiting.is_empty()).then_some(due)
    }

    /// What goes with the flight of this moment.
    pub(super) fn take(&mut self, now: Instant) -> Vec<Batch> {
        if self.due(now).is_none_or(|due| now < due) {
            return Vec::new();
        }
        self.last = Some(now);
        std::mem::take(&mut self.waiting)
    }

    /// All that waits.
    pub(super) fn take_all(&mut self) -> Vec<Batch> {
        std::mem::take(&mut self.waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A batch that is known by its bytes.
    fn batch(bytes: usize) -> Batch {
        Batch {
            records: Vec::new(),
            partition: None,
            bytes,
            done: Box::new(|_| ()),
        }
    }

    fn taken(batches: &[Batch]) -> Vec<usize> {
        batches.iter().map(|batch| batch.bytes).collect()
    }

    #[test]
    fn the_first_goes_at_once_and_those_after_it_together_and_in_order_when_their_time_has_come() {
        let start = Instant::now();
        let mut gathering = Gathering::default();
        assert_eq!(
            (gathering.due(start), gathering.take(start).len()),
            (None, 0)
        );
        gathering.add(batch(1));
        assert_eq!(gathering.due(start), Some(start));
        assert_eq!(taken(&gathering.take(start)), [1]);

        let soon = start + EVERY / 2;
        gathering.add(batch(2));
        gathering.add(batch(3));
        assert_eq!(gathering.due(soon), Some(start + EVERY));
        assert_eq!(taken(&gathering.take(soon)), [0; 0]);
        let then = start + EVERY;
        assert_eq!(taken(&gathering.take(then)), [2, 3]);

        let much_later = then + EVERY * 10;
        gathering.add(batch(4));
        assert_eq!(taken(&gathering.take(much_later)), [4]);
    }

    #[test]
    fn what_waits_at_the_end_is_handed_out_before_its_time() {
        let start = Instant::now();
        let mut gathering = Gathering::default();
        gathering.add(batch(1));
        gathering.take(start);
        gathering.add(batch(2));
        assert_eq!(taken(&gathering.take_all()), [2]);
        assert_eq!(gathering.due(start), None);
    }
}
