//! The core of a lane: what to load, what to put into one commit, what to publish after it.
//!
//! A lane is single-threaded and pure: it gets [`Input`]s with the time, and gives [`Output`]s; it
//! does no I/O, reads no clock, and iterates nothing whose order is random. The shell (`../shell.rs`)
//! carries the outputs out; a simulator can drive the same code.
//!
//! ```text
//!  Submit, Reply, Due, Order ──► queue per saga ──► plan ──► Commit ──► Committed ──► Publish,
//!                                     ▲              │                     │          Answer,
//!                                     │   not cached │                     │ lost     Advance
//!                                     └── Loaded ◄── Load                  └──► reload, again
//! ```
//!
//! Invariants:
//! * What arrives during a commit is the next batch. No wait is added when idle.
//! * A second commit begins beside the first only when so much waits that it is worth its cost, and
//!   never after a failure or while an event is searched that the database refuses: then what an
//!   answer says must be about one commit. Their answers may come in any order.
//! * Nothing is published before the commit that stores it; for a topic that takes nothing, nothing is
//!   handed over (`gates.rs`).
//! * A saga is in at most one commit; its events are applied in the order of arrival.
//! * A decision that writes nothing is final only on a state that was read after its event had come,
//!   or when a commit in the same batch proves the state by its revision.
//! * A partition's offset advances only past records that are committed or need no commit.

mod cache;
mod commits;
mod gates;
mod job;
mod loads;
mod member;
mod messages;
mod notes;
mod offsets;
mod outcome;
mod parcels;
mod plan;
mod queues;
#[cfg(test)]
mod tests;

use std::num::NonZeroUsize;
use std::time::Duration;

use sagas::sabotage::{Bug, is_seeded};
use sagas::{SagaId, Timestamp};

pub use commits::COMMITS_MAX;
pub use job::{
    Arrival, Job, Move, NotRunnable, OrderAnswer, OrderJob, StartAnswer, StartJob, Ticket, TooLarge,
};
pub use messages::{End, Input, OutgoingCommand, Output};
pub use notes::{Closing, Note};
pub use offsets::Position;

use crate::Registry;
use crate::batch::{Batch, DeadLetter, LetterKind, OutboxId};
use crate::unsent::Unsent;
use cache::Cache;
use commits::{Commits, Underway};
use gates::Gates;
use loads::Loads;
use lru::LruCache;
use offsets::Offsets;
use queues::Queues;

/// The bounds of a lane.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// Events in one commit.
    pub batch_max: usize,
    /// Sagas and dead letters that must wait for a second commit to begin beside one under way.
    pub second_commit_min: usize,
    /// Commits whose commands the broker has not acknowledged, at which the next one waits until more is to be
    /// decided, because its commands could not go out yet.
    pub ahead_max: u64,
    /// Sagas in the cache.
    pub cache_max: NonZeroUsize,
    /// Sagas in one load.
    pub load_max: usize,
    /// Commits whose messages for one topic the broker has not acknowledged; beyond it, nothing more is
    /// handed over for that topic.
    pub publications_max: usize,
}

/// How long a commit waits for the broker at most: after this time the producer hands over what comes next,
/// whatever the broker does (`FLIGHT_MAX` of `sagas-kafka`).
const PACE_MAX: Duration = Duration::from_millis(20);

/// Commits in a row whose replies go to one partition: a participant often answers the commands of two or
/// three together.
const SAME_PARTITION: i32 = 8;

/// How long a saga that this binary cannot advance is left alone before it is looked at again.
const QUARANTINE: Duration = Duration::from_secs(30);

/// Sagas that are left alone at a time; one that falls out is looked at once more than needed.
const QUARANTINED_MAX: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

/// The core of a lane.
#[derive(Debug)]
pub struct Lane {
    bounds: Bounds,
    registry: Registry,
    cache: Cache,
    queues: Queues,
    loads: Loads,
    /// Dead letters for the next commit.
    letters: Vec<(Option<Position>, DeadLetter)>,
    /// Acknowledged outbox rows for the next commit to delete.
    delivered: Vec<OutboxId>,
    offsets: Offsets,
    assigned: Vec<i32>,
    held: Vec<i32>,
    /// How many the reply topic has. Before that was said, one: the first is always there.
    reply_partitions: i32,
    gates: Gates,
    commits: Commits,
    /// Events per commit at the moment; below `batch_max` while a bad one is searched for.
    batch_limit: usize,
    failures: u32,
    hold_until: Option<Timestamp>,
    quarantine: LruCache<SagaId, Timestamp>,
    outputs: Vec<Output>,
}

impl Lane {
    /// An idle lane.
    #[must_use]
    pub fn new(registry: Registry, bounds: Bounds) -> Self {
        Self {
            cache: Cache::new(bounds.cache_max),
            gates: Gates::new(registry.participants(), bounds.publications_max),
            batch_limit: bounds.batch_max,
            bounds,
            registry,
            queues: Queues::default(),
            loads: Loads::default(),
            letters: Vec::new(),
            delivered: Vec::new(),
            offsets: Offsets::default(),
            assigned: Vec::new(),
            held: Vec::new(),
            reply_partitions: 1,
            commits: Commits::default(),
            failures: 0,
            hold_until: None,
            quarantine: LruCache::new(QUARANTINED_MAX),
            outputs: Vec::new(),
        }
    }

