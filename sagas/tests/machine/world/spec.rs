//! Random definitions that are legal, and what the participants will make of their steps.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use sagas::definition::DefinitionBuilder;
use sagas::testkit::probe::{self, Handle, Probe, Receipt, may_be_refused, must_need};
use sagas::{Command, Definition, RetryPolicy, StepKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A definition as data.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    pub(crate) steps: Vec<StepSpec>,
    /// Seconds after the start.
    pub(crate) deadline: Option<u8>,
}

#[derive(Debug, Clone)]
pub(crate) struct StepSpec {
    pub(crate) kind: StepKind,
    pub(crate) needs: Vec<usize>,
    pub(crate) refusable: bool,
    pub(crate) fate: Fate,
    pub(crate) condition: Condition,
}

/// Whether the step runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Always.
    None,
    /// Under a condition that holds, or not.
    When(bool),
    /// With all of its needs, or not at all.
    Given,
}

impl StepSpec {
    /// A step of this kind that needs nothing, is not refusable, and succeeds.
    pub(crate) fn new(kind: StepKind) -> Self {
        Self {
            kind,
            needs: Vec::new(),
            refusable: false,
            fate: Fate::Succeeds,
            condition: Condition::None,
        }
    }
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

macro_rules! probes {
    ($($name:ident $command:literal $refusable:literal)+) => {$(
        #[derive(Serialize, Deserialize, JsonSchema)]
        struct $name {
            step: usize,
            seen: Vec<usize>,
        }

        impl Command for $name {
            const PARTICIPANT: &'static str = PARTICIPANT;
            const NAME: &'static str = $command;
            const REJECTABLE: bool = $refusable;
            type Reply = Receipt;
        }
    )+};
}
probes! {
    Ask "ask" true
    Tell "tell" false
    Undo "undo" false
}

/// One to twelve steps: any order before the pivot, perhaps a pivot, perhaps a retriable end.
pub(crate) fn specs() -> impl Strategy<Value = Spec> {
    let step = || {
        (
            any::<u8>(),
            any::<bool>(),
            any::<u8>(),
            conditions(),
            any::<u8>(),
        )
    };
    let before = vec(step(), 0..=8);
    let pivot = proptest::option::of(step());
    let after = vec(step(), 0..=3);
    let deadline = prop_oneof![3 => Just(None), 1 => (1..60_u8).prop_map(Some)];
    (before, pivot, after, 0..4_u8, deadline).prop_filter_map(
        "a definition has a step",
        |(before, pivot, after, hostility, deadline)| {
            let mut steps: Vec<StepSpec> = Vec::new();
            for (kind, (mask, refusable, fate, condition, _)) in before
                .into_iter()
                .map(|raw| (kind_before(raw.4), raw))
                .chain(pivot.map(|raw| (StepKind::Pivot, raw)))
                .chain(after.into_iter().map(|raw| (kind_after(raw.4), raw)))
            {
                let refusable = refusable && may_be_refused(kind);
                let condition = match kind {
                    StepKind::Pivot => Condition::None,
                    _ => condition,
                };
                let needs = needs(&steps, kind, mask);
                let fate = fate_of(fate, hostility == 0);
                // One hostile world in four: in the others nothing gets stuck.
                let fate = match fate {
                    Fate::Refused | Fate::Unreadable if !kind.is_awaited() => Fate::Succeeds,
                    Fate::Refused if !refusable && hostility != 0 => Fate::Succeeds,
                    fate => fate,
                };
                steps.push(StepSpec {
                    kind,
                    needs,
                    refusable,
                    fate,
                    condition,
                });
            }
            (!steps.is_empty()).then_some(Spec { steps, deadline })
        },
    )
}

fn conditions() -> impl Strategy<Value = Condition> {
    prop_oneof![
        6 => Just(Condition::None),
        2 => any::<bool>().prop_map(Condition::When),
        1 => Just(Condition::Given),
    ]
}

fn kind_before(raw: u8) -> StepKind {
    match raw % 8 {
        0 => StepKind::Query,
        1 => StepKind::Hint,
        _ => StepKind::Compensatable,
    }
}

fn kind_after(raw: u8) -> StepKind {
    match raw % 4 {
        0 => StepKind::Notify,
        1 => StepKind::Hint,
        _ => StepKind::Retriable,
    }
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
    let must = |step: &StepSpec| must_need(kind, step.kind);
    let steps = earlier.iter().enumerate();
    let needs = steps.filter(|(index, step)| must(step) || u16::from(mask) >> index & 1 == 1);
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
    pub(crate) fn build_with_attempts(&self, max_attempts: u32) -> Definition {
        let mut saga = Definition::of::<()>("random");
        saga.retry(RetryPolicy {
            reply_timeout: Duration::from_secs(10),
            initial_interval: Duration::from_secs(1),
            backoff_coefficient: 2,
            max_interval: Duration::from_secs(8),
            max_attempts,
        });
        if let Some(seconds) = self.deadline {
            saga.deadline(Duration::from_secs(seconds.into()));
        }
        let mut handles = Vec::new();
        for (index, step) in self.steps.iter().enumerate() {
            let needs = step.needs.iter().map(|need| handles[*need]);
            let handle = if step.refusable {
                add(&mut saga, index, step, needs, |step, seen| Ask {
                    step,
                    seen,
                })
            } else {
                add(&mut saga, index, step, needs, |step, seen| Tell {
                    step,
                    seen,
                })
            };
            handles.push(handle);
        }
        saga.build()
            .unwrap_or_else(|problems| panic!("{problems}\n{self:#?}"))
    }
}

fn add<C: Command<Reply = Receipt>>(
    saga: &mut DefinitionBuilder<()>,
    index: usize,
    step: &StepSpec,
    needs: impl Iterator<Item = Handle>,
    command: fn(usize, Vec<usize>) -> C,
) -> Handle {
    let fate = step.fate;
    let probe = Probe {
        kind: step.kind,
        condition: match step.condition {
            Condition::None => probe::Condition::Unconditional,
            Condition::When(holds) => probe::Condition::When(Box::new(move |()| holds)),
            Condition::Given => probe::Condition::Given,
        },
        command: move |(): &(), seen| {
            assert!(fate != Fate::Unbuildable, "{BROKEN}");
            command(index, seen)
        },
        compensation: move |(): &(), seen| {
            assert!(fate != Fate::UndoUnbuildable, "{BROKEN}");
            Undo { step: index, seen }
        },
    };
    probe.add(saga, &Spec::name(index), needs)
}

/// What the broken closures say; their panics are not printed.
/// Participant of every step.
pub(crate) const PARTICIPANT: &str = "probes";

pub(crate) const BROKEN: &str = "broken on purpose by the random world";
