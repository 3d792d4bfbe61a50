//! The full record of a run: what each participant did, what was stored and read, what was sent, and
//! what callers were told. The checks read it after the run; nothing in the world does.
//!
//! Invariant: notes are facts of the doubles, taken when they happen. Whether they are in order is
//! for `check` to say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::world::Life;
use sagas::machine::{Moving, OrderResult};
use sagas::{Direction, Json, OrderId, Outcome, SagaId, Status, Timestamp};
use sagas_core::lane::{OutgoingCommand, Position};
use sagas_core::membership::Assignment;
use uuid::Uuid;

/// Everything that happened.
#[derive(Debug, Default)]
pub struct Journal {
    /// What clients asked for.
    pub submissions: Vec<Submitted>,
    /// Submissions at the door of a lane.
    pub asked_in: Vec<AskedIn>,
    /// Submissions that were acknowledged.
    pub accepted: Vec<Accepted>,
    /// Submissions whose key belonged to another one, by position.
    pub conflicts: Vec<usize>,
    /// Orders that were answered with a result.
    pub ordered: Vec<Ordered>,
    /// Orders that were refused.
    pub refused: Vec<OrderRefused>,
    /// Sagas that turned back because a step's attempts were used up.
    pub given_up: BTreeSet<SagaId>,
    /// Sagas that have passed their deadline.
    pub overdue: BTreeSet<SagaId>,
    /// Steps whose command, or whose compensation, could not be built.
    pub panicked: BTreeSet<(SagaId, usize, Direction)>,
    /// States that the database took.
    pub commits: Vec<Commit>,
    /// When the database took a revision, by true time.
    pub stored_at: BTreeMap<(SagaId, u64), Timestamp>,
    /// When a topic took nothing, by true time.
    pub blocked: Vec<Blocked>,
    /// How long callers waited for their answer, by true time.
    pub answered: Vec<(SagaId, Timestamp, Timestamp)>,
    /// The most hand-overs of one lane for one topic that the broker had not answered for.
    pub owed_max: usize,
    /// When something happened that keeps the service from its work.
    pub disturbed: Vec<Timestamp>,
    /// States that the database gave.
    pub reads: Vec<Read>,
    /// Heartbeats that were answered.
    pub heard: Vec<Heard>,
    /// What lanes asked the database for.
    pub loads: Vec<LoadAsked>,
    /// Sagas that a lane wrote without reading them, after a commit of them whose answer was lost.
    pub written_in_doubt: Vec<SagaId>,
    /// Sagas that a lane wrote while another commit of it had them.
    pub committed_at_once: Vec<SagaId>,
    /// Commands that were handed to the broker.
    pub published: Vec<Published>,
    /// When the broker first acknowledged an attempt of a command, by true time.
    pub(crate) acknowledged: BTreeMap<Attempt, Timestamp>,
    /// What the broker has not acknowledged yet, by the lane's process, the lane and its publication.
    pub(crate) handed_over: BTreeMap<(Life, usize, u64), Vec<Attempt>>,
    /// When a process's lane last took a reply record, by true time.
    pub(crate) came: BTreeMap<(Life, Position), Timestamp>,
    /// Reply records that an offset was moved past.
    pub passed: Vec<Passed>,
    /// Reply records, by partition and offset, that a binary passed which lacks their definition.
    pub left: BTreeSet<(i32, i64)>,
    /// Replies that went to the dead letters although their saga could use them.
    pub buried: Vec<(SagaId, String)>,
    /// What participants changed in their own tables, in order.
    pub effects: Vec<Effect>,
    /// What participants answered.
    pub answers: BTreeSet<Said>,
    /// Steps that were made final, with the number of effects before that.
    pub tombstones: Vec<(usize, SagaId, usize)>,
    /// Steps that a participant refused.
    pub refusals: BTreeSet<(SagaId, usize)>,
    /// Sagas with a reason to wait for a person.
    pub troubled: BTreeSet<SagaId>,
    /// Sagas of which a participant has said that it no longer knows.
    pub expired: BTreeSet<SagaId>,
    /// Sagas of which some lifecycle event was left for another process to publish.
    pub stirred: BTreeSet<SagaId>,
    /// The lanes that wrote a saga.
    pub(crate) writers: BTreeMap<SagaId, BTreeSet<(Life, usize)>>,
    /// Processes that ended with records that they had not sent.
    pub(crate) killed: BTreeSet<Life>,
    /// Whether a binary without some definition has run.
    pub is_mixed: bool,
    /// Sagas that a binary wrote which lacks their definition.
    pub written_unknown: Vec<SagaId>,
    /// Why the world did not come to rest, if it did not.
    pub unrest: Option<String>,
}

