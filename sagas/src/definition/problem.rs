//! What can be wrong with a definition, each said so that the reader knows how to mend it.

use std::fmt;

use crate::name::NameError;

/// One problem of a definition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// There is no step.
    #[error("the definition has no step; add at least one with `step(…)`")]
    Empty,
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
    #[error("the retry policy {what}; {mend}")]
    Retry {
        /// What is wrong.
        what: &'static str,
        /// How to mend it.
        mend: &'static str,
    },
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
    /// Could need undoing after the point of no return.
    #[error(
        "step {step:?} is compensatable but does not come before the pivot {pivot:?}; let the pivot \
         need it, directly or through other steps, or make it retriable"
    )]
    CompensatableNotBeforePivot {
        /// The step.
        step: String,
        /// The pivot.
        pivot: String,
    },
    /// Would have to succeed although the saga may still turn back.
    #[error(
        "step {step:?} is retriable but does not come after the pivot {pivot:?}; let it need the \
         pivot, directly or through other steps, or give it a compensation"
    )]
    RetriableNotAfterPivot {
        /// The step.
        step: String,
        /// The pivot.
        pivot: String,
    },
    /// Without a pivot, the first retriable step is the point of no return.
    #[error(
        "step {step:?} is retriable but does not come after {before:?}, which may still have to be \
         undone; let {step:?} need it, directly or through other steps"
    )]
    RetriableNotLast {
        /// The retriable step.
        step: String,
        /// A compensatable step that is not its ancestor.
        before: String,
    },
    /// A refusal that nobody could act upon.
    #[error(
        "step {step:?} comes after the point of no return, where nothing can be undone, but its \
         command {command:?} may be refused; make it a step before the pivot, or set REFUSABLE to \
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
