//! Clients that wait for a saga to end, on whichever replica it ends.
//!
//! A saga that ends here says so at once; for all others one query looks them up together.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sagas::SagaId;
use tokio::sync::oneshot;

use super::lane::End;

/// Everybody who waits.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    waiting: Mutex<BTreeMap<SagaId, Vec<oneshot::Sender<Option<End>>>>>,
}

impl Waiters {
    /// Completes when the saga has ended, or is stuck; says how where this replica committed it.
    pub(super) fn wait_for(&self, saga: SagaId) -> oneshot::Receiver<Option<End>> {
        let (tell, told) = oneshot::channel();
        self.lock().entry(saga).or_default().push(tell);
        told
    }

    /// Tells everybody who waits for `saga`.
    pub(super) fn ended(&self, saga: SagaId, end: Option<&End>) {
        for waiter in self.lock().remove(&saga).unwrap_or_default() {
            // Whoever stopped waiting does not mind.
            let _ = waiter.send(end.cloned());
        }
    }

    /// The sagas that somebody still waits for.
    pub(super) fn sagas(&self) -> Vec<SagaId> {
        let mut waiting = self.lock();
        waiting.retain(|_, waiters| {
            waiters.retain(|waiter| !waiter.is_closed());
            !waiters.is_empty()
        });
        waiting.keys().copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<SagaId, Vec<oneshot::Sender<Option<End>>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
