//! Admission to a lane: what comes in when much waits already.
//!
//! Invariants:
//! * What waits for a lane is bounded. New sagas get as much of the room as a few commits empty: a start
//!   that waits for longer makes no commit larger, only every saga slower. Replies, compensations and orders
//!   finish what was begun, and have all of it.
//! * One definition's burst does not keep the others out: one of which little waits comes in beyond the
//!   room of a burst, within the whole.

use sagas::sabotage::{Bug, is_seeded};

/// New sagas are refused while what waits in a lane fills so many commits: as many as 2 000 sagas in
/// flight may have waiting at once, which is what a lane carries best.
const START_COMMITS: usize = 4;

/// Beyond that, a definition of which less than this part of the room is taken comes in until as much again
/// is taken.
const OWN_PART: usize = 8;

/// So much of a lane's room no start takes, however many definitions have a burst.
const KEPT_PART: usize = 4;

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

    /// Whether a new saga may come in while so many events wait, in the lane and before it, `own` of them
    /// sagas of the same definition that are to start.
    #[must_use]
    pub fn takes_start(self, waiting: usize, own: usize) -> bool {
        let has_little = own < self.own_max() && !is_seeded(Bug::LetsABurstKeepOthersOut);
        let has_room = waiting < self.starts_max || has_little && waiting < self.whole();
        has_room || is_seeded(Bug::AdmitsAllStarts)
    }

    /// Whether a new saga of any definition may come in while so many events wait, and so many sagas of each
    /// definition are to start: cheap to ask before anything is known of it.
    #[must_use]
    pub fn takes_some(self, waiting: usize, owns: impl IntoIterator<Item = usize>) -> bool {
        let mut owns = owns.into_iter();
        waiting < self.starts_max || owns.any(|own| self.takes_start(waiting, own))
    }

    /// Sagas of one definition that are to start, below which a burst of others does not keep it out.
    #[must_use]
    pub fn own_max(self) -> usize {
        (self.starts_max / OWN_PART).max(1)
    }

    /// Events beyond which nothing starts.
    #[must_use]
    pub fn whole(self) -> usize {
        let most = (self.events_max - self.events_max / KEPT_PART).max(self.starts_max);
        (2 * self.starts_max).min(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_sagas_have_less_of_the_room_than_what_runs() {
        let admission = Admission::new(1_000, 100);
        let own = 200;
        assert!(admission.takes_start(399, own) && !admission.takes_start(400, own));
        assert!(admission.takes_events(999) && !admission.takes_events(1_000));
        let small = Admission::new(0, 0);
        assert!(small.takes_start(0, 0) && small.takes_events(0));
        assert!(!small.takes_start(1, 1));
    }

    #[test]
    fn a_definition_of_which_little_waits_comes_in_beside_the_burst_of_another() {
        let admission = Admission::new(1_000, 100);
        assert!(admission.takes_start(400, 49) && !admission.takes_start(400, 50));
        assert!(admission.takes_start(749, 0) && !admission.takes_start(750, 0));
        assert!(admission.takes_some(749, [50, 0]) && !admission.takes_some(750, [0, 0]));
        let small = Admission::new(500, 100);
        assert!(small.takes_start(399, 0) && !small.takes_start(400, 0));
    }

    #[test]
    fn however_many_definitions_have_a_burst_replies_and_orders_have_room() {
        let admission = Admission::new(4_000, 500);
        assert_eq!((admission.whole(), admission.events_max()), (3_000, 4_000));
    }

    #[test]
    fn a_burst_of_the_only_definition_is_refused_before_it_is_looked_at() {
        let admission = Admission::new(1_000, 100);
        assert!(admission.takes_some(399, [399]) && !admission.takes_some(400, [400]));
        assert!(
            admission.takes_some(400, [400, 3]),
            "the other one may be meant"
        );
    }
}
