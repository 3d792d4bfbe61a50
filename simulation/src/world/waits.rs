//! Clients that wait for the end of their saga, after their submission was accepted (`Prefer: wait`).
//!
//! Invariant: a client waits until it is told, until its submission turns out to be none, or until its
//! process is gone.

use sagas::SagaId;
use sagas_core::waiters::Place;

use super::{Life, World};
use crate::faults::Fault;

impl World {
    /// The client of the request waits from now on.
    pub(crate) fn begin_wait(&mut self, life: Life, saga: SagaId, request: u64, place: Place) {
        let replica = &self.replicas[life.replica];
        if replica.life != life.number || !replica.is_alive() {
            return;
        }
        let now = self.instant(life.replica);
        let waiters = &mut self.replicas[life.replica].waiters;
        waiters.wait(saga, request, place, now);
        self.clients.waiting.insert(request, life);
    }

    /// The saga has ended; all that wait for it here are told.
    pub(crate) fn tell_waiters(&mut self, life: Life, saga: SagaId) {
        for request in self.replicas[life.replica].waiters.ended(saga) {
            self.clients.waiting.remove(&request);
        }
    }

    /// The sagas that the process looks for now.
    pub(crate) fn awaited(&mut self, life: Life) -> Vec<SagaId> {
        let now = self.instant(life.replica);
        let waiting = &self.clients.waiting;
        let waiters = &mut self.replicas[life.replica].waiters;
        waiters.due(now, |request| !waiting.contains_key(request))
    }

    /// The database knows that they have ended.
    pub(crate) fn end_looked_up(&mut self, life: Life, ended: &[SagaId]) {
        for saga in ended {
            self.faults.count(Fault::EndLookedUp);
            self.tell_waiters(life, *saga);
        }
    }
}
