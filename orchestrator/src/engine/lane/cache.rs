//! The states of sagas that moved lately, so that an ordinary reply needs no SELECT.
//!
//! Never the truth: every write names the revision it started from, and a decision that writes
//! nothing is taken only on a state that was just read.

use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;
use sagas::{Definition, Saga, SagaId};

/// A saga in memory.
#[derive(Debug, Clone)]
pub(super) struct Cached {
    /// Boxed, because it changes hands at each step: cache, commit, cache.
    pub(super) saga: Box<Saga>,
    pub(super) definition: Arc<Definition>,
    /// The last publication of this lane that carried a command of it; `None` where another
    /// replica, or an earlier life of this one, sent what is in flight.
    pub(super) publication: Option<u64>,
}

#[derive(Debug)]
pub(super) struct Cache {
    sagas: LruCache<SagaId, Cached>,
}

impl Cache {
    pub(super) fn new(capacity: NonZeroUsize) -> Self {
        Self {
            sagas: LruCache::new(capacity),
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
        self.sagas.put(cached.saga.id, cached);
    }

    pub(super) fn drop(&mut self, id: SagaId) {
        self.sagas.pop(&id);
    }

    /// Forgets that `publication` carried what `id` has in flight: it did not arrive.
    pub(super) fn unpublish(&mut self, id: SagaId, publication: u64) {
        if let Some(cached) = self.sagas.peek_mut(&id)
            && cached.publication.is_some_and(|last| last <= publication)
        {
            cached.publication = None;
        }
    }
}
