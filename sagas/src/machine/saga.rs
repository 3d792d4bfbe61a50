//! The state of one saga: what is known of every step, and what follows from it.
//!
//! The status is never stored beside the steps: it is a function of them, so the two cannot
//! disagree. What is stored small and rewritten often is [`Moving`]; input, payloads and replies
//! are immutable and come back from the history.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::order::{Order, OrderResult};
use crate::definition::{Definition, Replies, Unbuildable};
use crate::direction::Direction;
use crate::fault::Fault;
use crate::id::{OrderId, SagaId};
use crate::json::Json;
use crate::time::Timestamp;

/// Where a saga stands as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Steps go forward.
    Running,
    /// Steps that took effect, or may have, are being undone.
    Compensating,
    /// Every step took effect. Terminal.
    Completed,
    /// No step has an effect any more, or ever will. Terminal.
    Compensated,
    /// A person must decide.
    Stuck,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 5] = [
        Self::Running,
        Self::Compensating,
        Self::Completed,
        Self::Compensated,
        Self::Stuck,
    ];

    /// Whether the saga has ended.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Compensated)
    }

    /// The word in REST, the database and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Compensating => "compensating",
            Self::Completed => "completed",
            Self::Compensated => "compensated",
            Self::Stuck => "stuck",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A command that was put in flight and has no final answer yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flight {
    /// Which payload: 1, and one more with every edit.
    pub generation: u32,
    /// Which try, from 1; replies echo it.
    pub attempt: u32,
    /// When it was last sent.
    pub sent_at: Timestamp,
    /// When the next attempt is due.
    pub due_at: Timestamp,
    /// What passes until then.
    pub waits: Waits,
    /// Since when the policy's attempts are used up, where trying goes on without end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exhausted_since: Option<Timestamp>,
    /// What the last `failed` reply said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Fault>,
}

/// What a flight waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Waits {
    /// For the participant's reply.
    Reply,
    /// For the delay before the next attempt, after a `failed` reply.
    Retry,
}

/// How far one step has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Progress {
    /// Nothing was ever sent.
    Idle,
    /// Its command is in flight.
    Forward(Flight),
    /// Its command was sent, and a fence after it: it took effect, or never will.
    Fencing(Flight),
    /// It took effect.
    Done,
    /// The participant refused; nothing happened.
    Refused(Fault),
    /// Given up on while its outcome is unknown; to be compensated.
    Unknown,
    /// Its compensation is in flight.
    Undoing(Flight),
    /// It has no effect, and never will have one.
    Undone,
    /// A person must decide.
    Parked(Trouble),
}

/// Why a step waits for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum Trouble {
    /// The definition's closure gave no command; nothing was sent in this direction.
    #[error("its command could not be built: {error}")]
    CommandUnbuildable {
        /// Which command.
        direction: Direction,
        /// Why.
        error: Unbuildable,
    },
    /// It took effect, but the reply does not have the shape of its type.
    #[error("it succeeded with a reply that cannot be read: {error}")]
    ReplyUnreadable {
        /// What serde said.
        error: String,
    },
    /// A step that may not be refused was refused.
    #[error("it cannot be refused, but was: {}: {}", fault.code, fault.message)]
    RefusedUnexpectedly {
        /// The refusal.
        fault: Fault,
    },
    /// The compensation was refused.
    #[error("its compensation was refused: {}: {}", fault.code, fault.message)]
    CompensationRefused {
        /// The refusal.
        fault: Fault,
    },
    /// A step after the point of no return can never take effect, because somebody undid it.
    #[error("the participant says that it was undone, after the point of no return")]
    UndoneElsewhere,
    /// The participant no longer knows whether it took effect.
    #[error("the participant no longer knows whether the {direction} command took effect")]
    Expired {
        /// Which command.
        direction: Direction,
    },
}

/// Why a saga turned back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Reason {
    /// A participant refused a step.
    Refused {
        /// The step's name.
        step: String,
        /// The refusal.
        #[serde(flatten)]
        fault: Fault,
    },
    /// A step's attempts were used up; its outcome is unknown.
    Exhausted {
        /// The step's name.
        step: String,
        /// `attempts-exhausted`, and what the last failure said.
        #[serde(flatten)]
        fault: Fault,
    },
    /// A participant says that a step can never take effect, because it was undone there.
    UndoneElsewhere {
        /// The step's name.
        step: String,
        /// `already-compensated`.
        #[serde(flatten)]
        fault: Fault,
    },
    /// An operator cancelled it.
    Cancelled {
        /// Who.
        actor: String,
        /// `cancelled`, and the operator's reason.
        #[serde(flatten)]
        fault: Fault,
    },
}

impl Reason {
    /// The step that caused it; `None` where a person did.
    #[must_use]
    pub fn step(&self) -> Option<&str> {
        match self {
            Self::Refused { step, .. }
            | Self::Exhausted { step, .. }
            | Self::UndoneElsewhere { step, .. } => Some(step),
            Self::Cancelled { .. } => None,
        }
    }

    /// Code and message.
    #[must_use]
    pub fn fault(&self) -> &Fault {
        match self {
            Self::Refused { fault, .. }
            | Self::Exhausted { fault, .. }
            | Self::UndoneElsewhere { fault, .. }
            | Self::Cancelled { fault, .. } => fault,
        }
    }
}

