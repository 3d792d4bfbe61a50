//! The state machine of one saga: `transition(definition, saga, event, now)`.
//!
//! It is the only place that changes a saga, and recovery is the same function fed by stored
//! state. It decides; others store ([`Transition::next`], [`Transition::entry`]) and, once that is
//! committed, send ([`Transition::sends`]).
//!
//! One question, one file: `forward` (what may start), `reply` (what a reply means), `late` (what it
//! means when nobody waits for it), `unwind` (what to undo next), `wake` (what is due), `point` (where
//! the point of no return is), `order` (what an operator may do), `restore` (how a stored saga comes
//! back). Their first lines are the specification; nothing repeats it.
//!
//! ```text
//!            start                        all steps done
//!   (new) ─────────► Running ──────────────────────────────► Completed
//!                     │   ▲                                        
//!      refusal,       │   │ fence answered "it took effect"   
//!      attempts used  │   │                                        
//!      up, cancel     ▼   │              nothing left to undo
//!                  Compensating ──────────────────────────► Compensated
//!
//!   Stuck: any step waits for a person, because it is parked, or because its attempts are used up and
//!   its answers cannot be read; what does not depend on it goes on.
//!   A saga in any of these may be paused, or need attention (`Moving::needs_attention`).
//! ```
//!
//! A saga that starts, is answered and ends:
//!
//! ```
//! # use schemars::JsonSchema;
//! # use serde::{Deserialize, Serialize};
//! # #[derive(Serialize, Deserialize, JsonSchema)]
//! # struct BookRoom { guest: u32 }
//! # impl sagas::Command for BookRoom {
//! #     const PARTICIPANT: &'static str = "rooms";
//! #     const NAME: &'static str = "book-room";
//! #     const REFUSABLE: bool = true;
//! #     type Reply = u32;
//! # }
//! use sagas::machine::{Event, Reply};
//! use sagas::{Definition, Direction, Json, Outcome, Refusal, Saga, SagaId, Status, Timestamp};
//! use sagas::transition;
//!
//! let mut definition = Definition::of::<u32>("book-room");
//! let room = definition.step("book-room").send(|guest, ()| BookRoom { guest: *guest }).pivot();
//! definition.output(room, |_, room| room);
//! let definition = definition.build()?;
//!
//! let now = Timestamp::parse("2026-11-23T13:10:36Z").expect("this is RFC 3339");
//! let id = SagaId::from_key(sagas::id::TENANT_DEFAULT, "booking-7");
//! let saga = Saga::new(&definition, id, Json::of(&7)?, now);
//!
//! // Store `next` and `entry` in one transaction; publish `sends` after its commit.
//! let started = transition(&definition, &saga, Event::Start, now)?;
//! assert_eq!(started.next.revision, 1);
//! assert_eq!(started.sends[0].payload.text(), r#"{"guest":7}"#);
//!
//! let reply = Event::Reply(Reply {
//!     step: "book-room".to_owned(),
//!     direction: Direction::Forward,
//!     generation: 1,
//!     attempt: 1,
//!     outcome: Outcome::Succeeded,
//!     payload: Json::of(&12)?,
//! });
//! let ended = transition(&definition, &started.next, reply.clone(), now)?;
//! assert_eq!(ended.next.status(), Status::Completed);
//! assert_eq!(ended.next.output, Some(Json::of(&12)?));
//!
//! // The same reply again, as Kafka may deliver it: nothing changes.
//! let again = transition(&definition, &ended.next, reply, now);
//! assert_eq!(again, Err(Refusal::Ended(Status::Completed)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod entry;
mod event;
mod forward;
mod late;
mod order;
mod point;
mod progress;
mod reply;
mod restore;
mod saga;
mod turn;
mod unwind;
mod wake;

pub use entry::{Entry, EntryKind, Sent};
pub use event::{Event, Reply};
pub use order::{Order, OrderKind, OrderName, OrderResult};
pub use progress::{Fence, Flight, Progress, Purpose, Trouble, Waits};
pub use restore::{Row, Unrestorable};
pub use saga::{Applied, Moving, Paper, Papers, Pause, Reason, Saga, Status};
pub use wake::{CONFIRM_WITHIN, WITHHELD_LOOK_MAX, WITHHELD_LOOK_MIN};

