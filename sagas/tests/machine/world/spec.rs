//! Random definitions that are legal, and what the participants will make of their steps.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use sagas::definition::{DefinitionBuilder, Step};
use sagas::{Command, Definition, RetryPolicy, StepKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A definition as data.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    pub(crate) steps: Vec<StepSpec>,
}

#[derive(Debug, Clone)]
pub(crate) struct StepSpec {
    pub(crate) kind: StepKind,
    pub(crate) needs: Vec<usize>,
    pub(crate) refusable: bool,
    pub(crate) fate: Fate,
}

/// What becomes of a step when nothing else goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Fate {
    /// It succeeds.
    Succeeds,
    /// The participant refuses it when it is asked first, although it might accept it later.
    Refused,
    /// It takes effect, and the reply is not what the definition expects.
    Unreadable,
    /// Its compensation is refused.
    UndoRefused,
    /// The closure that builds its command panics.
    Unbuildable,
    /// The closure that builds its compensation panics.
    UndoUnbuildable,
}

/// What every probe answers.
#[derive(Serialize, Deserialize, JsonSchema)]
pub(crate) struct Receipt {
    pub(crate) step: usize,
}

macro_rules! probes {
    ($($name:ident $command:literal $refusable:literal)+) => {$(
        #[derive(Serialize, Deserialize, JsonSchema)]
        struct $name {
            step: usize,
            seen: Vec<usize>,
        }

        impl Command for $name {
            const PARTICIPANT: &'static str = "probes";
            const NAME: &'static str = $command;
            const REFUSABLE: bool = $refusable;
            type Reply = Receipt;
        }
    )+};
}
probes! {
    Ask "ask" true
    Tell "tell" false
    Undo "undo" false
}

/// One to eight steps: any order before the pivot, perhaps a pivot, perhaps a retriable end.
pub(crate) fn specs() -> impl Strategy<Value = Spec> {
    let step = || (any::<u8>(), any::<bool>(), any::<u8>());
    let before = vec(step(), 0..=5);
    let pivot = proptest::option::of(step());
    let after = vec(step(), 0..=2);
    (before, pivot, after, 0..4_u8).prop_filter_map(
        "a definition has a step",
        |(before, pivot, after, hostility)| {
            let mut steps: Vec<StepSpec> = Vec::new();
            for (kind, (mask, refusable, fate)) in before
                .into_iter()
                .map(|raw| (StepKind::Compensatable, raw))
                .chain(pivot.map(|raw| (StepKind::Pivot, raw)))
                .chain(after.into_iter().map(|raw| (StepKind::Retriable, raw)))
            {
                let refusable = refusable && kind != StepKind::Retriable;
                let needs = needs(&steps, kind, mask);
                let fate = fate_of(fate, hostility == 0);
                // One hostile world in four: in the others nothing gets stuck.
                let fate = match fate {
                    Fate::Refused if !refusable && hostility != 0 => Fate::Succeeds,
                    fate => fate,
                };
                steps.push(StepSpec {
                    kind,
                    needs,
                    refusable,
                    fate,
                });
            }
            (!steps.is_empty()).then_some(Spec { steps })
        },
    )
}

fn fate_of(raw: u8, is_hostile: bool) -> Fate {
    match raw % 16 {
        0..=2 => Fate::Refused,
        3 if is_hostile => Fate::Unreadable,
        4 if is_hostile => Fate::UndoRefused,
        5 if is_hostile => Fate::Unbuildable,
        6 if is_hostile => Fate::UndoUnbuildable,
        _ => Fate::Succeeds,
    }
}

/// What the kinds ask for, and whatever else the mask picks among the earlier steps.
fn needs(earlier: &[StepSpec], kind: StepKind, mask: u8) -> Vec<usize> {
    let must = |step: &StepSpec| match kind {
        StepKind::Compensatable => false,
        StepKind::Pivot => true,
        StepKind::Retriable => step.kind != StepKind::Retriable,
    };
    let steps = earlier.iter().enumerate();
    let needs = steps.filter(|(index, step)| must(step) || mask >> index & 1 == 1);
    needs.map(|(index, _)| index).collect()
}

impl Spec {
    /// The name of a step.
    pub(crate) fn name(step: usize) -> String {
        format!("step-{step}")
    }

    /// Whether the world holds a reason for a saga to wait for a person.
    pub(crate) fn may_get_stuck(&self) -> bool {
        self.steps.iter().any(|step| match step.fate {
            Fate::Succeeds => false,
            Fate::Refused => !step.refusable,
            Fate::Unreadable | Fate::UndoRefused | Fate::Unbuildable | Fate::UndoUnbuildable => {
                true
            }
        })
    }

    /// The definition that this describes; a step before the pivot has three attempts.
    pub(crate) fn build(&self) -> Definition {
        self.build_with_attempts(3)
    }

    /// The same with another number of attempts.
    pub(crate) fn build_with_attempts(&self, attempts_max: u32) -> Definition {
        let mut saga = Definition::of::<()>("random");
        saga.retry(RetryPolicy {
            reply_within: Duration::from_secs(10),
            delay_first: Duration::from_secs(1),
            factor: 2,
            delay_max: Duration::from_secs(8),
            attempts_max,
        });
        let mut handles: Vec<Step<Receipt>> = Vec::new();
        for (index, step) in self.steps.iter().enumerate() {
            let needs = step.needs.iter().map(|need| handles[*need]).collect();
            handles.push(if step.refusable {
                add(&mut saga, index, step, needs, |step, seen| Ask {
                    step,
                    seen,
                })
            } else {
                add(&mut saga, index, step, needs, |step, seen| Tell {
                    step,
                    seen,
                })
            });
        }
        saga.build()
            .unwrap_or_else(|problems| panic!("{problems}\n{self:#?}"))
    }
}

fn add<C: Command<Reply = Receipt>>(
    saga: &mut DefinitionBuilder<()>,
    index: usize,
    step: &StepSpec,
    needs: Vec<Step<Receipt>>,
    command: fn(usize, Vec<usize>) -> C,
) -> Step<Receipt> {
    let fate = step.fate;
    let seen = |receipts: Vec<Receipt>| receipts.into_iter().map(|receipt| receipt.step).collect();
    let sending = saga
        .step(&Spec::name(index))
        .after(needs)
        .send(move |(), receipts| {
            assert!(fate != Fate::Unbuildable, "{BROKEN}");
            command(index, seen(receipts))
        });
    match step.kind {
        StepKind::Compensatable => sending.compensate(move |(), receipts, own| {
            assert!(fate != Fate::UndoUnbuildable, "{BROKEN}");
            let own = own.map(|receipt| receipt.step);
            let seen = seen(receipts).into_iter().chain(own).collect();
            Undo { step: index, seen }
        }),
        StepKind::Pivot => sending.pivot(),
        StepKind::Retriable => sending.retriable(),
    }
}

/// What the broken closures say; their panics are not printed.
pub(crate) const BROKEN: &str = "broken on purpose by the random world";