/// A time in which a topic took nothing.
#[derive(Debug, Clone)]
pub struct Blocked {
    /// The topic.
    pub topic: Arc<str>,
    /// Its begin.
    pub from: Timestamp,
    /// Its end.
    pub until: Timestamp,
}

/// A submission.
#[derive(Debug, Clone)]
pub struct Submitted {
    /// The saga that it names.
    pub id: SagaId,
    /// The idempotency key.
    pub key: Option<String>,
    /// The definition's name.
    pub definition: String,
    /// The input.
    pub input: Json,
}

/// A submission at the door of a lane.
#[derive(Debug, Clone)]
pub struct AskedIn {
    /// The saga that it names.
    pub saga: SagaId,
    /// Events that waited in the lane and before it.
    pub waiting: usize,
    /// Submissions of the same definition that were not answered.
    pub own: usize,
    /// Whether it came in.
    pub is_let_in: bool,
}

/// An acknowledged submission.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// Which submission.
    pub submission: usize,
    /// The saga that the caller was told.
    pub id: SagaId,
    /// Whether this submission made it.
    pub is_new: bool,
    /// Whether the database had it at that moment.
    pub is_stored: bool,
}

/// An order that was answered.
#[derive(Debug, Clone)]
pub struct Ordered {
    /// The saga.
    pub saga: SagaId,
    /// The order.
    pub order: OrderId,
    /// What the caller was told.
    pub result: OrderResult,
}

/// An order that was refused.
#[derive(Debug, Clone)]
pub struct OrderRefused {
    /// The saga.
    pub saga: SagaId,
    /// The order.
    pub order: OrderId,
    /// What came of it, if the database had it already when it was given.
    pub result_before: Option<OrderResult>,
    /// What speaks against the refusal: the saga did not change while it was decided, and this is
    /// what its stored state makes of the order.
    pub would_be: Option<String>,
}

/// A state that the database took.
#[derive(Debug, Clone)]
pub struct Commit {
    /// The saga.
    pub saga: SagaId,
    /// The revision that was expected; `None` for a start.
    pub expected: Option<u64>,
    /// The revision after it.
    pub revision: u64,
    /// The status after it.
    pub status: Status,
    /// The wake after it.
    pub wake_at: Option<Timestamp>,
    /// The state after it.
    pub moving: Moving,
}

/// A state that the database gave.
#[derive(Debug, Clone)]
pub struct Read {
    /// The saga.
    pub saga: SagaId,
    /// Commits of the world before it.
    pub after: usize,
    /// The revision that was read.
    pub revision: u64,
    /// The state that was read.
    pub moving: Moving,
    /// The status that was read.
    pub status: Status,
    /// History rows that were read.
    pub entries: usize,
    /// The revision of the newest of them.
    pub newest: u64,
}

/// A heartbeat that was answered.
#[derive(Debug, Clone)]
pub struct Heard {
    /// Who has heard it.
    pub own: Uuid,
    /// The replicas that live, by id.
    pub alive: Vec<Uuid>,
    /// Partitions of the reply topic, as far as the replica had seen.
    pub of: i32,
    /// What the replica serves from then on.
    pub assignment: Assignment,
    /// How long the most silent of the others had been silent; `None` without others.
    pub oldest: Option<Duration>,
    /// When the replica beats next.
    pub next_beat: Duration,
}

/// A load that a lane asked for.
#[derive(Debug, Clone)]
pub struct LoadAsked {
    /// What is to be read.
    pub sagas: Vec<SagaId>,
    /// Loads of the same lane that were under way then.
    pub beside: usize,
}

/// One attempt of a command: saga, step, direction, generation, attempt.
pub(crate) type Attempt = (SagaId, usize, Direction, u32, u32);

/// A command that was handed to the broker.
#[derive(Debug, Clone)]
pub struct Published {
    /// The command.
    pub command: OutgoingCommand,
    /// The saga's revision in the database at that moment.
    pub stored_revision: u64,
}

/// A reply record that an offset was moved past.
#[derive(Debug, Clone)]
pub struct Passed {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// What the database lacked of it at that moment; `None` when it lacked nothing.
    pub lacks: Option<String>,
}

/// What a participant answered to a command.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Said {
    /// The saga.
    pub saga: SagaId,
    /// The step's name.
    pub step: String,
    /// Which way the command went.
    pub direction: Direction,
    /// Its generation.
    pub generation: u32,
    /// Its attempt.
    pub attempt: u32,
    /// What came of it.
    pub outcome: Outcome,
    /// The payload, as text.
    pub payload: String,
}

/// A change in a participant's own tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effect {
    /// The saga.
    pub saga: SagaId,
    /// The step, by number.
    pub step: usize,
    /// Whether it undid the step.
    pub is_undo: bool,
    /// The saga's revision in the database at that moment.
    pub stored_revision: u64,
}