use crate::definition::Definition;
use crate::direction::{Direction, Outcome};
use crate::json::Json;
use crate::sabotage::{Bug, is_seeded};
use crate::time::Timestamp;
use turn::Turn;

/// What an event makes of a saga.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// The saga after it; its revision is one above the saga before.
    pub next: Saga,
    /// The history row.
    pub entry: Entry,
    /// What to send, after the commit, never before. Each may be lost: a later wake sends it again.
    pub sends: Vec<Send>,
    /// What to send at least once although no wake will: commands of notifications and hints. They
    /// are stored for that purpose with the commit, like `announcement`.
    pub notices: Vec<Send>,
    /// The lifecycle event to publish, if the status changed. Its number is [`Moving::announced`] of
    /// `next`.
    pub announcement: Option<Announcement>,
}

/// A command to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Send {
    /// Index of the step.
    pub step: usize,
    /// Which way it goes.
    pub direction: Direction,
    /// Which payload.
    pub generation: u32,
    /// Which try.
    pub attempt: u32,
    /// A fence: whether of the compensation, instead of the forward command.
    pub fences_compensation: bool,
    /// The bytes; `null` for a fence.
    pub payload: Json,
}

/// A lifecycle event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Announcement {
    /// The saga was accepted. [`Entry::status`] says where it stands: `Stuck` when the command of
    /// one of its first steps could not be built, which is then not announced a second time.
    Started,
    /// It entered this status, from another one.
    Entered(Status),
}

impl Announcement {
    /// The last word of the event's type: `started`, `completed`, ….
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Entered(status) => status.as_str(),
        }
    }
}

/// Number of the last transition that a saga can make.
///
/// `CloudEvents` has no larger integers, so no message could name a later one. What else is counted on the
/// wire (attempts, generations, lifecycle events) grows by at most one with each transition.
pub const REVISION_MAX: u64 = 0x7fff_ffff;

/// Why an event changes nothing.
///
/// Nothing is written for a refusal, so no revision check guards it: one that was decided on a
/// cached state is final only after it was decided once more on the stored one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The saga has another definition than the one given. Nothing is wrong with the event: it is
    /// for a binary that has the saga's definition.
    #[error("the saga's definition has the fingerprint {stored}, this one has {given}")]
    OtherDefinition {
        /// What the saga pins.
        stored: uuid::Uuid,
        /// What was given.
        given: uuid::Uuid,
    },
    /// The saga has revision 0: it was made, and [`Event::Start`] has not come yet.
    #[error("the saga has not started")]
    NotStarted,
    /// It starts once.
    #[error("the saga has started already")]
    AlreadyStarted,
    /// The saga has ended; nothing moves it any more.
    #[error("the saga is {0} and does not change any more")]
    Ended(Status),
    /// The saga has made [`REVISION_MAX`] transitions, as many as can be told apart on the wire. It stands
    /// still for good.
    #[error("the saga has made {REVISION_MAX} transitions, and there are no numbers for more")]
    RevisionsUsedUp,
    /// The reply, or the order, names a step that the definition does not have.
    #[error("the definition has no step {0:?}")]
    UnknownStep(String),
    /// The reply answers nothing that is in flight: a duplicate, or one that comes too late.
    #[error("no {direction} command of generation {generation}, attempt {attempt}, waits for it")]
    NothingInFlight {
        /// Direction of the command that it answers.
        direction: Direction,
        /// Generation that it answers.
        generation: u32,
        /// Attempt that it answers.
        attempt: u32,
    },
    /// No participant that keeps the rules sends this.
    #[error("{outcome} is no answer to a {direction} command")]
    OutOfPlace {
        /// Direction of the command that it answers.
        direction: Direction,
        /// What it says.
        outcome: Outcome,
    },
    /// The wake came early. Not a failure: the caller moves the saga's wake to this instant.
    #[error("nothing is due")]
    NothingDue {
        /// When something will be; `None` when the saga waits for nothing.
        wake_at: Option<Timestamp>,
    },
    /// The order was applied before; this came of it. The caller answers with it, as if the order
    /// had been applied now.
    #[error("the order was applied before")]
    OrderAppliedBefore(OrderResult),
    /// The order's id belongs to another order, which was applied. Nothing is done.
    #[error(
        "the id belongs to another order: {}, at {}, reason {:?}; a new order needs a new id",
        .first.order.kind, .first.at, .first.order.reason
    )]
    OrderIdUsedOtherwise {
        /// The one that was applied.
        first: Box<Applied>,
    },
    /// The payload or reply that an order gives does not have the shape of its type.
    #[error("it does not have the shape of its type: {error}")]
    PayloadUnfit {
        /// What serde said.
        error: String,
    },
    /// The order makes no sense here. It leaves no trace: given again under the same id, it is
    /// judged anew.
    #[error("{0}")]
    OrderMakesNoSense(&'static str),
}

