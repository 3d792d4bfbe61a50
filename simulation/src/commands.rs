//! What the simulated participants can be told to do.
//!
//! Three services of the same kind, each with a command that it may refuse, one that it may not,
//! and one that undoes both.

use sagas::definition::{DefinitionBuilder, Maybe, NamedStep, Needs, Presence, SendingStep, Step};
use sagas::{Command, StepKind};
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

/// The four handles that a step may hand out.
#[derive(Clone, Copy)]
pub(crate) enum Handle {
    Step(Step<Receipt>),
    Maybe(Maybe<Receipt>),
    Note(Step<()>),
    MaybeNote(Maybe<()>),
}

/// Handles, each kind in its list.
pub(crate) type Lists = (
    Vec<Step<Receipt>>,
    Vec<Maybe<Receipt>>,
    Vec<Step<()>>,
    Vec<Maybe<()>>,
);

pub(crate) fn lists(handles: impl Iterator<Item = Handle>) -> Lists {
    let mut lists = Lists::default();
    for handle in handles {
        match handle {
            Handle::Step(step) => lists.0.push(step),
            Handle::Maybe(maybe) => lists.1.push(maybe),
            Handle::Note(note) => lists.2.push(note),
            Handle::MaybeNote(note) => lists.3.push(note),
        }
    }
    lists
}

/// The numbers of the steps whose receipts were read.
trait Seen {
    fn numbers(self) -> Vec<usize>;
}

impl Seen for (Vec<Receipt>, Vec<Option<Receipt>>, Vec<()>, Vec<Option<()>>) {
    fn numbers(self) -> Vec<usize> {
        let (always, maybe, ..) = self;
        let all = always.into_iter().chain(maybe.into_iter().flatten());
        all.map(|receipt| receipt.step).collect()
    }
}

impl Seen for (Vec<Receipt>, Vec<Receipt>, Vec<()>, Vec<()>) {
    fn numbers(self) -> Vec<usize> {
        let (always, given, ..) = self;
        let all = always.into_iter().chain(given);
        all.map(|receipt| receipt.step).collect()
    }
}

/// Adds a step to the definition.
pub(crate) fn add(
    saga: &mut DefinitionBuilder<Task>,
    number: usize,
    step: &StepRecipe,
    needs: Lists,
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
    needs: Lists,
) -> Handle
where
    C: Command<Reply = Receipt> + From<(u32, usize, Vec<usize>)>,
    U: Command + From<(u32, usize, Vec<usize>)>,
{
    let name = format!("step-{number}");
    let named = saga.step(&name);
    match step.condition {
        Condition::Always => {
            let sending = send::<_, _, C>(named.after(needs), number, step);
            match step.kind {
                StepKind::Pivot => Handle::Step(sending.pivot()),
                _ => finish::<_, _, C, U>(sending, number, step, Handle::Step, Handle::Note),
            }
        }
        Condition::When => {
            let named = named.after(needs).when(|task, _| runs(task.number));
            let sending = send::<_, _, C>(named, number, step);
            finish::<_, _, C, U>(sending, number, step, Handle::Maybe, Handle::MaybeNote)
        }
        Condition::Given => {
            let sending = send::<_, _, C>(named.given(needs), number, step);
            finish::<_, _, C, U>(sending, number, step, Handle::Maybe, Handle::MaybeNote)
        }
    }
}

fn send<'b, N, P, C>(
    named: NamedStep<'b, Task, N, P>,
    number: usize,
    step: &StepRecipe,
) -> SendingStep<'b, Task, N, C, P>
where
    N: Needs<Replies: Seen>,
    P: Presence,
    C: Command<Reply = Receipt> + From<(u32, usize, Vec<usize>)>,
{
    let is_flawed = step.flaw == Flaw::Command;
    named.send(move |task, receipts| {
        assert!(!(is_flawed && panics(task.number)), "{FLAWED}");
        C::from((task.number, number, receipts.numbers()))
    })
}

fn finish<N, P, C, U>(
    sending: SendingStep<'_, Task, N, C, P>,
    number: usize,
    step: &StepRecipe,
    awaited: fn(P::Handle<Receipt>) -> Handle,
    note: fn(P::Handle<()>) -> Handle,
) -> Handle
where
    N: Needs<Replies: Seen>,
    P: Presence,
    C: Command<Reply = Receipt>,
    U: Command + From<(u32, usize, Vec<usize>)>,
{
    let is_flawed = step.flaw == Flaw::Undo;
    match step.kind {
        StepKind::Compensatable => awaited(sending.compensate(
            move |task: &Task, receipts: N::Replies, own: Option<Receipt>| {
                assert!(!(is_flawed && panics(task.number)), "{FLAWED}");
                let own = own.map(|receipt| receipt.step);
                let seen = receipts.numbers().into_iter().chain(own).collect();
                U::from((task.number, number, seen))
            },
        )),
        StepKind::Retriable => awaited(sending.retriable()),
        StepKind::Query => awaited(sending.query()),
        StepKind::Notify => note(sending.notify()),
        StepKind::Hint => note(sending.hint()),
        StepKind::Pivot => unreachable!("the pivot always runs"),
    }
}
