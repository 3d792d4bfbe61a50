//! The full record of a run: what each participant did, what was stored and read, what was sent, and
//! what callers were told. The checks read it after the run; nothing in the world does.
//!
//! Invariant: notes are facts of the doubles, taken when they happen. Whether they are in order is
//! for `check` to say.

use std::collections::BTreeSet;

use orchestrator::engine::lane::OutgoingCommand;
use sagas::machine::{Moving, OrderResult};
use sagas::{Json, OrderId, SagaId, Status, Timestamp};

/// Everything that happened.
#[derive(Debug, Default)]
pub struct Journal {
    /// What clients asked for.
    pub submissions: Vec<Submitted>,
    /// Submissions that were acknowledged.
    pub accepted: Vec<Accepted>,
    /// Submissions whose key belonged to another one, by position.
    pub conflicts: Vec<usize>,
    /// Orders that were answered with a result.
    pub ordered: Vec<Ordered>,
    /// Sagas whose cancelling was tried.
    pub cancelled: BTreeSet<SagaId>,
    /// Sagas that turned back because a step's attempts were used up.
    pub given_up: BTreeSet<SagaId>,
    /// States that the database took.
    pub commits: Vec<Commit>,
    /// States that the database gave.
    pub reads: Vec<Read>,
    /// Commands that were handed to the broker.
    pub published: Vec<Published>,
    /// Reply records that an offset was moved past.
    pub passed: Vec<Passed>,
    /// What participants changed in their own tables, in order.
    pub effects: Vec<Effect>,
    /// Steps that were made final, with the number of effects before that.
    pub tombstones: Vec<(usize, SagaId, usize)>,
    /// Steps that a participant refused.
    pub refusals: BTreeSet<(SagaId, usize)>,
    /// Sagas with a reason to wait for a person.
    pub troubled: BTreeSet<SagaId>,
    /// Whether something happened after which lifecycle events may come in another order.
    pub may_reorder_events: bool,
    /// Why the world did not come to rest, if it did not.
    pub unrest: Option<String>,
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
    /// History rows that were read.
    pub entries: usize,
}

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
