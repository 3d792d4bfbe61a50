//! The words in which a definition is written: `step … after … send … compensate | pivot | retriable`.
//!
//! A step's kind is its last word, so a step without a kind cannot be written. Nothing is refused
//! here; [`DefinitionBuilder::build`] reports all problems at once.

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::erased::{self, Build, MakeSchema};
use super::needs::{Needs, Step};
use super::problem::Problems;
use super::{Compensation, Definition, Output, StepDefinition, StepKind, StepSet, check};
use crate::command::Command;
use crate::retry::RetryPolicy;

/// What a definition's input type must be able to do.
pub trait Input: DeserializeOwned + JsonSchema + 'static {}

impl<T: DeserializeOwned + JsonSchema + 'static> Input for T {}

/// A definition that is being written. `I` is the type of its input.
#[derive(Debug)]
pub struct DefinitionBuilder<I> {
    pub(super) name: String,
    pub(super) version: u32,
    pub(super) retry: RetryPolicy,
    pub(super) steps: Vec<StepDraft>,
    pub(super) output: Option<OutputDraft>,
    /// Tells this builder's handles from those of another.
    pub(super) id: u64,
    input: PhantomData<fn() -> I>,
}

/// A step as it was written, with its needs unchecked.
#[derive(Debug)]
pub(super) struct StepDraft {
    pub(super) definition: StepDefinition,
    pub(super) handles: Vec<(u64, usize)>,
    pub(super) compensation_participant: Option<&'static str>,
}

pub(super) struct OutputDraft {
    pub(super) output: Output,
    pub(super) handles: Vec<(u64, usize)>,
}

impl std::fmt::Debug for OutputDraft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OutputDraft")
            .field("handles", &self.handles)
            .finish_non_exhaustive()
    }
}

/// A step with a name, waiting for what it needs and sends.
#[derive(Debug)]
#[must_use = "a step is added by its kind: compensate, pivot or retriable"]
pub struct NamedStep<'b, I, N> {
    builder: &'b mut DefinitionBuilder<I>,
    name: String,
    needs: N,
}

/// A step that knows what it sends, waiting for its kind.
#[must_use = "a step is added by its kind: compensate, pivot or retriable"]
pub struct SendingStep<'b, I, N, C> {
    builder: &'b mut DefinitionBuilder<I>,
    name: String,
    needs: N,
    build: Build,
    command: PhantomData<fn() -> C>,
}

impl<I, N, C> std::fmt::Debug for SendingStep<'_, I, N, C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SendingStep")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl<I: Input> DefinitionBuilder<I> {
    pub(super) fn new(name: &str) -> Self {
        static BUILDERS: AtomicU64 = AtomicU64::new(0);
        Self {
            name: name.to_owned(),
            version: 1,
            retry: RetryPolicy::default(),
            steps: Vec::new(),
            output: None,
            id: BUILDERS.fetch_add(1, Ordering::Relaxed),
            input: PhantomData,
        }
    }

    /// Sets the version. Raise it with every change of the graph; running sagas keep theirs.
    pub fn version(&mut self, version: u32) -> &mut Self {
        self.version = version;
        self
    }

    /// Sets the retry policy of all steps.
    pub fn retry(&mut self, policy: RetryPolicy) -> &mut Self {
        self.retry = policy;
        self
    }

    /// Begins a step. Its name is unique within the definition and stays the same over deploys.
    pub fn step(&mut self, name: &str) -> NamedStep<'_, I, ()> {
        NamedStep {
            builder: self,
            name: name.to_owned(),
            needs: (),
        }
    }

    /// Says what the saga's result is, from the input and the replies of the steps in `needs`.
    ///
    /// Without it, a completed saga has the output `null`. Called again, the last one counts.
    pub fn output<N, O, F>(&mut self, needs: N, build: F)
    where
        N: Needs,
        O: Serialize + JsonSchema,
        F: Fn(&I, N::Replies) -> O + Send + Sync + 'static,
    {
        let handles = needs.handles();
        let build: Build = Arc::new(move |input, replies| {
            erased::write(&build(&erased::read_input(input)?, needs.read(replies)?))
        });
        let schema: MakeSchema = erased::schema_of::<O>;
        self.output = Some(OutputDraft {
            output: Output { build, schema },
            handles,
        });
    }

    /// Checks the definition.
    ///
    /// # Errors
    ///
    /// All problems at once, each naming the step and how to mend it.
    pub fn build(self) -> Result<Definition, Problems> {
        check::check(self, erased::schema_of::<I>, erased::check::<I>)
    }
}

