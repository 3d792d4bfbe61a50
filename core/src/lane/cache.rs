//! The states of sagas that moved lately, so that an ordinary reply needs no SELECT.
//!
//! Never the truth: every write names the revision it started from, and a decision that writes
//! nothing is taken only on a state that was just read.
//!
//! Of a saga for which there is no room it still knows for long what was published: when a participant
//! is away, far more sagas wait than fit, and all of them would be sent again at every look.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use lru::LruCache;
use sagas::machine::{Flight, Progress};
use sagas::sabotage::{Bug, is_seeded};
use sagas::{Definition, Saga, SagaId, Timestamp};

/// A saga in memory.
#[derive(Debug, Clone)]
pub(super) struct Cached {
    /// Boxed, because it changes hands at each step: cache, commit, cache.
    pub(super) saga: Box<Saga>,
    pub(super) definition: Arc<Definition>,
    /// `None` where another replica, or an earlier life of this one, sent what is in flight.
    pub(super) carried: Option<Carried>,
}

/// The commands of a saga that this lane has handed over to the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Carried {
    /// The last publication that carried one.
    pub(super) last: u64,
    /// What was sent at this time or later is in that one, or in one before it. Of what is older nothing
    /// is known: another replica sent it, or the broker did not take it.
    pub(super) since: Timestamp,
}

impl Cached {
    /// The last publication that carried a command, if all that the broker may lack is in it, or in one
    /// before it.
    pub(super) fn publication(&self) -> Option<u64> {
        let carried = self.carried?;
        let is_carried = |flight: &Flight| flight.sent_at >= carried.since;
        let mut open = flights(&self.saga).filter(|flight| flight.is_unconfirmed());
        let is_known = open.all(is_carried) || is_seeded(Bug::TakesAllForPublished);
        is_known.then_some(carried.last)
    }
}

/// A time after all that the saga has in flight, whichever replica's clock it was sent by.
pub(super) fn after_all_of(saga: &Saga) -> Timestamp {
    let last = flights(saga).map(|flight| flight.sent_at).max();
    last.unwrap_or_default() + Duration::from_micros(1)
}

fn flights(saga: &Saga) -> impl Iterator<Item = &Flight> {
    saga.moving.steps.iter().filter_map(Progress::flight)
}

#[derive(Debug)]
pub(super) struct Cache {
    sagas: LruCache<SagaId, Cached>,
    traces: Traces,
}

impl Cache {
    pub(super) fn new(capacity: NonZeroUsize) -> Self {
        Self {
            sagas: LruCache::new(capacity),
            traces: Traces::of(capacity.get().saturating_mul(TRACES_PER_SAGA)),
        }
    }

    pub(super) fn get(&mut self, id: SagaId) -> Option<&mut Cached> {
        self.sagas.get_mut(&id)
    }

    /// Takes a saga out, to move it: it comes back when the outcome of its commit is known.
    pub(super) fn take(&mut self, id: SagaId) -> Option<Cached> {
        self.sagas.pop(&id)
    }

    pub(super) fn put(&mut self, cached: Cached) {
        let id = cached.saga.id;
        if let Some((other, cached)) = self.sagas.push(id, cached)
            && other != id
        {
            self.traces.leave(&cached);
        }
    }

    /// What this lane has handed over of the saga as it is at `revision`.
    pub(super) fn carried(&self, id: SagaId, revision: u64) -> Option<Carried> {
        let cached = self.sagas.peek(&id);
        match cached.filter(|cached| cached.saga.revision == revision) {
            Some(cached) => cached.carried,
            None => self.traces.find(id, revision),
        }
    }

    pub(super) fn drop(&mut self, id: SagaId) {
        self.sagas.pop(&id);
    }

    /// A publication that carried something of the saga did not arrive: nothing is known any more.
    pub(super) fn unpublish(&mut self, id: SagaId) {
        if let Some(cached) = self.sagas.peek_mut(&id) {
            cached.carried = None;
        }
        self.traces.drop(id);
    }
}

/// For each saga that fits into the cache, so many leave a trace.
const TRACES_PER_SAGA: usize = 128;

/// What was published of sagas that are not in the cache any more, 16 bytes each.
///
/// A table without chains: a saga may take the place of another one's trace, which is then sent once
/// more than needed. Memory is taken where a trace is left, not before.
#[derive(Debug)]
struct Traces {
    /// A saga and its revision as one number, and the publication; zeros where there is none.
    places: Vec<[u64; 2]>,
}

/// Odd, and without a pattern: a product's upper bits depend on all bits of the factor.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

impl Traces {
    fn of(sagas: usize) -> Self {
        Self {
            places: vec![[0; 2]; sagas.next_power_of_two()],
        }
    }

    fn leave(&mut self, cached: &Cached) {
        if let Some(publication) = cached.publication() {
            let (id, revision) = (cached.saga.id, cached.saga.revision);
            let place = self.place(id);
            self.places[place] = [sign(id, revision), publication];
        }
    }

    /// Only sagas leave a trace of which everything is known.
    fn find(&self, id: SagaId, revision: u64) -> Option<Carried> {
        let [found, last] = self.places[self.place(id)];
        let since = Timestamp::default();
        (last > 0 && found == sign(id, revision)).then_some(Carried { last, since })
    }

    /// At whatever revision; the trace may be another saga's, which is then forgotten in vain.
    fn drop(&mut self, id: SagaId) {
        let place = self.place(id);
        self.places[place] = [0; 2];
    }

    fn place(&self, id: SagaId) -> usize {
        let bits = self.places.len().trailing_zeros();
        let upper = random_part(id).wrapping_mul(SPREAD).checked_shr(64 - bits);
        usize::try_from(upper.unwrap_or(0)).unwrap_or(0)
    }
}

fn sign(id: SagaId, revision: u64) -> u64 {
    random_part(id) ^ revision.wrapping_mul(SPREAD)
}

/// The half of an id that says nothing of the time.
fn random_part(id: SagaId) -> u64 {
    id.0.as_u64_pair().1
}
