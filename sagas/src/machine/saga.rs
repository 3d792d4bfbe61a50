//! The state of one saga: what is known of every step, and what follows from it.
//!
//! The status is never stored beside the steps: it is a function of them, so the two cannot
//! disagree. What is stored small and rewritten often is [`Moving`]; input, payloads and replies
//! are immutable and come back from the history.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::order::{Order, OrderResult};
use crate::definition::{Definition, Replies, Unbuildable};
use crate::direction::{Direction, Outcome};
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

/// A question that makes a step final, on its way to the participant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fence {
    /// The fence itself; its generation counts the step's fences.
    #[serde(flatten)]
    pub flight: Flight,
    /// What follows from the answer.
    pub purpose: Purpose,
    /// The order that asked for it.
    pub order: OrderId,
}

/// Why a step is fenced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// A cancel: if the pivot never took effect, the saga turns back.
    Cancel,
    /// A skip: if the step never took effect, it counts as done by hand.
    Skip,
    /// A resolve: if the compensation never took effect, it counts as done by hand.
    Resolve,
}

/// How far one step has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Progress {
    /// Nothing was ever sent.
    Idle,
    /// Its command is in flight.
    Forward(Flight),
    /// A fence was sent after its command, or after its compensation: that took effect, or never will.
    Fencing(Fence),
    /// It took effect.
    Done,
    /// Its condition does not hold, or a step that it is given did not run. Nothing was ever sent.
    Skipped,
    /// A person did it, outside of the participant's command.
    ByHand,
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
    /// A person did it, so a person must undo it.
    #[error("it was done by hand, so it is undone by hand; resolve it then")]
    DoneByHand,
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
    /// The saga's deadline passed before its point of no return.
    DeadlinePassed {
        /// `deadline-passed`, and which.
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
    /// The step that caused it; `None` where a person or the clock did.
    #[must_use]
    pub fn step(&self) -> Option<&str> {
        match self {
            Self::Refused { step, .. }
            | Self::Exhausted { step, .. }
            | Self::UndoneElsewhere { step, .. } => Some(step),
            Self::DeadlinePassed { .. } | Self::Cancelled { .. } => None,
        }
    }

    /// Code and message.
    #[must_use]
    pub fn fault(&self) -> &Fault {
        match self {
            Self::Refused { fault, .. }
            | Self::Exhausted { fault, .. }
            | Self::UndoneElsewhere { fault, .. }
            | Self::DeadlinePassed { fault }
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
    /// Who holds it, while it is paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Pause>,
    /// Since when its deadline has passed, beyond the point of no return.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overdue_since: Option<Timestamp>,
}

/// A saga that is held: nothing new is sent, replies are still taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Since when.
    pub since: Timestamp,
    /// Who paused it.
    pub actor: String,
    /// Why.
    pub reason: String,
}

/// The commands of one step that were put in flight; their bytes are never changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Papers {
    /// The newest forward command.
    pub forward: Option<Paper>,
    /// The newest compensation.
    pub compensation: Option<Paper>,
    /// Fences so far; the generation of the newest.
    pub fences: u32,
}

/// A command's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paper {
    /// 1, and one more with every edit.
    pub generation: u32,
    /// The payload.
    pub payload: Json,
}

/// An order that was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The order.
    pub order: Order,
    /// What came of it at once.
    pub result: OrderResult,
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
    /// Orders that were applied.
    pub orders: BTreeMap<OrderId, Applied>,
    /// Truths that came too late to move anything, each recorded once: step, generation, outcome of
    /// the forward command.
    pub late: BTreeSet<(usize, u32, Outcome)>,
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
                ..Moving::default()
            },
            papers: vec![Papers::default(); steps],
            replies: vec![None; steps],
            output: None,
            orders: BTreeMap::new(),
            late: BTreeSet::new(),
        }
    }

    /// Where the saga stands as a whole.
    ///
    /// A parked step makes it `Stuck` whatever else goes on, so a saga may be `Stuck` and turn back
    /// at once ([`Saga::is_unwinding`]). A new saga is `Running` before its start.
    #[must_use]
    pub fn status(&self) -> Status {
        let steps = &self.moving.steps;
        if steps.iter().any(|step| matches!(step, Progress::Parked(_))) {
            Status::Stuck
        } else if self.moving.reason.is_some() {
            if steps.iter().all(Progress::is_gone) {
                Status::Compensated
            } else {
                Status::Compensating
            }
        } else if steps.iter().all(Progress::is_settled) {
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

    /// The flight that has been tried beyond its policy for longest.
    #[must_use]
    pub fn exhausted(&self) -> Option<(usize, &Flight)> {
        self.moving.exhausted()
    }

    pub(super) fn known(&self) -> Replies<'_> {
        Replies(&self.replies)
    }
}

impl Moving {
    /// Whether a person should look: it is parked, or tries beyond a policy, or beyond its deadline.
    /// It ends by itself when the step succeeds.
    #[must_use]
    pub fn needs_attention(&self) -> bool {
        let parked = |step: &Progress| matches!(step, Progress::Parked(_));
        self.steps.iter().any(parked) || self.exhausted().is_some() || self.overdue_since.is_some()
    }

    fn exhausted(&self) -> Option<(usize, &Flight)> {
        let flights = self.steps.iter().enumerate();
        let exhausted = flights.filter_map(|(step, progress)| {
            let flight = progress.flight()?;
            flight.exhausted_since.map(|since| (since, step, flight))
        });
        exhausted
            .min_by_key(|(since, step, _)| (*since, *step))
            .map(|(_, step, flight)| (step, flight))
    }
}

impl Progress {
    /// Whether the steps that need it may go on: it took effect, or is not to.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        matches!(self, Self::Done | Self::Skipped | Self::ByHand)
    }

    /// Whether it has no effect, and gets none any more while the saga turns back.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        matches!(
            self,
            Self::Idle | Self::Skipped | Self::Refused(_) | Self::Undone
        )
    }

    /// The command in flight, whichever direction it goes.
    #[must_use]
    pub fn flight(&self) -> Option<&Flight> {
        match self {
            Self::Forward(flight) | Self::Undoing(flight) => Some(flight),
            Self::Fencing(fence) => Some(&fence.flight),
            Self::Idle
            | Self::Done
            | Self::Skipped
            | Self::ByHand
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
            | Self::Skipped
            | Self::ByHand
            | Self::Refused(_)
            | Self::Unknown
            | Self::Undone
            | Self::Parked(_) => None,
        }
    }

    /// Why it is being fenced, if it is.
    #[must_use]
    pub fn fence_purpose(&self) -> Option<Purpose> {
        if let Self::Fencing(fence) = self {
            Some(fence.purpose)
        } else {
            None
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
            Self::Skipped => "skipped",
            Self::ByHand => "by_hand",
            Self::Refused(_) => "refused",
            Self::Unknown => "unknown",
            Self::Undoing(_) => "undoing",
            Self::Undone => "undone",
            Self::Parked(_) => "parked",
        }
    }
}
