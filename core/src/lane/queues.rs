//! The events that wait for their sagas, and the order in which sagas have their turn.
//!
//! Invariants:
//! * An event that waits is counted once, from [`Queues::push`] until it is taken out. The count and
//!   the stages are changed here alone, so that no way out can forget either.
//! * A saga that loads or commits has no turn until it is released; its events wait behind each other.
//! * Sagas that are to start come after all others, because what was begun is to end before more is
//!   begun.

use std::collections::{BTreeMap, VecDeque};

use sagas::SagaId;

use super::job::{Job, Move, OrderJob, StartJob};

/// All queues of a lane.
#[derive(Debug, Default)]
pub(super) struct Queues {
    by_saga: BTreeMap<SagaId, Queue>,
    /// Sagas whose next event can be planned.
    ready: VecDeque<SagaId>,
    /// The same for sagas that are to start.
    starting: VecDeque<SagaId>,
    waiting: usize,
}

/// The events that wait for one saga.
#[derive(Debug, Default)]
struct Queue {
    jobs: VecDeque<Job>,
    stage: Stage,
    must_load: bool,
    /// How many of its events waited already when the load was asked for that the cached state is
    /// of. What comes later may be about a state that is newer than that.
    read_for: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Stage {
    /// In `ready`, or about to be.
    #[default]
    Ready,
    /// A load was asked for.
    Loading,
    /// In a commit that is under way.
    Committing,
}

/// The saga whose turn it is, and the work that it has.
#[derive(Debug)]
pub(super) enum Turn {
    /// It is to start. It counts as committing from now on.
    Start(SagaId, StartJob),
    /// Its events are taken one by one by [`Queues::next_move`].
    Move {
        saga: SagaId,
        /// How many of its events had come when its cached state was read.
        read_for: usize,
    },
    /// It has events, and its cached state must not be used for them.
    MoveUnseen(SagaId),
}

impl Queues {
    /// Events that wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Sagas that have a turn now: those that move, and those that are to start.
    pub(super) fn ready(&self) -> (usize, usize) {
        (self.ready.len(), self.starting.len())
    }

    /// The event waits behind all others of its saga.
    pub(super) fn push(&mut self, saga: SagaId, job: Job) {
        let queue = self.by_saga.entry(saga).or_default();
        let is_next = queue.jobs.is_empty() && queue.stage == Stage::Ready;
        if queue.jobs.capacity() == 0 {
            // Most have one event at a time.
            queue.jobs.reserve_exact(1);
        }
        queue.jobs.push_back(job);
        self.waiting += 1;
        if is_next {
            self.make_ready(saga);
        }
    }

    /// Its next event can be planned, behind those of its kind that wait already.
    fn make_ready(&mut self, saga: SagaId) {
        let queue = self.by_saga.get(&saga);
        let next = queue.and_then(|queue| queue.jobs.front());
        match next {
            Some(Job::Start(_)) => self.starting.push_back(saga),
            _ => self.ready.push_back(saga),
        }
    }

    /// The next saga that has a turn.
    pub(super) fn pop_ready(&mut self) -> Option<Turn> {
        loop {
            let next = self.ready.pop_front();
            let saga = next.or_else(|| self.starting.pop_front())?;
            let Some(queue) = self.by_saga.get_mut(&saga) else {
                continue;
            };
            if queue.stage != Stage::Ready {
                continue;
            }
            // For this turn only: the next state is another one.
            let read_for = std::mem::take(&mut queue.read_for);
            if queue.jobs.is_empty() {
                self.by_saga.remove(&saga);
                continue;
            }
            let is_start = |job: &mut Job| matches!(job, Job::Start(_));
            if let Some(Job::Start(start)) = queue.jobs.pop_front_if(is_start) {
                queue.stage = Stage::Committing;
                self.waiting -= 1;
                return Some(Turn::Start(saga, start));
            }
            return Some(if queue.must_load {
                Turn::MoveUnseen(saga)
            } else {
                Turn::Move { saga, read_for }
            });
        }
    }

    /// The next event of the saga, unless it is a start, which has a row of its own.
    pub(super) fn next_move(&mut self, saga: SagaId) -> Option<Move> {
        let queue = self.by_saga.get_mut(&saga)?;
        let is_move = |job: &mut Job| matches!(job, Job::Move(_));
        let Some(Job::Move(next)) = queue.jobs.pop_front_if(is_move) else {
            return None;
        };
        self.waiting -= 1;
        Some(next)
    }

