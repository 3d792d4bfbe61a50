//! The recipe of a saga: its steps, what each needs, what undoes it, and what comes out.
//!
//! A [`Definition`] exists only if it has a legal end from every point: [`DefinitionBuilder::build`]
//! refuses all others. It is immutable, and everything in it is a pure function of the saga's input
//! and the replies of its steps.
//!
//! ```
//! # use schemars::JsonSchema;
//! # use serde::{Deserialize, Serialize};
//! # macro_rules! command { ($name:ident { $($field:ident),* } => $command:literal, $refusable:literal, $reply:ty) => {
//! #     #[derive(Serialize, Deserialize, JsonSchema)] struct $name { $($field: u32),* }
//! #     impl sagas::Command for $name {
//! #         const PARTICIPANT: &'static str = "rooms";
//! #         const NAME: &'static str = $command;
//! #         const REJECTABLE: bool = $refusable;
//! #         type Reply = $reply;
//! #     }
//! # } }
//! # #[derive(Serialize, Deserialize, JsonSchema)] struct Booked { room: u32 }
//! # #[derive(Serialize, Deserialize, JsonSchema)] struct Trip { guest: u32 }
//! # command!(BookRoom { guest } => "book-room", true, Booked);
//! # command!(ReleaseRoom { guest } => "release-room", false, ());
//! # command!(PayRoom { guest, room } => "pay-room", true, ());
//! use sagas::Definition;
//!
//! let mut saga = Definition::of::<Trip>("book-trip");
//! let room = saga
//!     .step("book-room")
//!     .send(|trip, ()| BookRoom { guest: trip.guest })
//!     .compensate(|trip, (), _booked| ReleaseRoom { guest: trip.guest });
//! saga.step("pay-room")
//!     .after(room)
//!     .send(|trip, booked| PayRoom { guest: trip.guest, room: booked.room })
//!     .pivot();
//! saga.output(room, |_, booked| booked.room);
//! let definition = saga.build().expect("this definition has a legal end from every point");
//! assert_eq!(definition.steps().len(), 2);
//! ```

mod bounds;
mod builder;
mod check;
mod describe;
mod erased;
mod graph;
mod needs;
mod problem;
mod step_set;
mod unbuildable;
mod words;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use builder::DefinitionBuilder;
pub use describe::{Description, StepDescription};
pub use graph::GraphFormat;
pub use needs::{Always, Given, Maybe, Needs, Presence, Replies, Sometimes, Step};
pub use problem::{Problem, Problems};
pub use step_set::StepSet;
pub use unbuildable::Unbuildable;
pub use words::{NamedStep, SendingStep};

use crate::json::Json;
use crate::retry::RetryPolicy;
use erased::{Build, Check, Condition, MakeSchema};

/// What may happen to a step once it has been sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepKind {
    /// Can be undone by its compensation.
    Compensatable,
    /// The point of no return: when it takes effect, the saga completes. At most one.
    Pivot,
    /// Comes after the point of no return and must succeed in the end.
    Retriable,
    /// Asks and changes nothing; comes before the point of no return, and needs no undoing.
    Query,
    /// Sent after the point of no return; nobody waits for an answer.
    Notify,
    /// Sent, without effect, anywhere; nobody waits for an answer.
    Hint,
}

impl StepKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Compensatable,
        Self::Pivot,
        Self::Retriable,
        Self::Query,
        Self::Notify,
        Self::Hint,
    ];

    /// Whether the saga waits for the participant's answer.
    #[must_use]
    pub fn is_awaited(self) -> bool {
        match self {
            Self::Compensatable | Self::Pivot | Self::Retriable | Self::Query => true,
            Self::Notify | Self::Hint => false,
        }
    }

    /// Whether attempts that are used up turn the saga back; else it tries on for ever.
    #[must_use]
    pub fn may_be_given_up(self) -> bool {
        match self {
            Self::Compensatable | Self::Query => true,
            Self::Pivot | Self::Retriable | Self::Notify | Self::Hint => false,
        }
    }
}

impl fmt::Display for StepKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Compensatable => "compensatable",
            Self::Pivot => "pivot",
            Self::Retriable => "retriable",
            Self::Query => "query",
            Self::Notify => "notify",
            Self::Hint => "hint",
        })
    }
}

/// One step of a definition.
pub struct StepDefinition {
    /// Unique within the definition.
    pub name: String,
    /// What may happen to it once it has been sent.
    pub kind: StepKind,
    /// The service that executes it.
    pub participant: &'static str,
    /// The command that the participant gets.
    pub command: &'static str,
    /// Whether the participant may refuse it.
    pub refusable: bool,
    /// The steps whose replies its command is built from.
    pub needs: StepSet,
    /// Those of its needs without which it is skipped.
    pub given: StepSet,
    /// Every step that must be done before it: its needs, their needs, and so on.
    pub ancestors: StepSet,
    /// What undoes it; present exactly on a compensatable step.
    pub compensation: Option<Compensation>,
    /// How the step, and its compensation, are tried again.
    pub retry: RetryPolicy,
    pub(crate) condition: Option<Condition>,
    pub(crate) build: Build,
    pub(crate) check_payload: Check,
    pub(crate) check_reply: Check,
    payload_schema: MakeSchema,
    reply_schema: MakeSchema,
}

