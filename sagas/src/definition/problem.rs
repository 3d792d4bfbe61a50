//! What can be wrong with a definition, each said so that the reader knows how to mend it.

use std::fmt;

use super::StepKind;
use crate::name::NameError;

/// One problem of a definition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// There is no step.
    #[error("the definition has no step; add at least one with `step(…)`")]
    Empty,
    /// A step that was begun and has no kind: without this problem, sagas would run without it.
    #[error(
        "step {step:?} was begun and not added, because its last word is missing; end it with \
         compensate, pivot, retriable, query, notify or hint"
    )]
    Unfinished {
        /// The name that it was begun with.
        step: String,
    },
    /// More steps than a definition can have.
    #[error("{count} steps are more than {max}; split the saga in two")]
    TooManySteps {
        /// Steps in the definition.
        count: usize,
        /// The most there may be.
        max: usize,
    },
    /// A name that does not fit into a Kafka topic.
    #[error("the {what} {name:?} cannot be used: {error}; choose another name")]
    Name {
        /// What carries the name: "definition name", "step name", "participant", "command".
        what: &'static str,
        /// The name.
        name: String,
        /// The rule that it breaks.
        error: NameError,
    },
    /// The version is zero.
    #[error("the version is 0; versions start at 1")]
    VersionZero,
    /// A retry policy that cannot be followed.
    #[error("the retry policy{} {what}; {mend}", of(.step.as_deref()))]
    Retry {
        /// Whose policy; `None` for the definition's.
        step: Option<String>,
        /// What is wrong.
        what: &'static str,
        /// How to mend it.
        mend: &'static str,
    },
    /// A deadline that has passed when the saga starts.
    #[error("the deadline is zero, so every saga would turn back at once; leave it out or set it")]
    DeadlineZero,
    /// Two steps with one name.
    #[error("step {step:?} is there {count} times; give each step a name of its own")]
    DuplicateName {
        /// The name.
        step: String,
        /// How often it is used.
        count: usize,
    },
    /// A handle that another builder made.
    #[error(
        "{user} needs a step of another definition; use the handles that this builder returned"
    )]
    ForeignHandle {
        /// "step \"…\"" or "the output".
        user: String,
    },
    /// A second point of no return.
    #[error(
        "step {step:?} is a second pivot beside {first:?}; a saga has one point of no return: make \
         one of them compensatable or retriable"
    )]
    SecondPivot {
        /// The later one.
        step: String,
        /// The first one.
        first: String,
    },
    /// Could turn the saga back after the point of no return.
    #[error(
        "step {step:?} is {} but does not come before the pivot {pivot:?}; let the pivot need it, \
         directly or through other steps, or make it retriable", is(*.kind)
    )]
    NotBeforePivot {
        /// The step.
        step: String,
        /// Compensatable, or a query.
        kind: StepKind,
        /// The pivot.
        pivot: String,
    },
    /// Would have to stand although the saga may still turn back.
    #[error(
        "step {step:?} is {} but does not come after the pivot {pivot:?}; let it need the pivot, \
         directly or through other steps, or {}", is(*.kind), instead(*.kind)
    )]
    NotAfterPivot {
        /// The step.
        step: String,
        /// Retriable, or a notification.
        kind: StepKind,
        /// The pivot.
        pivot: String,
    },
    /// Without a pivot, the first retriable step or notification is the point of no return.
    #[error(
        "step {step:?} is {} but does not come after {before:?}, which may still turn the saga \
         back; let {step:?} need it, directly or through other steps", is(*.kind)
    )]
    NotLast {
        /// The step.
        step: String,
        /// Retriable, or a notification.
        kind: StepKind,
        /// A compensatable step or query that is not its ancestor.
        before: String,
    },
    /// A refusal that nobody hears.
    #[error(
        "step {step:?} waits for no answer, but its command {command:?} may be refused; make it a \
         step that waits, or set REJECTABLE to false if the participant never refuses it"
    )]
    RefusableUnheard {
        /// The step.
        step: String,
        /// Its command.
        command: &'static str,
    },
    /// A refusal that nobody could act upon.
    #[error(
        "step {step:?} comes after the point of no return, where nothing can be undone, but its \
         command {command:?} may be refused; make it a step before the pivot, or set REJECTABLE to \
         false if the participant never refuses it"
    )]
    RefusableAfterPivot {
        /// The step.
        step: String,
        /// Its command.
        command: &'static str,
    },
    /// The barrier row that makes undoing safe lives in the participant's own database.
    #[error(
        "step {step:?} is executed by {participant:?} but compensated by {other:?}; a step is \
         undone by the participant that executed it: send the compensation to {participant:?}"
    )]
    CompensationElsewhere {
        /// The step.
        step: String,
        /// Who executes it.
        participant: &'static str,
        /// Who would undo it.
        other: &'static str,
    },
}

fn of(step: Option<&str>) -> String {
    step.map_or_else(String::new, |step| format!(" of step {step:?}"))
}

fn is(kind: StepKind) -> &'static str {
    match kind {
        StepKind::Compensatable => "compensatable",
        StepKind::Pivot => "the pivot",
        StepKind::Retriable => "retriable",
        StepKind::Query => "a query",
        StepKind::Notify => "a notification",
        StepKind::Hint => "a hint",
    }
}

fn instead(kind: StepKind) -> &'static str {
    match kind {
        StepKind::Notify => "make it a hint if it has no effect",
        StepKind::Compensatable
        | StepKind::Pivot
        | StepKind::Retriable
        | StepKind::Query
        | StepKind::Hint => "give it a compensation",
    }
}

/// All problems of one definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    /// The definition's name.
    pub definition: String,
    /// At least one.
    pub problems: Vec<Problem>,
}

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.problems.len();
        let noun = if count == 1 { "problem" } else { "problems" };
        write!(
            f,
            "the definition {:?} has {count} {noun}:",
            self.definition
        )?;
        self.problems
            .iter()
            .try_for_each(|problem| write!(f, "\n  - {problem}"))
    }
}
