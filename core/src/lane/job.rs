//! One event that waits for its saga, and the answers that its caller may get.

use crate::Cause;
use sagas::machine::{Event, Order, OrderResult, Refusal, Reply, Unrestorable};
use sagas::{OrderId, SagaId};

use super::offsets::Position;
use crate::batch::DeadLetter;
use crate::submission::Submission;

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
    /// The record as it came, for the case that nobody can use it. Its reason is empty unless the
    /// reply counts as failed because of it.
    pub letter: Box<DeadLetter>,
}

/// One event for a saga.
#[derive(Debug, Clone)]
pub enum Job {
    /// The saga is to begin: it has a row of its own to insert.
    Start(StartJob),
    /// The saga is to move.
    Move(Move),
}

/// A submission, and the caller that waits for it.
#[derive(Debug, Clone)]
pub struct StartJob {
    pub(super) ticket: Ticket,
    pub(super) submission: Submission,
    /// A commit of it was begun whose answer was lost.
    pub(super) is_retried: bool,
}

/// An event that moves a saga which exists.
#[derive(Debug, Clone)]
pub enum Move {
    /// An operator gives an order.
    Order(Box<OrderJob>),
    /// A participant answered.
    Reply(Arrival),
    /// The broker refuses a command for what it is, so its attempt failed.
    Unsent(Reply),
    /// The saga's wake has come.
    Wake,
}

/// An order, and the caller that waits for it.
#[derive(Debug, Clone)]
pub struct OrderJob {
    pub(super) ticket: Ticket,
    pub(super) order: Order,
}

impl From<Move> for Job {
    fn from(event: Move) -> Self {
        Self::Move(event)
    }
}

impl StartJob {
    /// A submission that no commit has held yet.
    #[must_use]
    pub fn new(ticket: Ticket, submission: Submission) -> Self {
        Self {
            ticket,
            submission,
            is_retried: false,
        }
    }
}

impl OrderJob {
    /// An order of the caller behind `ticket`.
    #[must_use]
    pub fn new(ticket: Ticket, order: Order) -> Self {
        Self { ticket, order }
    }
}

impl Move {
    /// The event for the state machine; `published` is what a wake has to know.
    pub(super) fn event(&self, published: bool) -> Event {
        match self {
            Self::Order(job) => Event::Order(job.order.clone()),
            Self::Reply(arrival) => Event::Reply(arrival.reply.clone()),
            Self::Unsent(reply) => Event::Reply(reply.clone()),
            Self::Wake => Event::Wake { published },
        }
    }
}

/// The answer to a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartAnswer {
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
    /// One of the saga's first commands is too large to be sent; nothing is stored.
    CommandTooLarge(TooLarge),
    /// The database cannot be reached. The last try stored nothing; one before it, whose answer was
    /// lost, may have: only the same submission under the same key tells.
    Unavailable(Cause),
    /// The database refuses the data itself.
    Unstorable(Cause),
}

/// The answer to an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderAnswer {
    /// The order was applied, now or before.
    Applied {
        /// The order.
        order: OrderId,
        /// What came of it.
        result: OrderResult,
    },
    /// The order makes no sense for the saga as it is.
    Refused(Refusal),
    /// There is no such saga.
    NotFound,
    /// This binary cannot advance the saga.
    NotRunnable(NotRunnable),
    /// The database cannot be reached.
    Unavailable(Cause),
    /// The database refuses the data itself.
    Unstorable(Cause),
}

/// Why this binary cannot advance a saga.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotRunnable {
    /// It lacks the definition, or has changed it.
    #[error("this binary does not have {definition} version {version} as it started")]
    Lacks {
        /// The definition's name.
        definition: String,
        /// The version that the saga pins.
        version: u32,
    },
    /// What is stored of the saga cannot be read.
    #[error("this binary cannot read the saga ({0})")]
    Unreadable(String),
    /// The stored rows contradict each other or the definition.
    #[error(transparent)]
    Unrestorable(#[from] Unrestorable),
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
