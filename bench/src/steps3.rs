//! `three-steps`: the least that a saga can be in production, three steps at three participants that do
//! nothing and have no database. What it costs is what the orchestrator, Kafka and the SDK cost.

use orchestrator::Registry;
use participant::{HandlerError, Received, Service, Settings};
use sagas::Definition;
use sagas::definition::Problems;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The definition's name.
pub const NAME: &str = "three-steps";

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
                const REFUSABLE: bool = $refusable;
                type Reply = ();
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
    /// The pivot.
    Third of "third" as "third", true;
}

/// The definition.
///
/// # Errors
///
/// Never; a test says so.
pub fn definition() -> Result<Definition, Problems> {
    let mut saga = Definition::of::<Input>(NAME);
    let first = saga
        .step("first")
        .send(|input: &Input, ()| First {
            is_refused: false,
            ballast: input.ballast.clone(),
        })
        .compensate(|_, (), _| UndoFirst {
            is_refused: false,
            ballast: String::new(),
        });
    let second = saga
        .step("second")
        .after(first)
        .send(|input, _| Second {
            is_refused: false,
            ballast: input.ballast.clone(),
        })
        .compensate(|_, _, _| UndoSecond {
            is_refused: false,
            ballast: String::new(),
        });
    saga.step("third")
        .after(second)
        .send(|input, _| Third {
            is_refused: input.is_refused,
            ballast: input.ballast.clone(),
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
    let definition = definition().expect("three steps in a row are legal");
    Registry::new().with(definition)
}

/// The three participants.
pub fn services(brokers: &str) -> [Service; 3] {
    let service = |name: &str| Service::new(name, Settings::without_database(brokers));
    [
        service("first")
            .handle_outside(first)
            .handle_outside(undo_first),
        service("second")
            .handle_outside(second)
            .handle_outside(undo_second),
        service("third").handle_outside(third),
    ]
}

async fn first(_received: Received<First>) -> Result<(), HandlerError> {
    Ok(())
}

async fn undo_first(_received: Received<UndoFirst>) -> Result<(), HandlerError> {
    Ok(())
}

async fn second(_received: Received<Second>) -> Result<(), HandlerError> {
    Ok(())
}

async fn undo_second(_received: Received<UndoSecond>) -> Result<(), HandlerError> {
    Ok(())
}

async fn third(received: Received<Third>) -> Result<(), HandlerError> {
    if received.command.is_refused {
        return Err(HandlerError::rejected("refused", "as the input says"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_keeps_every_promise() {
        let input = Input {
            is_refused: false,
            ballast: "x".to_owned(),
        };
        sagas::testkit::Kit::new(&definition().unwrap(), &input).check();
    }
}