impl<'b, I: Input> NamedStep<'b, I, ()> {
    /// Names the steps that must be done before this one, and whose replies it reads.
    pub fn after<N: Needs>(self, needs: N) -> NamedStep<'b, I, N> {
        NamedStep {
            builder: self.builder,
            name: self.name,
            needs,
        }
    }
}

impl<'b, I: Input, N: Needs> NamedStep<'b, I, N> {
    /// Says which command the step sends, built from the input and the replies of its needs.
    ///
    /// `build` runs once per saga, when the command is put in flight; its result is stored and
    /// sent again as it is. It must not look at anything else: no clock, no randomness, no I/O.
    pub fn send<C, F>(self, build: F) -> SendingStep<'b, I, N, C>
    where
        C: Command,
        F: Fn(&I, N::Replies) -> C + Send + Sync + 'static,
    {
        let needs = self.needs.clone();
        let build: Build = Arc::new(move |input, replies| {
            erased::write(&build(&erased::read_input(input)?, needs.read(replies)?))
        });
        let Self {
            builder,
            name,
            needs,
        } = self;
        SendingStep {
            builder,
            name,
            needs,
            build,
            command: PhantomData,
        }
    }
}

impl<I: Input, N: Needs, C: Command> SendingStep<'_, I, N, C> {
    /// The step can be undone by the command that `build` makes.
    ///
    /// `build` sees the step's own reply as an `Option`: when a participant stayed silent, nobody
    /// knows whether the step took effect, and it is compensated without a reply. So name what is
    /// undone by something known beforehand (an id from the input), never only by the reply.
    pub fn compensate<U, F>(self, build: F) -> Step<C::Reply>
    where
        U: Command,
        F: Fn(&I, N::Replies, Option<C::Reply>) -> U + Send + Sync + 'static,
    {
        let own = Step::<C::Reply>::new(self.builder.steps.len(), self.builder.id);
        let needs = self.needs.clone();
        let build: Build = Arc::new(move |input, replies| {
            let reply = replies.0.get(own.index).is_some_and(Option::is_some);
            let reply = reply.then(|| own.read(replies)).transpose()?;
            erased::write(&build(
                &erased::read_input(input)?,
                needs.read(replies)?,
                reply,
            ))
        });
        let payload_schema: MakeSchema = erased::schema_of::<U>;
        let compensation = Compensation {
            command: U::NAME,
            build,
            payload_schema,
        };
        self.add(
            StepKind::Compensatable,
            Some((compensation, U::PARTICIPANT)),
        )
    }

    /// The step is the point of no return: refused, the saga compensates; done, it completes.
    pub fn pivot(self) -> Step<C::Reply> {
        self.add(StepKind::Pivot, None)
    }

    /// The step comes after the point of no return and is tried until it succeeds.
    pub fn retriable(self) -> Step<C::Reply> {
        self.add(StepKind::Retriable, None)
    }

    fn add(
        self,
        kind: StepKind,
        compensation: Option<(Compensation, &'static str)>,
    ) -> Step<C::Reply> {
        let (compensation, compensation_participant) = compensation.unzip();
        let step = Step::new(self.builder.steps.len(), self.builder.id);
        let definition = StepDefinition {
            name: self.name,
            kind,
            participant: C::PARTICIPANT,
            command: C::NAME,
            refusable: C::REFUSABLE,
            needs: StepSet::default(),
            ancestors: StepSet::default(),
            compensation,
            build: self.build,
            check_reply: erased::check::<C::Reply>,
            payload_schema: erased::schema_of::<C>,
            reply_schema: erased::schema_of::<C::Reply>,
        };
        let handles = self.needs.handles();
        self.builder.steps.push(StepDraft {
            definition,
            handles,
            compensation_participant,
        });
        step
    }
}
