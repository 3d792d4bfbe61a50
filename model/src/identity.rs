//! What makes two states the same: the part of a state that can change what happens next, or what a
//! rule says of it.
//!
//! The history is left out, because what comes back from it is the saga itself; so are instants,
//! revisions and texts, which are the same in all states.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::mem::discriminant;

use sagas::machine::{OrderKind, Progress, Saga, Waits};

use crate::rule;
use crate::state::State;

impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hash_saga(&self.saga, self.is_whole, hasher);
        // Why it turned back steers nothing; whether that is true is a rule.
        is_unjustified(self).hash(hasher);
        self.copy.is_some().hash(hasher);
        if let Some(copy) = &self.copy {
            hash_saga(copy, self.is_whole, hasher);
        }
        self.commands.hash(hasher);
        self.replies.hash(hasher);
        self.participants.hash(hasher);
        self.left.hash(hasher);
        self.broken.hash(hasher);
    }
}

fn hash_saga<H: Hasher>(saga: &Saga, is_whole: bool, hasher: &mut H) {
    saga.revision.hash(hasher);
    saga.input.text().hash(hasher);
    saga.moving.reason.is_some().hash(hasher);
    for step in &saga.moving.steps {
        hash_progress(step, hasher);
    }
    hash_vouchers(saga, hasher);
    if is_whole {
        let reason = saga.moving.reason.as_ref();
        reason.map(discriminant).hash(hasher);
        reason.and_then(|reason| reason.step()).hash(hasher);
    }
    if saga.status().is_terminal() && !is_whole {
        // Nothing moves it any more; what may still come is an effect.
        for papers in &saga.papers {
            let newest = papers.forward.as_ref();
            newest.map(|paper| paper.generation).hash(hasher);
        }
        return;
    }
    saga.wake_at.is_some().hash(hasher);
    saga.moving.paused.is_some().hash(hasher);
    saga.moving.overdue_since.is_some().hash(hasher);
    for papers in &saga.papers {
        for paper in [&papers.forward, &papers.compensation] {
            let paper = paper.as_ref();
            let paper = paper.map(|paper| (paper.generation, paper.payload.text()));
            paper.hash(hasher);
        }
        papers.fences.hash(hasher);
    }
    for reply in &saga.replies {
        reply.as_ref().map(sagas::Json::text).hash(hasher);
    }
    saga.late.hash(hasher);
}

fn hash_vouchers<H: Hasher>(saga: &Saga, hasher: &mut H) {
    for (id, applied) in &saga.orders {
        id.hash(hasher);
        // Of an applied order only who vouches for which step is asked later.
        let vouches = match &applied.order.kind {
            OrderKind::Skip { .. } | OrderKind::Resolve { .. } => applied.order.step(),
            _ => None,
        };
        vouches.hash(hasher);
    }
}

/// What a person would see of the state, and what took effect.
pub(crate) fn looks(state: &State) -> u64 {
    let mut hasher = DefaultHasher::new();
    let moving = &state.saga.moving;
    for step in &moving.steps {
        step.as_str().hash(&mut hasher);
        step.fence_purpose()
            .map(|purpose| discriminant(&purpose))
            .hash(&mut hasher);
    }
    (moving.reason.is_some(), moving.paused.is_some()).hash(&mut hasher);
    state
        .saga
        .replies
        .iter()
        .for_each(|reply| reply.is_some().hash(&mut hasher));
    state.participants.hash(&mut hasher);
    state.left.hash(&mut hasher);
    hasher.finish()
}

fn is_unjustified(state: &State) -> bool {
    let reason = state.saga.moving.reason.as_ref();
    reason.is_some_and(|reason| !rule::is_true(reason, state))
}

fn hash_progress<H: Hasher>(progress: &Progress, hasher: &mut H) {
    discriminant(progress).hash(hasher);
    if let Some(flight) = progress.flight() {
        (flight.generation, flight.attempt).hash(hasher);
        (flight.waits == Waits::Retry).hash(hasher);
        flight.was_published.hash(hasher);
        flight.exhausted_since.is_some().hash(hasher);
        flight.unreadable.is_some().hash(hasher);
    }
    match progress {
        Progress::Fencing(fence) => {
            discriminant(&fence.purpose).hash(hasher);
            fence.order.hash(hasher);
        }
        Progress::Parked(trouble) => {
            discriminant(trouble).hash(hasher);
            trouble.to_string().hash(hasher);
        }
        _ => {}
    }
}