/// What `event` makes of `saga`.
///
/// Pure: the same arguments give the same result, and a panic in a definition's closure becomes a
/// parked step. `now` never goes back by more than clocks may differ; an earlier `now` delays, and
/// breaks nothing.
///
/// What the caller owes: `next` and `entry` are stored together, against the revision of `saga`;
/// `sends` go out only after that commit, in any order, and may be lost, because a later
/// [`Event::Wake`] sends them again; an event whose commit lost a race is applied once more to the
/// state that won.
///
/// # Errors
///
/// When the event changes nothing: a duplicate, a reply that comes too late, a wake that comes too
/// early, an order that makes no sense. The refusal says which; none of them is a fault of the saga.
pub fn transition(
    definition: &Definition,
    saga: &Saga,
    event: Event,
    now: Timestamp,
) -> Result<Transition, Refusal> {
    transition_withholding(definition, saga, event, now, Blocked::default())
}

/// Command topics that take nothing, or took nothing for some time.
#[derive(Debug, Clone, Copy, Default)]
pub struct Blocked<'a> {
    /// Participants whose topics take nothing.
    pub participants: &'a [&'a str],
    /// Steps whose command in flight was sent before its topic took something again, and may have been
    /// lost.
    pub steps: &'a [usize],
}

/// [`transition`], while command topics are blocked.
///
/// A command for a topic that takes nothing is put in flight and not sent: its flight is withheld
/// ([`Flight::withheld_since`]), and no silence of that participant counts as an attempt. The first
/// transition of the saga for which the topic takes something sends it, so the caller owes the saga a
/// wake then. Silence about a command that was sent to a topic which took nothing is no attempt either:
/// the command is sent once more.
///
/// # Errors
///
/// As [`transition`].
pub fn transition_withholding(
    definition: &Definition,
    saga: &Saga,
    event: Event,
    now: Timestamp,
    blocked: Blocked<'_>,
) -> Result<Transition, Refusal> {
    let is_its = saga.fingerprint == definition.fingerprint();
    if !is_its && !is_seeded(Bug::TakesAnyDefinition) {
        let (stored, given) = (saga.fingerprint, definition.fingerprint());
        return Err(Refusal::OtherDefinition { stored, given });
    }
    let turn = Turn::new(definition, saga, now, blocked);
    if saga.revision == 0 {
        return match event {
            Event::Start => Ok(forward::start(turn)),
            Event::Reply(_) | Event::Wake { .. } | Event::Order(_) => Err(Refusal::NotStarted),
        };
    }
    if saga.revision >= REVISION_MAX && !saga.status().is_terminal() {
        return Err(match event {
            Event::Wake { .. } => Refusal::NothingDue { wake_at: None },
            Event::Start | Event::Reply(_) | Event::Order(_) => Refusal::RevisionsUsedUp,
        });
    }
    match (saga.status(), event) {
        (_, Event::Start) => Err(Refusal::AlreadyStarted),
        (Status::Running | Status::Compensating | Status::Stuck, Event::Reply(reply)) => {
            reply::apply(turn, reply)
        }
        (Status::Running | Status::Compensating | Status::Stuck, Event::Wake { published }) => {
            wake::apply(turn, published)
        }
        (status, Event::Order(order)) => order::apply(turn, status, order),
        (ended @ (Status::Completed | Status::Compensated), Event::Reply(reply)) => {
            reply::known_step(definition, &reply)?;
            if is_seeded(Bug::MovesWhatHasEnded) {
                return reply::apply(turn, reply);
            }
            Err(Refusal::Ended(ended))
        }
        (Status::Completed | Status::Compensated, Event::Wake { .. }) => {
            Err(Refusal::NothingDue { wake_at: None })
        }
    }
}
