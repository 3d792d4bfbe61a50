//! Clients that wait for a saga to end, on whichever replica it ends.
//!
//! A saga that ends here says so at once. A saga that ends elsewhere is looked up, with all others in one
//! look: often where it may be anywhere, because an earlier submission started it, or because replicas have
//! shared the partitions anew since; seldom where it was started here, which hardly ever leaves
//! otherwise. (With 2 000 clients, looking for all of them five times a second was three looks for each
//! saga.)
//!
//! Invariant: a client is told once, or has left; until then its saga is looked for again and again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sagas::SagaId;
use sagas::sabotage::{Bug, is_seeded};

/// How often a saga that may be anywhere is looked for.
pub const ANYWHERE_EVERY: Duration = Duration::from_millis(200);
/// How often a saga is looked for that was started here.
const HERE_EVERY: Duration = Duration::from_secs(2);

/// The replica on which a saga will end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// This one, as a rule: it was started here.
    Here,
    /// Any one.
    Anywhere,
}

impl Place {
    const fn every(self) -> Duration {
        match self {
            Self::Here => HERE_EVERY,
            Self::Anywhere => ANYWHERE_EVERY,
        }
    }
}

/// The clients that wait on one replica. A `Client` is a way to tell one.
#[derive(Debug)]
pub struct Waiters<Client> {
    waiting: BTreeMap<SagaId, Vec<Waiter<Client>>>,
}

#[derive(Debug)]
struct Waiter<Client> {
    client: Client,
    every: Duration,
    look_at: Instant,
}

impl<Client> Default for Waiters<Client> {
    fn default() -> Self {
        Self {
            waiting: BTreeMap::new(),
        }
    }
}

impl<Client> Waiters<Client> {
    /// From now on the client waits for the saga to end, or to be stuck.
    pub fn wait(&mut self, saga: SagaId, client: Client, place: Place, now: Instant) {
        let every = place.every();
        let look_at = now + every;
        self.waiting.entry(saga).or_default().push(Waiter {
            client,
            every,
            look_at,
        });
    }

    /// From now on, each saga that a client waits for now may be anywhere.
    pub fn scatter(&mut self, now: Instant) {
        for waiter in self.waiting.values_mut().flatten() {
            waiter.every = ANYWHERE_EVERY;
            waiter.look_at = waiter.look_at.min(now + ANYWHERE_EVERY);
        }
    }

    /// The clients that are to be told, because the saga has ended.
    pub fn ended(&mut self, saga: SagaId) -> impl Iterator<Item = Client> + use<Client> {
        let waiters = self.waiting.remove(&saga).unwrap_or_default();
        waiters.into_iter().map(|waiter| waiter.client)
    }

    /// The sagas that are to be looked for now. Clients that have left are forgotten.
    pub fn due(&mut self, now: Instant, has_left: impl Fn(&Client) -> bool) -> Vec<SagaId> {
        let mut sagas = Vec::new();
        self.waiting.retain(|saga, waiters| {
            waiters.retain(|waiter| !has_left(&waiter.client));
            let mut is_time = false;
            for waiter in waiters.iter_mut().filter(|waiter| waiter.look_at <= now) {
                waiter.look_at = now + waiter.every;
                is_time = true;
            }
            if is_time && !is_seeded(Bug::ForgetsWhoWaits) {
                sagas.push(*saga);
            }
            !waiters.is_empty()
        });
        sagas
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_saga_that_was_started_here_is_looked_for_seldom_and_no_longer_than_a_client_waits() {
        let mut waiters = Waiters::default();
        let [here, anywhere] = [1, 2].map(|id| SagaId(Uuid::from_u128(id)));
        // Only differences count.
        let now = Instant::now();
        waiters.wait(here, 1, Place::Here, now);
        waiters.wait(anywhere, 2, Place::Anywhere, now);
        let all = |_: &i32| false;
        assert_eq!(waiters.due(now, all), []);
        let soon = now + ANYWHERE_EVERY;
        assert_eq!(waiters.due(soon, all), [anywhere]);
        assert_eq!(waiters.due(soon, all), []);
        let later = now + HERE_EVERY;
        assert_eq!(waiters.due(later, all), [here, anywhere]);
        let much_later = later + HERE_EVERY;
        assert_eq!(waiters.due(much_later, |client| *client == 2), [here]);
        waiters.scatter(much_later);
        let again = much_later + ANYWHERE_EVERY;
        assert_eq!(waiters.due(again, all), [here]);
        assert_eq!(waiters.due(again + ANYWHERE_EVERY, all), [here]);
        assert_eq!(waiters.ended(here).collect::<Vec<_>>(), [1]);
        assert_eq!(waiters.ended(anywhere).count(), 0, "its client has left");
        assert_eq!(waiters.due(much_later + HERE_EVERY, all), []);
    }
}
