//! What the simulated participants can be told to do.
//!
//! Three services of the same kind, each with a command that it may refuse, one that it may not,
//! and one that undoes both.

use sagas::Command;
use sagas::definition::{DefinitionBuilder, Step};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::recipe::StepRecipe;

/// The services, by number.
pub const SERVICES: [&str; 3] = ["north", "east", "west"];

/// What every saga is started with.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Task {
    /// Tells one submission from another.
    pub number: u32,
}

/// What every command answers.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Receipt {
    /// The step that took effect.
    pub step: usize,
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
            const REFUSABLE: bool = $refusable;
            type Reply = Receipt;
        }
    };
}
commands! {
    NorthAsk NorthTell NorthUndo 0
    EastAsk EastTell EastUndo 1
    WestAsk WestTell WestUndo 2
}

/// Adds a step to the definition.
pub(crate) fn add(
    saga: &mut DefinitionBuilder<Task>,
    number: usize,
    step: &StepRecipe,
    needs: Vec<Step<Receipt>>,
) -> Step<Receipt> {
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
    needs: Vec<Step<Receipt>>,
) -> Step<Receipt>
where
    C: Command<Reply = Receipt> + From<(u32, usize, Vec<usize>)>,
    U: Command + From<(u32, usize, Vec<usize>)>,
{
    let seen = |receipts: Vec<Receipt>| receipts.into_iter().map(|receipt| receipt.step).collect();
    let sending = saga
        .step(&format!("step-{number}"))
        .after(needs)
        .send(move |task, receipts| C::from((task.number, number, seen(receipts))));
    match step.kind {
        sagas::StepKind::Compensatable => sending.compensate(move |task, receipts, own| {
            let own = own.map(|receipt| receipt.step);
            let seen: Vec<usize> = seen(receipts);
            U::from((task.number, number, seen.into_iter().chain(own).collect()))
        }),
        sagas::StepKind::Pivot => sending.pivot(),
        sagas::StepKind::Retriable => sending.retriable(),
        kind => unreachable!("no recipe has a step of the kind {kind}"),
    }
}