    /// Takes one input. Outputs are collected for [`Lane::turn`].
    pub fn take(&mut self, input: Input, now: Timestamp) {
        match input {
            Input::Job { saga, job } => self.take_job(saga, job, now),
            Input::Garbage { at, letter } => {
                self.offsets.arrived(at);
                self.letters.push((Some(at), *letter));
            }
            Input::Probe(at) => {
                self.offsets.arrived(at);
                self.offsets.finished(at);
            }
            Input::Loaded { asked, result } => self.loaded(asked, result, now),
            Input::Committed { number, result } => self.committed(number, result, now),
            Input::Unsent(unsent) => self.unsent(unsent),
            Input::Published {
                publication,
                is_acknowledged,
            } => {
                self.published(publication, is_acknowledged, now);
            }
            Input::Paused(participants) => self.gates.pause(&participants),
            Input::Assigned(partitions) => {
                self.offsets.keep_only(&partitions);
                self.assigned = partitions.into_iter().collect();
            }
            Input::Held { partitions, of } => {
                self.held = partitions.into_iter().collect();
                self.reply_partitions = of;
            }
        }
    }

    /// Plans what can be planned now, and hands out everything that is to be done, in order.
    pub fn turn(&mut self, now: Timestamp) -> Vec<Output> {
        let notes = self.gates.look(now);
        self.outputs.extend(notes.into_iter().map(Output::Note));
        self.commit_what_is_possible(now);
        // What did not need a commit has made room, and brings no input.
        while self.release(now) {
            self.commit_what_is_possible(now);
        }
        if let Some(sagas) = self.loads.begin(self.bounds.load_max) {
            self.outputs.push(Output::Load(sagas));
        }
        for (partition, next_offset) in self.offsets.advances() {
            self.outputs.push(Output::Advance {
                partition,
                next_offset,
            });
        }
        std::mem::take(&mut self.outputs)
    }

    /// When to call [`Lane::turn`] again although no input comes; `None`: only with an input.
    ///
    /// While nothing can be planned before the database answers, that answer is the input that counts: a
    /// hold that ends meanwhile is no reason to turn.
    #[must_use]
    pub fn resume_at(&self) -> Option<Timestamp> {
        let paced = self.paced_until().filter(|_| self.ready() > 0);
        let hold = self.hold_until.filter(|_| self.has_slot());
        // Without room nobody is woken, and what takes up the room brings an input.
        let trial = self.gates.resume_at().filter(|_| self.room() > 0);
        // The next commit begins when both are over.
        hold.max(paced).into_iter().chain(trial).min()
    }

    /// Events that may still come into the next commit, before sagas that are to start.
    fn room(&self) -> usize {
        let (_, starts) = self.queues.ready();
        let moves = self.waiting().saturating_sub(starts);
        self.bounds.batch_max.saturating_sub(moves)
    }

    fn commit_what_is_possible(&mut self, now: Timestamp) {
        let is_held = self.hold_until.is_some_and(|until| now < until);
        if !is_held && self.may_commit(now) {
            self.hold_until = None;
            while self.may_commit(now) && self.plan(now) {}
        }
    }

    /// Wakes sagas that wait for topics which take something again, as many as a commit has room for. Says
    /// whether there were any.
    fn release(&mut self, now: Timestamp) -> bool {
        let room = self.room();
        // What is committed may be what the wake would do, or not.
        let is_free = |saga| !self.queues.is_committing(saga);
        let released = self.gates.release(now, room, is_free);
        let is_any = !released.is_empty();
        for saga in released {
            self.take_job(saga, Move::Wake.into(), now);
        }
        is_any
    }

    fn may_commit(&self, now: Timestamp) -> bool {
        self.has_slot() && self.paced_until().is_none_or(|until| until <= now)
    }

    /// Whether a commit may begin before the database answers.
    fn has_slot(&self) -> bool {
        if is_seeded(Bug::OneGateForAll) && self.gates.is_any_closed() {
            return false;
        }
        match self.commits.open() {
            0 => true,
            open if open < COMMITS_MAX => {
                let is_well = self.failures == 0 && self.batch_limit == self.bounds.batch_max;
                is_well && self.ready() >= self.bounds.second_commit_min
            }
            _ => false,
        }
    }

    /// What the next commit could take, were it large enough.
    fn ready(&self) -> usize {
        let (moves, starts) = self.queues.ready();
        moves + starts + self.letters.len()
    }

    /// When the commit of few events may begin although the broker has not answered for the commands of those
    /// before: the producer would keep the commands of this one back.
    fn paced_until(&self) -> Option<Timestamp> {
        let enough = self.bounds.second_commit_min.min(self.batch_limit);
        let are_few = self.ready() < enough;
        let since = self
            .gates
            .ahead_since(self.bounds.ahead_max)
            .filter(|_| are_few)?;
        (self.commits.open() == 0).then_some(since + PACE_MAX)
    }