/// The command that undoes a step in business terms.
pub struct Compensation {
    /// The command that the step's participant gets.
    pub command: &'static str,
    pub(crate) build: Build,
    pub(crate) check_payload: Check,
    payload_schema: MakeSchema,
}

/// The recipe of a saga.
pub struct Definition {
    name: String,
    version: u32,
    fingerprint: Uuid,
    deadline: Option<Duration>,
    steps: Vec<StepDefinition>,
    input_schema: MakeSchema,
    check_input: Check,
    output: Option<Output>,
}

pub(crate) struct Output {
    needs: StepSet,
    build: Build,
    schema: MakeSchema,
}

impl Definition {
    /// Starts a definition named `name` whose input is an `I`. Its version is 1.
    #[must_use]
    pub fn of<I: builder::Input>(name: &str) -> DefinitionBuilder<I> {
        DefinitionBuilder::new(name)
    }

    /// The name that clients submit.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version; a saga keeps the one that it started with.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    /// A digest of the graph: steps, needs, kinds, participants and command names.
    ///
    /// A stored saga pins it: a binary whose definition has another fingerprint leaves that saga to
    /// one that has the same.
    #[must_use]
    pub fn fingerprint(&self) -> Uuid {
        self.fingerprint
    }

    /// How long after its start a saga may still be before its point of no return.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        self.deadline
    }

    /// The steps, in the order in which they were added; every step comes after those it needs.
    #[must_use]
    pub fn steps(&self) -> &[StepDefinition] {
        &self.steps
    }

    /// The index of the step named `name`.
    #[must_use]
    pub fn position(&self, name: &str) -> Option<usize> {
        self.steps.iter().position(|step| step.name == name)
    }

    /// The pivot's index, if there is a pivot.
    #[must_use]
    pub fn pivot(&self) -> Option<usize> {
        self.steps
            .iter()
            .position(|step| step.kind == StepKind::Pivot)
    }

    /// The steps that cannot start before `step` is done.
    pub fn dependents(&self, step: usize) -> impl Iterator<Item = usize> + '_ {
        (0..self.steps.len()).filter(move |later| self.steps[*later].ancestors.contains(step))
    }

    /// Whether a later step, or the output, reads the reply of `step`.
    #[must_use]
    pub fn is_read(&self, step: usize) -> bool {
        let output = self.output.as_ref();
        let mut steps = self.steps.iter();
        steps.any(|later| later.needs.contains(step))
            || output.is_some_and(|output| output.needs.contains(step))
    }

    /// Decodes `input` as the definition's input type, and throws the value away.
    ///
    /// A schema cannot say all that a type can (`1.0` is an integer to JSON Schema and not to
    /// serde), so a submission is accepted only if both agree.
    ///
    /// # Errors
    ///
    /// What serde said.
    pub fn check_input(&self, input: &Json) -> Result<(), String> {
        (self.check_input)(input)
    }

    pub(crate) fn output(
        &self,
        input: &Json,
        replies: Replies<'_>,
    ) -> Result<Option<Json>, Unbuildable> {
        self.output
            .as_ref()
            .map(|output| unbuildable::catch(|| (output.build)(input, replies)))
            .transpose()
    }
}

impl StepDefinition {
    /// Whether it may be skipped.
    #[must_use]
    pub fn is_conditional(&self) -> bool {
        self.condition.is_some() || !self.given.is_empty()
    }

    /// What the condition says; a step without one of its own runs.
    pub(crate) fn runs(&self, input: &Json, replies: Replies<'_>) -> Result<bool, Unbuildable> {
        let condition = self.condition.as_ref();
        condition.map_or(Ok(true), |holds| {
            unbuildable::catch(|| holds(input, replies))
        })
    }

    pub(crate) fn payload(&self, input: &Json, replies: Replies<'_>) -> Result<Json, Unbuildable> {
        unbuildable::catch(|| (self.build)(input, replies))
    }

    pub(crate) fn compensation_payload(
        &self,
        input: &Json,
        replies: Replies<'_>,
    ) -> Option<Result<Json, Unbuildable>> {
        let compensation = self.compensation.as_ref()?;
        Some(unbuildable::catch(|| (compensation.build)(input, replies)))
    }
}

/// A shared definition; sagas of one definition share it.
pub type SharedDefinition = Arc<Definition>;

impl fmt::Debug for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Definition")
            .field("name", &self.name)
            .field("version", &self.version)
            .field("steps", &self.steps)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for StepDefinition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StepDefinition")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .field(
                "command",
                &format_args!("{}.{}", self.participant, self.command),
            )
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Compensation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compensation")
            .field("command", &self.command)
            .finish_non_exhaustive()
    }
}
