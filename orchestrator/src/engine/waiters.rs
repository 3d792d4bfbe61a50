//! Clients that wait for a saga to end, on whichever replica it ends.
//!
//! A saga that ends here says so at once. What ends elsewhere is looked up, everybody's together: often
//! for a saga that may be anywhere, because an earlier submission started it, or because replicas have
//! shared the partitions anew since; seldom for one that was started here, which hardly ever leaves
//! otherwise. (With 2 000 clients, looking for all of them five times a second was three looks for each
//! saga.)

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use saga_core::lane::End;
use sagas::SagaId;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Waited;

/// How often a saga that may be anywhere is looked for.
pub(super) const ANYWHERE_EVERY: Duration = Duration::from_millis(200);
/// How often a saga is looked for that was started here.
pub(super) const HERE_EVERY: Duration = Duration::from_secs(2);

/// Everybody who waits.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    waiting: Mutex<BTreeMap<SagaId, Vec<Waiter>>>,
}

#[derive(Debug)]
struct Waiter {
    tell: oneshot::Sender<Option<End>>,
    every: Duration,
    look_at: Instant,
}

/// What a client waits for.
#[derive(Debug)]
pub struct Ending(oneshot::Receiver<Option<End>>);

impl Ending {
    /// The end of a saga of which nothing here will tell: a wait for it ends at once.
    #[must_use]
    pub fn untold() -> Self {
        Self(oneshot::channel().1)
    }

    /// Waits until the saga has ended or is stuck, on whichever replica.
    pub async fn within(self, limit: Duration) -> Waited {
        match tokio::time::timeout(limit, self.0).await {
            Ok(Ok(Some(end))) => Waited::Here(end),
            Ok(Ok(None)) => Waited::Elsewhere,
            Ok(Err(_)) | Err(_) => Waited::InVain,
        }
    }
}

impl Waiters {
    /// Completes when the saga has ended, or is stuck, from now on; says how where this replica
    /// committed it, and is looked for `every` so often meanwhile.
    pub(super) fn wait_for(&self, saga: SagaId, every: Duration) -> Ending {
        let (tell, told) = oneshot::channel();
        let look_at = Instant::now() + every;
        let waiter = Waiter {
            tell,
            every,
            look_at,
        };
        self.lock().entry(saga).or_default().push(waiter);
        Ending(told)
    }

    /// From now on, whatever somebody waits for now may be anywhere.
    pub(super) fn scatter(&self, now: Instant) {
        for waiter in self.lock().values_mut().flatten() {
            waiter.every = ANYWHERE_EVERY;
            waiter.look_at = waiter.look_at.min(now + ANYWHERE_EVERY);
        }
    }

    /// Tells everybody who waits for `saga`.
    pub(super) fn ended(&self, saga: SagaId, end: Option<&End>) {
        for waiter in self.lock().remove(&saga).unwrap_or_default() {
            // Whoever stopped waiting does not mind.
            let _ = waiter.tell.send(end.cloned());
        }
    }

    /// The sagas that are to be looked for now.
    pub(super) fn to_look_for(&self, now: Instant) -> Vec<SagaId> {
        let mut sagas = Vec::new();
        self.lock().retain(|saga, waiters| {
            waiters.retain(|waiter| !waiter.tell.is_closed());
            let mut is_time = false;
            for waiter in waiters.iter_mut().filter(|waiter| waiter.look_at <= now) {
                waiter.look_at = now + waiter.every;
                is_time = true;
            }
            if is_time {
                sagas.push(*saga);
            }
            !waiters.is_empty()
        });
        sagas
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<SagaId, Vec<Waiter>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_saga_that_was_started_here_is_looked_for_seldom_and_no_longer_than_somebody_waits() {
        let waiters = Waiters::default();
        let [here, anywhere] = [1, 2].map(|id| SagaId(uuid::Uuid::from_u128(id)));
        let first = waiters.wait_for(here, HERE_EVERY);
        let second = waiters.wait_for(anywhere, ANYWHERE_EVERY);
        let now = Instant::now();
        assert_eq!(waiters.to_look_for(now), []);
        let soon = now + ANYWHERE_EVERY;
        assert_eq!(waiters.to_look_for(soon), [anywhere]);
        assert_eq!(waiters.to_look_for(soon), []);
        let later = now + HERE_EVERY;
        assert_eq!(waiters.to_look_for(later), [here, anywhere]);
        drop(second);
        let much_later = later + HERE_EVERY;
        assert_eq!(waiters.to_look_for(much_later), [here]);
        waiters.scatter(much_later);
        let again = much_later + ANYWHERE_EVERY;
        assert_eq!(waiters.to_look_for(again), [here]);
        assert_eq!(waiters.to_look_for(again + ANYWHERE_EVERY), [here]);
        waiters.ended(here, None);
        assert_eq!(first.within(Duration::ZERO).await, Waited::Elsewhere);
        assert_eq!(waiters.to_look_for(much_later + HERE_EVERY), []);
    }
}
