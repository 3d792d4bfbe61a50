//! What the simulated participants can be told to do.
//!
//! Three services of the same kind, each with a command that it may refuse, one that it may not,
//! and one that undoes both.

use sagas::Command;
use sagas::definition::DefinitionBuilder;
use sagas::testkit::probe::{self, Handle, Probe, Receipt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::recipe::{Condition, Flaw, StepRecipe};

/// The services, by number.
pub const SERVICES: [&str; 3] = ["north", "east", "west"];

/// What every saga is started with.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Task {
    /// Tells one submission from another.
    pub number: u32,
}

macro_rules! commands {
    ($($ask:ident $tell:ident $undo:ident $service:literal)+) => {$(
        commands!(@one $ask "ask" true $service);
        commands!(@one $tell "tell" false $service);
        commands!(@one $undo "undo" false $service);
    )+};
    (@one $name:ident $command:literal $refusable:literal $service:literal) => {
        #[derive(Serialize, Deserialize, JsonSchema)]
        struct $name {
            task: u32,
            step: usize,
            seen: Vec<usize>,
        }

        impl From<(u32, usize, Vec<usize>)> for $name {
            fn from((task, step, seen): (u32, usize, Vec<usize>)) -> Self {
                Self { task, step, seen }
            }
        }

        impl Command for $name {
            const PARTICIPANT: &'static str = SERVICES[$service];
            const NAME: &'static str = $command;
            const REJECTABLE: bool = $refusable;
            type Reply = Receipt;
        }
    };
}
commands! {
    NorthAsk NorthTell NorthUndo 0
    EastAsk EastTell EastUndo 1
    WestAsk WestTell WestUndo 2
}

/// What the flawed closures say; their panics are not printed.
pub const FLAWED: &str = "flawed on purpose by the simulation";

/// Whether a conditional step runs for this input.
pub(crate) fn runs(task: u32) -> bool {
    !task.is_multiple_of(3)
}

/// Whether a flawed closure panics for this input.
pub(crate) fn panics(task: u32) -> bool {
    task % 3 == 1
}

/// Adds a step to the definition.
pub(crate) fn add(
    saga: &mut DefinitionBuilder<Task>,
    number: usize,
    step: &StepRecipe,
    needs: impl Iterator<Item = Handle>,
) -> Handle {
    match (step.service, step.refusable) {
        (0, true) => add_as::<NorthAsk, NorthUndo>(saga, number, step, needs),
        (0, false) => add_as::<NorthTell, NorthUndo>(saga, number, step, needs),
        (1, true) => add_as::<EastAsk, EastUndo>(saga, number, step, needs),
        (1, false) => add_as::<EastTell, EastUndo>(saga, number, step, needs),
        (_, true) => add_as::<WestAsk, WestUndo>(saga, number, step, needs),
        (_, false) => add_as::<WestTell, WestUndo>(saga, number, step, needs),
    }
}

fn add_as<C, U>(
    saga: &mut DefinitionBuilder<Task>,
    number: usize,
    step: &StepRecipe,
    needs: impl Iterator<Item = Handle>,
) -> Handle
where
    C: Command<Reply = Receipt> + From<(u32, usize, Vec<usize>)>,
    U: Command + From<(u32, usize, Vec<usize>)>,
{
    let flaw = step.flaw;
    let build = move |of: Flaw, task: &Task, seen| {
        assert!(!(flaw == of && panics(task.number)), "{FLAWED}");
        (task.number, number, seen)
    };
    let probe = Probe {
        kind: step.kind,
        condition: match step.condition {
            Condition::Always => probe::Condition::Unconditional,
            Condition::When => probe::Condition::When(Box::new(|task: &Task| runs(task.number))),
            Condition::Given => probe::Condition::Given,
        },
        command: move |task: &Task, seen| C::from(build(Flaw::Command, task, seen)),
        compensation: move |task: &Task, seen| U::from(build(Flaw::Undo, task, seen)),
    };
    probe.add(saga, &format!("step-{number}"), needs)
}
