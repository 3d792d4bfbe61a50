//! The shapes of sagas that are searched, and how a shape becomes a real [`Definition`].
//!
//! Every command says nothing but its step: payloads do not steer what the state machine does. All
//! instants of a definition are far apart, so that an event is due only where an action says so.

use std::time::Duration;

use sagas::StepKind::{Compensatable, Notify, Pivot, Query, Retriable};
use sagas::definition::{DefinitionBuilder, Maybe, Step};
use sagas::{Command, Definition, RetryPolicy, StepKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The saga's deadline, where it has one.
pub(crate) const DEADLINE: Duration = Duration::from_secs(3600);

/// One step.
#[derive(Debug, Clone, Copy)]
pub struct StepShape {
    /// What may happen to it.
    pub kind: StepKind,
    /// The steps that it needs.
    pub needs: &'static [usize],
    /// Whether its command may be refused.
    pub is_refusable: bool,
    /// When it runs.
    pub condition: Condition,
}

/// When a step runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Always.
    Always,
    /// Where the saga's input is `true`.
    When,
    /// Where the steps that it needs ran.
    Given,
}

/// A saga's steps.
pub type Shape = &'static [StepShape];

const fn step(kind: StepKind, needs: &'static [usize]) -> StepShape {
    StepShape {
        kind,
        needs,
        is_refusable: matches!(kind, Compensatable | Pivot),
        condition: Condition::Always,
    }
}

const fn under(condition: Condition, step: StepShape) -> StepShape {
    StepShape { condition, ..step }
}

/// One step, then its point of no return.
pub const PAIR: Shape = &[step(Compensatable, &[]), step(Pivot, &[0])];
/// Two steps and no point of no return.
pub const UNDOABLE: Shape = &[step(Compensatable, &[]), step(Compensatable, &[0])];
/// One step of each kind that has an effect.
pub const SHORT: Shape = &[
    step(Compensatable, &[]),
    step(Pivot, &[0]),
    step(Retriable, &[1]),
];
/// Four steps in a row.
pub const CHAIN: Shape = &[
    step(Compensatable, &[]),
    step(Compensatable, &[0]),
    step(Pivot, &[1]),
    step(Retriable, &[2]),
];
/// Two that need the same one and are needed by the pivot.
pub const DIAMOND: Shape = &[
    step(Compensatable, &[]),
    step(Compensatable, &[0]),
    step(Compensatable, &[0]),
    step(Pivot, &[1, 2]),
];
/// Two beside each other, then the pivot.
pub const FORK: Shape = &[
    step(Compensatable, &[]),
    step(Compensatable, &[]),
    step(Pivot, &[0, 1]),
];
/// Two beside each other before the pivot, one behind it.
pub const PARALLEL: Shape = &[
    step(Compensatable, &[]),
    step(Compensatable, &[]),
    step(Pivot, &[0, 1]),
    step(Retriable, &[2]),
];
/// A step under a condition, one that is given it, and the pivot that runs either way.
pub const CONDITIONAL: Shape = &[
    step(Compensatable, &[]),
    under(Condition::When, step(Compensatable, &[0])),
    under(Condition::Given, step(Compensatable, &[1])),
    step(Pivot, &[0, 2]),
];
/// A condition without anything beside it.
pub const BRANCH: Shape = &[
    under(Condition::When, step(Compensatable, &[])),
    step(Pivot, &[0]),
];
/// A question before the pivot, a notification behind it.
pub const QUIET: Shape = &[
    step(Query, &[]),
    step(Compensatable, &[0]),
    step(Pivot, &[1]),
    step(Notify, &[2]),
];

macro_rules! commands {
    ($($name:ident $command:literal $refusable:literal)+) => {$(
        #[derive(Serialize, Deserialize, JsonSchema)]
        struct $name {
            step: usize,
        }

        impl Command for $name {
            const PARTICIPANT: &'static str = "probes";
            const NAME: &'static str = $command;
            const REJECTABLE: bool = $refusable;
            type Reply = u32;
        }
    )+};
}
commands! {
    Ask "ask" true
    Tell "tell" false
    Undo "undo" false
}

/// The payload of an edit: what every step's command looks like, and yet other bytes.
pub(crate) const EDITED: &str = r#"{"step":99}"#;

/// The name of a step.
pub(crate) fn name(step: usize) -> String {
    format!("step-{step}")
}

/// What a definition is built from.
#[derive(Debug, Clone, Copy)]
pub struct Recipe {
    /// Its steps.
    pub shape: Shape,
    /// Its version.
    pub version: u32,
    /// Tries before a step before the pivot is given up.
    pub max_attempts: u32,
    /// Whether it has a deadline.
    pub has_deadline: bool,
}

/// Builds the definition.
///
/// # Panics
///
/// When the shape has no legal end from every point: the constants above have.
#[must_use]
pub fn build(recipe: Recipe) -> Definition {
    let Recipe {
        shape,
        version,
        max_attempts,
        has_deadline,
    } = recipe;
    let mut saga = Definition::of::<bool>("searched");
    saga.version(version);
    saga.retry(RetryPolicy {
        reply_timeout: Duration::from_secs(10),
        initial_interval: Duration::from_secs(1),
        backoff_coefficient: 2,
        max_interval: Duration::from_secs(8),
        max_attempts,
    });
    if has_deadline {
        saga.deadline(DEADLINE);
    }
    let mut handles = Vec::new();
    for (index, step) in shape.iter().enumerate() {
        let needs = pick(step.needs, &handles);
        handles.push(if step.is_refusable {
            add(&mut saga, index, step, needs, |step| Ask { step })
        } else {
            add(&mut saga, index, step, needs, |step| Tell { step })
        });
    }
    saga.build()
        .unwrap_or_else(|problems| panic!("{problems}\n{shape:#?}"))
}

#[derive(Clone, Copy)]
enum Handle {
    Always(Step<u32>),
    Maybe(Maybe<u32>),
    Unheard,
}

type Handles = (Vec<Step<u32>>, Vec<Maybe<u32>>);

fn pick(needs: &[usize], handles: &[Handle]) -> Handles {
    let mut picked = Handles::default();
    for need in needs {
        match handles[*need] {
            Handle::Always(step) => picked.0.push(step),
            Handle::Maybe(step) => picked.1.push(step),
            Handle::Unheard => {}
        }
    }
    picked
}

fn add<C: Command<Reply = u32>>(
    saga: &mut DefinitionBuilder<bool>,
    index: usize,
    step: &StepShape,
    needs: Handles,
    command: fn(usize) -> C,
) -> Handle {
    let named = saga.step(&name(index));
    match step.condition {
        Condition::Always => {
            let sending = named.after(needs).send(move |_, _| command(index));
            match step.kind {
                Compensatable => Handle::Always(sending.compensate(undo(index))),
                Pivot => Handle::Always(sending.pivot()),
                Retriable => Handle::Always(sending.retriable()),
                Query => Handle::Always(sending.query()),
                Notify | StepKind::Hint => {
                    sending.notify();
                    Handle::Unheard
                }
            }
        }
        Condition::When => {
            let sending = named.after(needs).when(|input, _| *input);
            let sending = sending.send(move |_, _| command(index));
            Handle::Maybe(sending.compensate(undo(index)))
        }
        Condition::Given => {
            let sending = named.given(needs).send(move |_, _| command(index));
            Handle::Maybe(sending.compensate(undo(index)))
        }
    }
}

fn undo<R>(step: usize) -> impl Fn(&bool, R, Option<u32>) -> Undo + Send + Sync + 'static {
    move |_, _, _| Undo { step }
}
