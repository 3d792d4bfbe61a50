//! Virtual time, and what happens when: the only order of events in a simulated world.
//!
//! Invariant: time never goes back, and of two events at one instant the one that was planned first
//! happens first.

use std::collections::BTreeMap;
use std::time::Duration;

use sagas::Timestamp;

/// What will happen, by instant.
#[derive(Debug)]
pub struct Agenda<T> {
    now: Timestamp,
    planned: BTreeMap<(Timestamp, u64), T>,
    last: u64,
}

impl<T> Agenda<T> {
    /// An empty agenda that begins at `now`.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self {
            now,
            planned: BTreeMap::new(),
            last: 0,
        }
    }

    /// True time, which no process of the world can read.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Plans something; the past means now.
    pub fn at(&mut self, at: Timestamp, what: T) {
        self.last += 1;
        self.planned.insert((at.max(self.now), self.last), what);
    }

    /// Plans something after a wait.
    pub fn after(&mut self, wait: Duration, what: T) {
        self.at(self.now + wait, what);
    }

    /// What happens next; time moves there.
    pub fn step(&mut self) -> Option<T> {
        let ((at, _), what) = self.planned.pop_first()?;
        self.now = at;
        Some(what)
    }

    /// Everything that is planned, in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.planned.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_happen_by_time_and_then_in_the_order_of_planning() {
        let mut agenda = Agenda::new(Timestamp::from_micros(10));
        agenda.after(Duration::from_micros(5), "third");
        agenda.after(Duration::from_micros(1), "first");
        agenda.after(Duration::from_micros(1), "second");
        assert_eq!(agenda.step(), Some("first"));
        agenda.at(Timestamp::from_micros(0), "at once");
        assert_eq!(agenda.step(), Some("second"));
        assert_eq!(agenda.step(), Some("at once"));
        assert_eq!(agenda.step(), Some("third"));
        assert_eq!(agenda.now(), Timestamp::from_micros(15));
    }
}
