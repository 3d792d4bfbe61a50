//! The state of one saga: what is known of every step, and what follows from it. One step is in
//! `progress.rs`.
//!
//! The status is never stored beside the steps: it is a function of them, so the two cannot
//! disagree. What is stored small and rewritten often is [`Moving`]; input, payloads and replies
//! are immutable and come back from the history.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::order::{Order, OrderResult};
use super::progress::{Flight, Progress};
use crate::definition::{Definition, Replies};
use crate::direction::Outcome;
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
    /// Steps that took effect, or may have, are being compensated.
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

/// Why a saga turned back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Reason {
    /// A participant rejected a step.
    Rejected {
        /// The step's name.
        step: String,
        /// The rejection.
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
    /// A participant says that a step can never take effect, because it was compensated there.
    CompensatedElsewhere {
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
            Self::Rejected { step, .. }
            | Self::Exhausted { step, .. }
            | Self::CompensatedElsewhere { step, .. } => Some(step),
            Self::DeadlinePassed { .. } | Self::Cancelled { .. } => None,
        }
    }

    /// Code and message.
    #[must_use]
    pub fn fault(&self) -> &Fault {
        match self {
            Self::Rejected { fault, .. }
            | Self::Exhausted { fault, .. }
            | Self::CompensatedElsewhere { fault, .. }
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
    /// Its lifecycle events so far, which is the number of the newest.
    pub announced: u32,
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
    /// When.
    pub at: Timestamp,
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
    /// A step that waits for a person ([`Progress::waits_for_a_person`]) makes it `Stuck` whatever else
    /// goes on, so a saga may be `Stuck` and turn back at once ([`Saga::is_unwinding`]). A new saga is
    /// `Running` before its start.
    #[must_use]
    pub fn status(&self) -> Status {
        let steps = &self.moving.steps;
        let waits = |step: &Progress| step.waits_for_a_person(self.is_unwinding());
        if steps.iter().any(waits) {
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
    /// Whether a person should look: it is parked, or tries beyond a policy, or beyond its deadline, or a
    /// command is withheld because its topic takes nothing. All but the first may end by itself.
    #[must_use]
    pub fn needs_attention(&self) -> bool {
        let parked = |step: &Progress| matches!(step, Progress::Parked(_));
        self.steps.iter().any(parked)
            || self.exhausted().is_some()
            || self.overdue_since.is_some()
            || self.withheld().is_some()
    }

    /// The step whose command has been withheld for longest, and since when.
    #[must_use]
    pub fn withheld(&self) -> Option<(usize, Timestamp)> {
        // What is paused waits for a person.
        let steps = self.steps.iter().filter(|_| self.paused.is_none());
        let flights = steps.enumerate();
        let withheld =
            flights.filter_map(|(step, progress)| Some((step, progress.flight()?.withheld_since?)));
        withheld.min_by_key(|(step, since)| (*since, *step))
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
