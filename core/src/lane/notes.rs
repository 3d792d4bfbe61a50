//! Facts that a person should be able to read: the lane finds them, the shell logs them.

use std::sync::Arc;

use crate::Cause;
use sagas::SagaId;
use sagas::machine::Refusal;

use super::job::NotRunnable;
use super::offsets::Position;
use crate::batch::{DeadLetter, LetterKind};

/// Why nothing more is handed over for a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// The broker has not answered for something for a second.
    Silent,
    /// The broker owes as many answers, or as many bytes, as it may.
    Full,
    /// Something did not arrive.
    Failed,
}

/// One fact for the log.
#[derive(Debug)]
pub enum Note {
    /// The database could not be read; the load is tried again.
    LoadFailed {
        /// Why.
        cause: Cause,
        /// How many sagas were asked for.
        sagas: usize,
    },
    /// This binary cannot advance a saga, and leaves it to one that can.
    NotRunnable {
        /// The saga.
        saga: SagaId,
        /// Why not.
        why: NotRunnable,
    },
    /// Another replica has moved the saga meanwhile.
    Overtaken {
        /// The saga.
        saga: SagaId,
    },
    /// A commit failed and is tried again.
    CommitFailed {
        /// Why.
        cause: Cause,
        /// How many events it had.
        events: usize,
    },
    /// The database refuses data in a commit; the event is searched for.
    BadData {
        /// What the database says.
        cause: Cause,
        /// How many events the commit had.
        events: usize,
    },
    /// The database refuses the data of this saga's event.
    EventUnstorable {
        /// The saga.
        saga: SagaId,
        /// What the database says.
        cause: Cause,
    },
    /// The database refuses a dead letter, which is lost.
    LetterUnstorable {
        /// Where it was read from; `None` for a record that was never published.
        at: Option<Position>,
        /// Why nobody can use it.
        reason: String,
        /// What the database says.
        cause: Cause,
    },
    /// A dead letter is stored.
    LetterKept(Box<DeadLetter>),
    /// A dead letter is counted and not stored: its kind has had its rows of today.
    LetterCounted(LetterKind),
    /// A reply names a revision that is not stored: the database was set back.
    ReplyAhead {
        /// The saga.
        saga: SagaId,
    },
    /// A reply says whom it answers, and cannot be used; it counts as failed.
    ReplyUnusable {
        /// The saga.
        saga: SagaId,
        /// The step that it answers.
        step: String,
        /// Where it was read from.
        topic: Arc<str>,
        /// Where in it.
        at: Position,
        /// Why it cannot be used.
        reason: String,
    },
    /// A topic takes nothing: what is for it waits in the database.
    TopicClosed {
        /// Whose commands; `None` for the topic of lifecycle events.
        participant: Option<&'static str>,
        /// Publications that the broker owes an answer for.
        owed: usize,
        /// Why.
        why: Closing,
    },
    /// A topic takes something again.
    TopicOpened {
        /// Whose commands; `None` for the topic of lifecycle events.
        participant: Option<&'static str>,
        /// Sagas that are woken because of it.
        withheld: usize,
    },
    /// A reply changes nothing.
    ReplyWithoutEffect {
        /// The saga.
        saga: SagaId,
        /// Why.
        refusal: Refusal,
    },
}
