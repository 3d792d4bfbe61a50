//! Admission to a lane: what comes in when much waits already.
//!
//! Invariant: what waits for a lane is bounded. New sagas get as much of the room as a few
//! commits empty: a start that waits for longer makes no commit larger, only every saga slower. Replies,
//! compensations and orders finish what was begun, and have all of it.

use sagas::sabotage::{Bug, is_seeded};

/// New sagas are refused while what waits in a lane fills so many commits: as many as 2 000 sagas in
/// flight may have waiting at once, which is what a lane carries best.
const START_COMMITS: usize = 4;

/// The room of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admission {
    events_max: usize,
    starts_max: usize,
}

impl Admission {
    /// Room for so many events in a lane, and for as many before it, where a commit takes `batch_max`.
    #[must_use]
    pub fn new(events_max: usize, batch_max: usize) -> Self {
        let events_max = events_max.max(1);
        Self {
            events_max,
            starts_max: (batch_max * START_COMMITS).clamp(1, events_max),
        }
    }

    /// Events that may wait before the lane.
    #[must_use]
    pub fn events_max(self) -> usize {
        self.events_max
    }

    /// Whether a lane that has taken in so many events, and not committed them, takes in another one.
    #[must_use]
    pub fn takes_events(self, inside: usize) -> bool {
        inside < self.events_max
    }

    /// Whether a new saga may come in while so many events wait, in the lane and before it.
    #[must_use]
    pub fn takes_starts(self, waiting: usize) -> bool {
        waiting < self.starts_max || is_seeded(Bug::AdmitsAllStarts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_sagas_have_less_of_the_room_than_what_runs() {
        let admission = Admission::new(1_000, 100);
        assert!(admission.takes_starts(399) && !admission.takes_starts(400));
        assert!(admission.takes_events(999) && !admission.takes_events(1_000));
        let small = Admission::new(0, 0);
        assert!(small.takes_starts(0) && small.takes_events(0));
        assert!(!small.takes_starts(1));
    }
}
