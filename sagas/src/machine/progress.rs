//! How one step stands: what is in flight, what is final, and why it waits for a person.

use serde::{Deserialize, Serialize};

use crate::definition::Unbuildable;
use crate::direction::Direction;
use crate::fault::Fault;
use crate::id::OrderId;
use crate::time::Timestamp;

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
    /// Whether the broker is known to hold an earlier attempt, which the participant will get: then this one
    /// may be lost, and nobody looks for it before `due_at`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub was_published: bool,
    /// Since when the command is kept back, or no silence counts, because its topic takes nothing. The
    /// next transition after that has ended sends it, with the whole time for an answer before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withheld_since: Option<Timestamp>,
    /// Since when the policy's attempts are used up, where trying goes on without end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exhausted_since: Option<Timestamp>,
    /// What the last `failed` reply said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Fault>,
    /// Why an answer could not be used, the first time. It may have been a success, so nobody but a
    /// person gives up on the command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
}

impl Flight {
    /// Whether a person must look: the attempts are used up, and some answer could not be used.
    #[must_use]
    pub fn waits_for_a_person(&self) -> bool {
        self.unreadable.is_some() && self.exhausted_since.is_some()
    }

    /// Whether the participant may never get it unless somebody sees to its being published: it waits
    /// for a reply, is not withheld, and the broker is not known to hold an earlier attempt.
    #[must_use]
    pub fn is_unconfirmed(&self) -> bool {
        self.waits == Waits::Reply && !self.was_published && self.withheld_since.is_none()
    }
}

impl Flight {
    /// What is known of its last attempt, for people: the failure, or what the lack of an answer means.
    #[must_use]
    pub fn last_word(&self) -> String {
        if let Some(reason) = &self.unreadable {
            return format!(
                "it may have taken effect, but an answer cannot be used: {reason}; it is asked again, and \
                 a person must decide if that stays so"
            );
        }
        if let Some(since) = self.withheld_since {
            return format!("its topic takes nothing since {since}");
        }
        match &self.failure {
            Some(Fault { code, message }) => format!("the last failure was {code}: {message}"),
            None if self.was_published => "the participant stayed silent".to_owned(),
            None => "no answer came, and the broker is not known to have the command".to_owned(),
        }
    }
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
    /// The participant rejected it; nothing happened.
    Rejected(Fault),
    /// Given up on while its outcome is unknown; to be compensated.
    Unknown,
    /// Its compensation is in flight.
    Compensating(Flight),
    /// It has no effect, and never will have one.
    Compensated,
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
    #[error("it cannot be rejected, but was: {}: {}", fault.code, fault.message)]
    RejectedUnexpectedly {
        /// The refusal.
        fault: Fault,
    },
    /// The compensation was refused.
    #[error("its compensation was rejected: {}: {}", fault.code, fault.message)]
    CompensationRefused {
        /// The refusal.
        fault: Fault,
    },
    /// A person did it, so a person must undo it.
    #[error("it was done by hand, so it is compensated by hand; resolve it then")]
    DoneByHand,
    /// A step after the point of no return can never take effect, because somebody undid it.
    #[error("the participant says that it was compensated, after the point of no return")]
    CompensatedElsewhere,
    /// The participant no longer knows whether it took effect.
    #[error("the participant no longer knows whether the {direction} command took effect")]
    Expired {
        /// Which command.
        direction: Direction,
    },
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
            Self::Idle | Self::Skipped | Self::Rejected(_) | Self::Compensated
        )
    }

    /// The command in flight, whichever direction it goes.
    #[must_use]
    pub fn flight(&self) -> Option<&Flight> {
        match self {
            Self::Forward(flight) | Self::Compensating(flight) => Some(flight),
            Self::Fencing(fence) => Some(&fence.flight),
            Self::Idle
            | Self::Done
            | Self::Skipped
            | Self::ByHand
            | Self::Rejected(_)
            | Self::Unknown
            | Self::Compensated
            | Self::Parked(_) => None,
        }
    }

    /// The direction of the command in flight.
    #[must_use]
    pub fn direction(&self) -> Option<Direction> {
        match self {
            Self::Forward(_) => Some(Direction::Forward),
            Self::Fencing(_) => Some(Direction::Fence),
            Self::Compensating(_) => Some(Direction::Compensate),
            Self::Idle
            | Self::Done
            | Self::Skipped
            | Self::ByHand
            | Self::Rejected(_)
            | Self::Unknown
            | Self::Compensated
            | Self::Parked(_) => None,
        }
    }

    /// Whether a person must decide. `unwinding`: the saga turns back, where the forward command of a step
    /// is waited for no longer than its time.
    #[must_use]
    pub fn waits_for_a_person(&self, unwinding: bool) -> bool {
        match self {
            Self::Parked(_) => true,
            Self::Forward(flight) => !unwinding && flight.waits_for_a_person(),
            Self::Compensating(flight) => flight.waits_for_a_person(),
            Self::Fencing(fence) => fence.flight.waits_for_a_person(),
            Self::Idle
            | Self::Done
            | Self::Skipped
            | Self::ByHand
            | Self::Rejected(_)
            | Self::Unknown
            | Self::Compensated => false,
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
            Self::Rejected(_) => "rejected",
            Self::Unknown => "unknown",
            Self::Compensating(_) => "compensating",
            Self::Compensated => "compensated",
            Self::Parked(_) => "parked",
        }
    }
}
