//! Probes: steps of generated definitions. A probe's command carries the numbers of the steps whose
//! receipts it has read, and its reply is a receipt.
//!
//! The random worlds and `simulation` generate definitions as data, each from its own source of
//! numbers. Here such data becomes steps, with every kind and condition that the DSL has.
//!
//! Invariant: the compiler checks that each kind of step is among them, and gives each its handle.
//!
//! Not here: which kinds and needs a generated definition has, and commands and closures, which differ.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::command::Command;
use crate::definition::{
    DefinitionBuilder, Maybe, NamedStep, Needs, Presence, SendingStep, Step, StepKind,
};

/// Reply of every probe.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Receipt {
    /// Number of the step that took effect.
    pub step: usize,
}

/// Handle of a probe: one variant for each type that the DSL hands out.
#[derive(Debug, Clone, Copy)]
pub enum Handle {
    /// A step that always runs and is waited for.
    Step(Step<Receipt>),
    /// A step that may be skipped and is waited for.
    Maybe(Maybe<Receipt>),
    /// A step that always runs and is not waited for.
    Note(Step<()>),
    /// A step that may be skipped and is not waited for.
    MaybeNote(Maybe<()>),
}

/// Condition under which a probe runs.
pub enum Condition<I> {
    /// None: it always runs.
    Unconditional,
    /// An input for which this is true.
    When(Box<dyn Fn(&I) -> bool + Send + Sync>),
    /// The success of each of its needs.
    Given,
}

/// A probe, before it has a name and needs.
pub struct Probe<I, B, U> {
    /// Kind of the step. A pivot has no condition.
    pub kind: StepKind,
    /// Condition under which it runs.
    pub condition: Condition<I>,
    /// Builds the command from the input and the numbers of the receipts that were read.
    pub command: B,
    /// Builds the compensation likewise; the probe's own receipt is the last one.
    pub compensation: U,
}

impl<I, B, U> std::fmt::Debug for Probe<I, B, U> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut probe = f.debug_struct("Probe");
        probe.field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl<I> std::fmt::Debug for Condition<I> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unconditional => "Unconditional",
            Self::When(_) => "When",
            Self::Given => "Given",
        })
    }
}

/// Whether a definition is legal only if a step of kind `later` needs one of kind `earlier` before it:
/// beside the point of no return there is no legal end.
#[must_use]
pub fn must_need(later: StepKind, earlier: StepKind) -> bool {
    match later {
        StepKind::Compensatable | StepKind::Query | StepKind::Hint => false,
        StepKind::Pivot => true,
        StepKind::Retriable | StepKind::Notify => match earlier {
            StepKind::Compensatable | StepKind::Query | StepKind::Pivot => true,
            StepKind::Retriable | StepKind::Notify | StepKind::Hint => false,
        },
    }
}

/// Whether the participant of a step of this kind may refuse its command.
#[must_use]
pub fn may_be_refused(kind: StepKind) -> bool {
    match kind {
        StepKind::Compensatable | StepKind::Query | StepKind::Pivot => true,
        StepKind::Retriable | StepKind::Notify | StepKind::Hint => false,
    }
}

/// Needs of a probe, each type of handle in its list.
type Lists = (
    Vec<Step<Receipt>>,
    Vec<Maybe<Receipt>>,
    Vec<Step<()>>,
    Vec<Maybe<()>>,
);

fn lists(handles: impl Iterator<Item = Handle>) -> Lists {
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

/// Replies from which the numbers of the steps can be read.
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

impl<I, B, U, C, D> Probe<I, B, U>
where
    I: DeserializeOwned + JsonSchema + 'static,
    B: Fn(&I, Vec<usize>) -> C + Send + Sync + 'static,
    U: Fn(&I, Vec<usize>) -> D + Send + Sync + 'static,
    C: Command<Reply = Receipt>,
    D: Command,
{
    /// Adds the probe to a definition, after `needs`.
    ///
    /// # Panics
    ///
    /// When a pivot has a condition, which the DSL cannot say.
    pub fn add(
        self,
        saga: &mut DefinitionBuilder<I>,
        name: &str,
        needs: impl Iterator<Item = Handle>,
    ) -> Handle {
        let Self {
            kind,
            condition,
            command,
            compensation,
        } = self;
        let (named, needs) = (saga.step(name), lists(needs));
        match condition {
            Condition::Unconditional => {
                let sending = send(named.after(needs), command);
                if kind == StepKind::Pivot {
                    return Handle::Step(sending.pivot());
                }
                finish(sending, kind, compensation, (Handle::Step, Handle::Note))
            }
            Condition::When(holds) => {
                let named = named.after(needs).when(move |input, _| holds(input));
                let sending = send(named, command);
                finish(
                    sending,
                    kind,
                    compensation,
                    (Handle::Maybe, Handle::MaybeNote),
                )
            }
            Condition::Given => {
                let sending = send(named.given(needs), command);
                finish(
                    sending,
                    kind,
                    compensation,
                    (Handle::Maybe, Handle::MaybeNote),
                )
            }
        }
    }
}

fn send<I, N, P, C>(
    named: NamedStep<'_, I, N, P>,
    command: impl Fn(&I, Vec<usize>) -> C + Send + Sync + 'static,
) -> SendingStep<'_, I, N, C, P>
where
    I: DeserializeOwned + JsonSchema + 'static,
    N: Needs<Replies: Seen>,
    P: Presence,
    C: Command<Reply = Receipt>,
{
    named.send(move |input, receipts: N::Replies| command(input, receipts.numbers()))
}

/// Handles of a step that is waited for, and of one that is not.
type Handles<P> = (
    fn(<P as Presence>::Handle<Receipt>) -> Handle,
    fn(<P as Presence>::Handle<()>) -> Handle,
);

fn finish<I, N, P, C, D>(
    sending: SendingStep<'_, I, N, C, P>,
    kind: StepKind,
    compensation: impl Fn(&I, Vec<usize>) -> D + Send + Sync + 'static,
    (awaited, note): Handles<P>,
) -> Handle
where
    I: DeserializeOwned + JsonSchema + 'static,
    N: Needs<Replies: Seen>,
    P: Presence,
    C: Command<Reply = Receipt>,
    D: Command,
{
    match kind {
        StepKind::Compensatable => awaited(sending.compensate(
            move |input: &I, receipts: N::Replies, own: Option<Receipt>| {
                let own = own.map(|receipt| receipt.step);
                let seen = receipts.numbers().into_iter().chain(own).collect();
                compensation(input, seen)
            },
        )),
        StepKind::Retriable => awaited(sending.retriable()),
        StepKind::Query => awaited(sending.query()),
        StepKind::Notify => note(sending.notify()),
        StepKind::Hint => note(sending.hint()),
        StepKind::Pivot => panic!("a pivot has no condition"),
    }
}
