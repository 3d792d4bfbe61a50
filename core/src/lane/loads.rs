//! The sagas that a lane wants to have read: one load at a time, of a bounded number of sagas.
//!
//! Each saga comes with its whole history, which is long when a participant was away, and a lane may
//! want as many as it has room for. So a backlog is read in large loads, and no more histories are
//! held than that.
//!
//! Invariant: a saga that is asked for is in one load, whose answer is for it; or a load before its own
//! has failed, and then that answer is.

use std::collections::VecDeque;

use sagas::SagaId;
use sagas::sabotage::{Bug, is_seeded};

/// The loads of a lane.
#[derive(Debug, Default)]
pub(super) struct Loads {
    /// What was asked for and no load has taken yet.
    waiting: VecDeque<SagaId>,
    is_under_way: bool,
}

impl Loads {
    /// These sagas are to be read.
    pub(super) fn ask(&mut self, sagas: Vec<SagaId>) {
        self.waiting.extend(sagas);
    }

    /// The next load, unless one is under way or nothing is asked for.
    pub(super) fn begin(&mut self, load_max: usize) -> Option<Vec<SagaId>> {
        let may_begin = !self.is_under_way || is_seeded(Bug::LoadsAtOnce);
        if !may_begin || self.waiting.is_empty() {
            return None;
        }
        self.is_under_way = true;
        let most = if is_seeded(Bug::LoadsAtOnce) {
            usize::MAX
        } else {
            load_max
        };
        let count = self.waiting.len().min(most);
        Some(self.waiting.drain(..count).collect())
    }

    /// The load was answered.
    pub(super) fn end(&mut self) {
        self.is_under_way = false;
    }

    /// The load has failed, and with it all that waited: each would wait as long for the same answer.
    pub(super) fn fail(&mut self) -> impl Iterator<Item = SagaId> {
        self.is_under_way = false;
        let failed = self.waiting.drain(..);
        failed.filter(|_| !is_seeded(Bug::ForgetsWaitingLoads))
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn saga(number: u128) -> SagaId {
        SagaId(Uuid::from_u128(number))
    }

    #[test]
    fn what_is_asked_for_during_a_load_is_the_next_one() {
        let mut loads = Loads::default();
        assert_eq!(loads.begin(2), None);
        loads.ask(vec![saga(1)]);
        assert_eq!(loads.begin(2), Some(vec![saga(1)]));
        loads.ask(vec![saga(2), saga(3)]);
        loads.ask(vec![saga(4)]);
        assert_eq!(loads.begin(2), None);
        loads.end();
        assert_eq!(loads.begin(2), Some(vec![saga(2), saga(3)]));
        loads.end();
        assert_eq!(loads.begin(2), Some(vec![saga(4)]));
    }

    #[test]
    fn a_load_that_fails_fails_for_all_that_wait_behind_it() {
        let mut loads = Loads::default();
        loads.ask(vec![saga(1), saga(2), saga(3)]);
        assert_eq!(loads.begin(1), Some(vec![saga(1)]));
        let failed: Vec<_> = loads.fail().collect();
        assert_eq!(failed, [saga(2), saga(3)]);
        assert_eq!(loads.begin(1), None);
    }
}