    /// Events that wait; the shell takes no more from outside above its bound.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queues.waiting() + self.letters.len()
    }

    /// Whether nothing is under way or waiting, but for topics that take nothing: the lane can stop.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.commits.open() == 0
            && self.waiting() == 0
            && self.delivered.is_empty()
            && self.gates.owed() == 0
    }

    /// Whether acknowledged outbox rows wait for a commit to delete them, and nothing else does.
    #[must_use]
    pub fn has_only_deliveries(&self) -> bool {
        self.commits.open() == 0 && self.waiting() == 0 && !self.delivered.is_empty()
    }

    /// Commits deliveries although there is nothing else to commit.
    pub fn flush_deliveries(&mut self) {
        if self.has_only_deliveries() {
            self.begin_commit(Underway::default(), Batch::default());
        }
    }

    fn take_job(&mut self, saga: SagaId, job: Job, now: Timestamp) {
        match &job {
            Job::Move(Move::Reply(arrival)) => {
                self.offsets.arrived(arrival.at);
                if !arrival.letter.reason.is_empty() {
                    self.outputs.push(Output::Note(unusable(arrival)));
                }
            }
            Job::Move(Move::Wake) if self.ignores_wake(saga, now) => return,
            Job::Move(_) | Job::Start(_) => {}
        }
        self.queues.push(saga, job);
    }

    fn ignores_wake(&mut self, saga: SagaId, now: Timestamp) -> bool {
        let is_quarantined = self.quarantine.get(&saga).is_some_and(|until| now < *until);
        is_quarantined || is_seeded(Bug::IgnoresWakes) || self.queues.needs_no_wake(saga)
    }

    fn published(&mut self, number: u64, is_acknowledged: bool, now: Timestamp) {
        let ended = self.gates.end(number, is_acknowledged, now);
        self.delivered.extend(ended.delivered);
        self.unpublish(&ended.lost);
        self.outputs.extend(ended.note.map(Output::Note));
    }

    /// Something of these sagas did not arrive.
    fn unpublish(&mut self, sagas: &[SagaId]) {
        for saga in sagas {
            self.cache.unpublish(*saga);
        }
        for member in self.commits.members_mut() {
            if sagas.contains(&member.cached.saga.id) {
                member.unpublish();
            }
        }
    }

    /// Records of a publication that the broker refuses for what they are.
    fn unsent(&mut self, unsent: Vec<Unsent>) {
        if is_seeded(Bug::TakesRefusedForSent) {
            return;
        }
        for unsent in unsent {
            match unsent {
                Unsent::Command { saga, reply } => {
                    // A wake before it must not take it for published.
                    self.unpublish(&[saga]);
                    self.queues.push(saga, Move::Unsent(reply).into());
                }
                Unsent::Unanswered(letter) => self.letters.push((None, *letter)),
            }
        }
    }

    /// Waits a little longer after each failure in a row, so that an outage is no busy loop.
    fn hold(&mut self, now: Timestamp) {
        let wait = Duration::from_millis(50 << self.failures.min(5));
        self.failures += 1;
        self.hold_until = Some(now + wait);
    }

    /// Where the replies to the commands of a commit go: all to one partition, another one after
    /// [`SAME_PARTITION`]. A participant that answers them together then needs one request to the broker.
    fn reply_partition(&self) -> i32 {
        // One of another lane is better than one of another replica, which may lack the definition
        // and then drops the reply.
        let own = if self.assigned.is_empty() {
            &self.held
        } else {
            &self.assigned
        };
        let turn = self.commits.begun() / SAME_PARTITION;
        match own.as_slice() {
            [] => turn % self.reply_partitions.max(1),
            own => own[usize::try_from(turn).unwrap_or(0) % own.len()],
        }
    }

    fn answer_start(&mut self, ticket: Ticket, answer: StartAnswer) {
        self.outputs.push(Output::Started(ticket, answer));
    }

    fn answer_order(&mut self, ticket: Ticket, answer: OrderAnswer) {
        self.outputs.push(Output::Ordered(ticket, answer));
    }

    fn note(&mut self, note: Note) {
        self.outputs.push(Output::Note(note));
    }

    /// The event needs nothing more; a caller is told apart.
    fn finish(&mut self, event: &Move) {
        if let Move::Reply(arrival) = event {
            self.offsets.finished(arrival.at);
        }
    }

    /// The reply is of no use: it goes to the dead letters with the next commit.
    fn bury(&mut self, arrival: Arrival, kind: LetterKind, reason: String) {
        self.letters.push((
            Some(arrival.at),
            DeadLetter {
                kind,
                reason,
                ..*arrival.letter
            },
        ));
    }
}

fn unusable(arrival: &Arrival) -> Note {
    Note::ReplyUnusable {
        saga: arrival.saga,
        step: arrival.reply.step.clone(),
        topic: arrival.letter.topic.clone(),
        at: arrival.at,
        reason: arrival.letter.reason.clone(),
    }
}
