//! `three-steps`: the least that a saga can be in production, three steps in a row. Its participants
//! do nothing, or next to nothing in databases of their own (`participants`).
//!
//! `three-steps-late` is the same with a second step whose participant stays silent for longer than
//! anybody waits for it, so that it is asked again.

use std::time::Duration;

use sagas::definition::Problems;
use sagas::{Definition, RetryPolicy};
use sagas_program::Registry;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub mod participants;

/// The definition's name.
pub const NAME: &str = "three-steps";

/// The name of the definition with a silent participant.
pub const LATE: &str = "three-steps-late";

/// How long the orchestrator waits for the silent participant before it asks again.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long that participant says nothing to a first attempt.
const SILENCE: Duration = Duration::from_millis(1500);

/// The saga's input.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Input {
    /// Whether the last step is refused, so that the other two are compensated.
    pub is_refused: bool,
    /// Ballast, which goes to each participant.
    pub ballast: String,
}

macro_rules! commands {
    ($($(#[$doc:meta])+ $command:ident of $participant:literal as $name:literal, $refusable:literal;)+) => {
        $(
            $(#[$doc])+
            #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
            pub struct $command {
                /// Whether to refuse it.
                pub is_refused: bool,
                /// Ballast.
                pub ballast: String,
            }

            impl sagas::Command for $command {
                const PARTICIPANT: &'static str = $participant;
                const NAME: &'static str = $name;
                const REJECTABLE: bool = $refusable;
                type Reply = ();
            }

            impl $command {
                fn with(ballast: &str) -> Self {
                    Self {
                        is_refused: false,
                        ballast: ballast.to_owned(),
                    }
                }
            }
        )+
    };
}

commands! {
    /// The first step.
    First of "first" as "first", true;
    /// Its compensation.
    UndoFirst of "first" as "undo-first", false;
    /// The second step.
    Second of "second" as "second", true;
    /// Its compensation.
    UndoSecond of "second" as "undo-second", false;
    /// The second step, at a participant that stays silent.
    Late of "late" as "late", true;
    /// Its compensation.
    UndoLate of "late" as "undo-late", false;
    /// The pivot.
    Third of "third" as "third", true;
}

/// Three steps in a row.
///
/// # Errors
///
/// Never; a test says so.
pub fn definition() -> Result<Definition, Problems> {
    let mut saga = Definition::of::<Input>(NAME);
    let first = saga
        .step("first")
        .send(|input: &Input, ()| First::with(&input.ballast))
        .compensate(|_, (), _| UndoFirst::with(""));
    let second = saga
        .step("second")
        .after(first)
        .send(|input, _| Second::with(&input.ballast))
        .compensate(|_, _, _| UndoSecond::with(""));
    saga.step("third")
        .after(second)
        .send(|input, _| Third {
            is_refused: input.is_refused,
            ..Third::with(&input.ballast)
        })
        .pivot();
    saga.build()
}

/// Three steps in a row, of which the second is silent at first.
///
/// # Errors
///
/// Never; a test says so.
pub fn late_definition() -> Result<Definition, Problems> {
    let mut saga = Definition::of::<Input>(LATE);
    let first = saga
        .step("first")
        .send(|input: &Input, ()| First::with(&input.ballast))
        .compensate(|_, (), _| UndoFirst::with(""));
    let late = saga
        .step("late")
        .after(first)
        .send(|input, _| Late::with(&input.ballast))
        .retry(RetryPolicy {
            reply_timeout: PATIENCE,
            ..RetryPolicy::default()
        })
        .compensate(|_, _, _| UndoLate::with(""));
    saga.step("third")
        .after(late)
        .send(|input, _| Third {
            is_refused: input.is_refused,
            ..Third::with(&input.ballast)
        })
        .pivot();
    saga.build()
}

/// What the benchmark's orchestrator runs.
///
/// # Panics
///
/// Never; a test says so.
#[must_use]
pub fn registry() -> Registry {
    let in_a_row = definition().expect("three steps in a row are legal");
    let late = late_definition().expect("a silent participant makes no difference to that");
    Registry::new().with(in_a_row).with(late)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definitions_keep_every_promise() {
        let input = Input {
            is_refused: false,
            ballast: "x".to_owned(),
        };
        sagas::testkit::Kit::new(&definition().unwrap(), &input).check();
        sagas::testkit::Kit::new(&late_definition().unwrap(), &input).check();
    }
}