    /// Puts events back in front, in their order, after a commit or load that came to nothing.
    pub(super) fn requeue(&mut self, saga: SagaId, jobs: impl DoubleEndedIterator<Item = Job>) {
        let queue = self.by_saga.entry(saga).or_default();
        for job in jobs.rev() {
            queue.jobs.push_front(job);
            self.waiting += 1;
        }
    }

    /// The saga has the next turn of all: its commit came to nothing.
    pub(super) fn make_next(&mut self, saga: SagaId) {
        if let Some(queue) = self.by_saga.get_mut(&saga) {
            queue.stage = Stage::Ready;
            self.ready.push_front(saga);
        }
    }

    /// The cached state must not be used at the saga's next turn.
    pub(super) fn distrust(&mut self, saga: SagaId) {
        if let Some(queue) = self.by_saga.get_mut(&saga) {
            queue.must_load = true;
        }
    }

    /// The saga is in a commit that is under way.
    pub(super) fn hold_for_commit(&mut self, saga: SagaId) {
        if let Some(queue) = self.by_saga.get_mut(&saga) {
            queue.stage = Stage::Committing;
        }
    }

    /// The saga is to be loaded for all events that wait for it by now. Says whether any does.
    pub(super) fn hold_for_load(&mut self, saga: SagaId) -> bool {
        let Some(queue) = self.by_saga.get_mut(&saga) else {
            return false;
        };
        queue.read_for = queue.jobs.len();
        queue.must_load = false;
        queue.stage = Stage::Loading;
        true
    }

    /// The saga's commit or load is over: it is ready again, or done with.
    pub(super) fn release(&mut self, saga: SagaId) {
        let Some(queue) = self.by_saga.get_mut(&saga) else {
            return;
        };
        queue.stage = Stage::Ready;
        if queue.jobs.is_empty() {
            self.by_saga.remove(&saga);
        } else {
            self.make_ready(saga);
        }
    }

    /// Whether the saga is in a commit that is under way.
    pub(super) fn is_committing(&self, saga: SagaId) -> bool {
        let queue = self.by_saga.get(&saga);
        queue.is_some_and(|queue| queue.stage == Stage::Committing)
    }

    /// Whether a wake would tell the saga nothing: one waits, or a commit sets the next.
    pub(super) fn needs_no_wake(&self, saga: SagaId) -> bool {
        let is_wake = |job: &Job| matches!(job, Job::Move(Move::Wake));
        self.by_saga
            .get(&saga)
            .is_some_and(|queue| queue.stage == Stage::Committing || queue.jobs.iter().any(is_wake))
    }

    /// Takes the events out that had come when the saga was last read. Starts stay.
    pub(super) fn take_moves_read_for(&mut self, saga: SagaId) -> Vec<Move> {
        let queue = self.by_saga.get(&saga);
        let first = queue.map_or(0, |queue| queue.read_for);
        self.take_moves(saga, first)
    }

    /// Takes all events of the saga out. Starts stay.
    pub(super) fn take_all_moves(&mut self, saga: SagaId) -> Vec<Move> {
        self.take_moves(saga, usize::MAX)
    }

    fn take_moves(&mut self, saga: SagaId, first: usize) -> Vec<Move> {
        let Some(queue) = self.by_saga.get_mut(&saga) else {
            return Vec::new();
        };
        let mut later = queue.jobs.split_off(first.min(queue.jobs.len()));
        let mut moves = Vec::with_capacity(queue.jobs.len());
        for job in std::mem::take(&mut queue.jobs) {
            match job {
                Job::Move(event) => moves.push(event),
                Job::Start(_) => queue.jobs.push_back(job),
            }
        }
        queue.jobs.append(&mut later);
        self.waiting -= moves.len();
        moves
    }

    /// Takes everything out that a caller waits for.
    pub(super) fn take_callers(&mut self, saga: SagaId) -> (Vec<StartJob>, Vec<OrderJob>) {
        let (mut starts, mut orders) = (Vec::new(), Vec::new());
        let Some(queue) = self.by_saga.get_mut(&saga) else {
            return (starts, orders);
        };
        for job in std::mem::take(&mut queue.jobs) {
            match job {
                Job::Start(start) => starts.push(start),
                Job::Move(Move::Order(order)) => orders.push(*order),
                Job::Move(_) => queue.jobs.push_back(job),
            }
        }
        self.waiting -= starts.len() + orders.len();
        (starts, orders)
    }
}

#[cfg(test)]
mod tests;