/// The part of a saga that changes: one small row, rewritten by every transition.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Moving {
    /// How far each step has come, in the definition's order.
    pub steps: Vec<Progress>,
    /// Why it turned back, once it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The cancel that waits for a fence's answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel: Option<Order>,
}

/// The bytes of a step's commands and its reply; each is written once and never changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Papers {
    /// Payload of the command.
    pub forward: Option<Json>,
    /// Payload of the compensation.
    pub compensation: Option<Json>,
}

/// One run of a definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saga {
    /// Who it is.
    pub id: SagaId,
    /// The definition's name.
    pub definition: String,
    /// The definition's version.
    pub version: u32,
    /// The digest of the definition's graph.
    pub fingerprint: Uuid,
    /// When it was accepted.
    pub started_at: Timestamp,
    /// One more with every transition; 0 before the first.
    pub revision: u64,
    /// Not later than the earliest thing that is due; `None` when nothing is.
    pub wake_at: Option<Timestamp>,
    /// What it was submitted with.
    pub input: Json,
    /// What changes.
    pub moving: Moving,
    /// The commands' bytes, by step.
    pub papers: Vec<Papers>,
    /// The replies of the steps that took effect, by step.
    pub replies: Vec<Option<Json>>,
    /// The result, once completed.
    pub output: Option<Json>,
    /// Orders that were applied, with what came of them.
    pub orders: BTreeMap<OrderId, OrderResult>,
}

impl Saga {
    /// A saga of `definition` that has not started: revision 0, nothing sent.
    #[must_use]
    pub fn new(definition: &Definition, id: SagaId, input: Json, now: Timestamp) -> Self {
        let steps = definition.steps().len();
        Self {
            id,
            definition: definition.name().to_owned(),
            version: definition.version(),
            fingerprint: definition.fingerprint(),
            started_at: now,
            revision: 0,
            wake_at: None,
            input,
            moving: Moving {
                steps: vec![Progress::Idle; steps],
                reason: None,
                cancel: None,
            },
            papers: vec![Papers::default(); steps],
            replies: vec![None; steps],
            output: None,
            orders: BTreeMap::new(),
        }
    }

    /// Where the saga stands as a whole.
    ///
    /// A parked step makes it `Stuck` whatever else goes on, so a saga may be `Stuck` and turn back
    /// at once ([`Saga::is_unwinding`]). A new saga is `Running` before its start.
    #[must_use]
    pub fn status(&self) -> Status {
        let steps = &self.moving.steps;
        let at_rest = |step: &Progress| {
            matches!(
                step,
                Progress::Idle | Progress::Refused(_) | Progress::Undone
            )
        };
        if steps.iter().any(|step| matches!(step, Progress::Parked(_))) {
            Status::Stuck
        } else if self.moving.reason.is_some() {
            if steps.iter().all(at_rest) {
                Status::Compensated
            } else {
                Status::Compensating
            }
        } else if steps.iter().all(|step| *step == Progress::Done) {
            Status::Completed
        } else {
            Status::Running
        }
    }

    /// Whether it has turned back.
    #[must_use]
    pub fn is_unwinding(&self) -> bool {
        self.moving.reason.is_some()
    }

    /// Since when, and with what, it needs a person's attention although it goes on by itself.
    #[must_use]
    pub fn exhausted(&self) -> Option<(usize, &Flight)> {
        let flights = self.moving.steps.iter().enumerate();
        let exhausted = flights.filter_map(|(step, progress)| {
            let flight = progress.flight()?;
            flight.exhausted_since.map(|since| (since, step, flight))
        });
        exhausted
            .min_by_key(|(since, step, _)| (*since, *step))
            .map(|(_, step, f)| (step, f))
    }

    pub(super) fn known(&self) -> Replies<'_> {
        Replies(&self.replies)
    }
}

impl Progress {
    /// The command in flight, whichever direction it goes.
    #[must_use]
    pub fn flight(&self) -> Option<&Flight> {
        match self {
            Self::Forward(flight) | Self::Fencing(flight) | Self::Undoing(flight) => Some(flight),
            Self::Idle
            | Self::Done
            | Self::Refused(_)
            | Self::Unknown
            | Self::Undone
            | Self::Parked(_) => None,
        }
    }

    /// The direction of the command in flight.
    #[must_use]
    pub fn direction(&self) -> Option<Direction> {
        match self {
            Self::Forward(_) => Some(Direction::Forward),
            Self::Fencing(_) => Some(Direction::Fence),
            Self::Undoing(_) => Some(Direction::Compensate),
            Self::Idle
            | Self::Done
            | Self::Refused(_)
            | Self::Unknown
            | Self::Undone
            | Self::Parked(_) => None,
        }
    }

    /// The word in REST and the page.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Forward(Flight {
                waits: Waits::Reply,
                ..
            }) => "in_flight",
            Self::Forward(Flight {
                waits: Waits::Retry,
                ..
            }) => "retrying",
            Self::Fencing(_) => "fencing",
            Self::Done => "done",
            Self::Refused(_) => "refused",
            Self::Unknown => "unknown",
            Self::Undoing(_) => "undoing",
            Self::Undone => "undone",
            Self::Parked(_) => "parked",
        }
    }
}
