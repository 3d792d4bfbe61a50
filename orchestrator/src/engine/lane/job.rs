//! One event that waits for its saga, and who wants to know what became of it.

use saga_core::Cause;
use sagas::machine::{Event, Order, OrderResult, Refusal, Reply};
use sagas::{OrderId, SagaId};

use super::offsets::Position;
use crate::engine::submission::Submission;
use crate::store::batch::DeadLetter;

/// A caller that waits for an answer; the shell knows whom it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// A reply record whose envelope could be read.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// Where it was read from.
    pub at: Position,
    /// The saga that it is for.
    pub saga: SagaId,
    /// The saga's revision when the command was sent, echoed.
    pub revision: u64,
    /// What it says.
    pub reply: Reply,
    /// The record as it came, for the case that nobody can use it.
    pub letter: Box<DeadLetter>,
}

/// What a caller is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The saga exists, committed.
    Accepted {
        /// Which.
        id: SagaId,
        /// Whether this submission made it.
        is_new: bool,
    },
    /// The idempotency key belongs to another submission.
    KeyUsedOtherwise {
        /// The saga that the key names.
        id: SagaId,
    },
    /// The order was applied, now or before.
    Ordered {
        /// The order.
        order: OrderId,
        /// What came of it.
        result: OrderResult,
    },
    /// The order makes no sense for the saga as it is.
    OrderRefused(Refusal),
    /// There is no such saga.
    NotFound,
    /// This binary cannot advance the saga: it lacks the definition, or has changed it.
    NotRunnable(String),
    /// The database cannot be reached. The last try stored nothing; one before it, whose answer was
    /// lost, may have: only the same submission under the same key tells.
    Unavailable(Cause),
    /// The database refuses the data itself.
    Unstorable(Cause),
    /// One of the saga's first commands is too large to be sent; nothing is stored.
    CommandTooLarge(TooLarge),
}

/// A command that no topic of ours takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the command of step {step} has {bytes} bytes, at most {limit} are sent")]
pub struct TooLarge {
    /// The step.
    pub step: String,
    /// Bytes of its payload.
    pub bytes: usize,
    /// Bytes that are sent.
    pub limit: usize,
}

/// One event that waits for its saga.
#[derive(Debug, Clone)]
pub(super) enum Job {
    Start {
        ticket: Ticket,
        submission: Submission,
        /// A commit of it was begun whose answer was lost.
        is_retried: bool,
    },
    Order {
        ticket: Ticket,
        order: Order,
    },
    Reply(Arrival),
    /// The broker refuses a command for what it is, so its attempt failed.
    Unsent(Reply),
    Wake,
}

impl Job {
    /// The event for the state machine; `published` is what a wake has to know.
    pub(super) fn event(&self, published: bool) -> Event {
        match self {
            Self::Start { .. } => Event::Start,
            Self::Order { order, .. } => Event::Order(order.clone()),
            Self::Reply(arrival) => Event::Reply(arrival.reply.clone()),
            Self::Unsent(reply) => Event::Reply(reply.clone()),
            Self::Wake => Event::Wake { published },
        }
    }

    pub(super) fn ticket(&self) -> Option<Ticket> {
        match self {
            Self::Start { ticket, .. } | Self::Order { ticket, .. } => Some(*ticket),
            Self::Reply(_) | Self::Unsent(_) | Self::Wake => None,
        }
    }
}
