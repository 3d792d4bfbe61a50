//! What a lane is told, and what it wants done.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::{Cause, CommitError};
use sagas::machine::{Order, Reason, Send, Status};
use sagas::{Definition, Json, SagaId, Timestamp};

use super::job::{Arrival, Job, Move, OrderAnswer, OrderJob, StartAnswer, StartJob, Ticket};
use super::notes::Note;
use super::offsets::Position;
use crate::batch::{Batch, Committed, DeadLetter, Outgoing};
use crate::loaded::Found;
use crate::submission::Submission;
use crate::unsent::Unsent;

/// What a lane is told.
#[derive(Debug)]
pub enum Input {
    /// An event for a saga.
    Job {
        /// The saga.
        saga: SagaId,
        /// The event.
        job: Job,
    },
    /// A record came whose envelope cannot be read.
    Garbage {
        /// Where it was read from.
        at: Position,
        /// The record, with the reason.
        letter: Box<DeadLetter>,
    },
    /// A probe was read, which is nobody's.
    Probe(Position),
    /// What [`Output::Load`] asked for.
    Loaded {
        /// The ids that were asked for.
        asked: Vec<SagaId>,
        /// Those that exist; or why the database did not answer.
        result: Result<Found, Cause>,
    },
    /// What became of [`Output::Commit`].
    Committed {
        /// Its number.
        number: u64,
        /// The winners; or why there are none, or none that are known.
        result: Result<Committed, CommitError>,
    },
    /// Records of an [`Output::Publish`] that the broker refuses for what they are; comes before its
    /// [`Input::Published`].
    Unsent(Vec<Unsent>),
    /// What became of [`Output::Publish`].
    Published {
        /// Its number.
        publication: u64,
        /// Whether the broker has all of it, but for what [`Input::Unsent`] named.
        is_acknowledged: bool,
    },
    /// Participants for which a person wants nothing to be handed over from now on.
    Paused(BTreeSet<String>),
    /// The reply partitions that this lane reads from now on.
    Assigned(BTreeSet<i32>),
    /// What any lane of this replica reads from now on.
    Held {
        /// The reply partitions.
        partitions: BTreeSet<i32>,
        /// How many the reply topic has, as far as this replica has seen.
        of: i32,
    },
}

impl Input {
    /// A client wants a saga of this id.
    #[must_use]
    pub fn start(saga: SagaId, ticket: Ticket, submission: Submission) -> Self {
        let job = Job::Start(StartJob::new(ticket, submission));
        Self::Job { saga, job }
    }

    /// An operator gives an order.
    #[must_use]
    pub fn order(saga: SagaId, ticket: Ticket, order: Order) -> Self {
        let job = Move::Order(Box::new(OrderJob::new(ticket, order))).into();
        Self::Job { saga, job }
    }

    /// A participant answered.
    #[must_use]
    pub fn reply(arrival: Arrival) -> Self {
        let saga = arrival.saga;
        let job = Move::Reply(arrival).into();
        Self::Job { saga, job }
    }

    /// The saga's wake has come.
    #[must_use]
    pub fn wake(saga: SagaId) -> Self {
        let job = Move::Wake.into();
        Self::Job { saga, job }
    }

    /// The reply that it brings.
    #[must_use]
    pub fn as_reply(&self) -> Option<&Arrival> {
        match self {
            Self::Job {
                job: Job::Move(Move::Reply(arrival)),
                ..
            } => Some(arrival),
            _ => None,
        }
    }
}

/// What a lane wants done.
#[derive(Debug)]
pub enum Output {
    /// Load these sagas and say [`Input::Loaded`]. One load is under way at a time.
    Load(Vec<SagaId>),
    /// Commit this and say [`Input::Committed`]. At most [`super::COMMITS_MAX`] are under way, and they
    /// have no saga, record or outbox row in common.
    Commit {
        /// Its number.
        number: u64,
        /// What is to be written.
        batch: Box<Batch>,
    },
    /// Publish this, in this order, and say [`Input::Published`].
    Publish {
        /// Its number.
        publication: u64,
        /// Commands to participants.
        commands: Vec<OutgoingCommand>,
        /// Lifecycle events and notices.
        events: Vec<Outgoing>,
    },
    /// Tell the caller what became of its submission.
    Started(Ticket, StartAnswer),
    /// Tell the caller what became of its order.
    Ordered(Ticket, OrderAnswer),
    /// Let people read this.
    Note(Note),
    /// The saga has ended, or is stuck, and that is committed: whoever waits for it can be told.
    Ended(SagaId, End),
    /// This offset may be stored with the broker.
    Advance {
        /// Reply partition.
        partition: i32,
        /// The offset to continue at.
        next_offset: i64,
    },
}

/// How a saga ended, as it was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// A terminal state, or stuck.
    pub status: Status,
    /// The result, once completed.
    pub output: Option<Json>,
    /// Why it turned back.
    pub reason: Option<Reason>,
}

/// A command, and everything that its message says.
#[derive(Debug, Clone)]
pub struct OutgoingCommand {
    /// The saga.
    pub saga: SagaId,
    /// Its definition.
    pub definition: Arc<Definition>,
    /// When the saga started.
    pub started_at: Timestamp,
    /// The saga's revision after the transition that sends it.
    pub revision: u64,
    /// When the transition was decided.
    pub at: Timestamp,
    /// Step, direction, generation, attempt, bytes.
    pub send: Send,
    /// Where the reply is to go.
    pub reply_partition: i32,
}
