//! The words of a step: `step … after | given … when … send … retry … compensate | pivot | …`.
//!
//! A step's kind is its last word, so no step of a definition lacks a kind; a step without its last
//! word is a warning of the compiler and a problem of `build()`. A conditional step has no word
//! `pivot`, because the point of no return is never conditional.

use std::marker::PhantomData;
use std::sync::Arc;

use super::builder::{DefinitionBuilder, Input, StepDraft};
use super::erased::{self, Build, Condition, MakeSchema};
use super::needs::{Always, Given, Needs, Presence, Sometimes, Step};
use super::{Compensation, StepDefinition, StepKind, StepSet};
use crate::command::Command;
use crate::retry::RetryPolicy;

/// A step with a name, waiting for what it needs and sends. `P` says whether it always runs.
#[must_use = "a step is added by its kind: compensate, pivot, retriable, query, notify or hint"]
pub struct NamedStep<'b, I, N, P> {
    builder: &'b mut DefinitionBuilder<I>,
    name: String,
    needs: N,
    condition: Option<Condition>,
    presence: PhantomData<P>,
}

/// A step that knows what it sends, waiting for its kind.
#[must_use = "a step is added by its kind: compensate, pivot, retriable, query, notify or hint"]
pub struct SendingStep<'b, I, N, C, P> {
    builder: &'b mut DefinitionBuilder<I>,
    name: String,
    needs: N,
    condition: Option<Condition>,
    build: Build,
    retry: Option<RetryPolicy>,
    command: PhantomData<fn() -> (C, P)>,
}

impl<I, N, P> std::fmt::Debug for NamedStep<'_, I, N, P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NamedStep")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl<I, N, C, P> std::fmt::Debug for SendingStep<'_, I, N, C, P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SendingStep")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl<'b, I: Input> NamedStep<'b, I, (), Always> {
    pub(super) fn new(builder: &'b mut DefinitionBuilder<I>, name: &str) -> Self {
        Self {
            builder,
            name: name.to_owned(),
            needs: (),
            condition: None,
            presence: PhantomData,
        }
    }

    /// Names the steps that must be done before this one, and whose replies it reads. One that may
    /// be skipped gives an `Option`.
    pub fn after<N: Needs>(self, needs: N) -> NamedStep<'b, I, N, Always> {
        self.needing(needs)
    }

    /// As [`NamedStep::after`], but where one of these steps is skipped, this one is, too. So it sees
    /// replies, no `Option`s.
    pub fn given<N: Needs>(self, needs: N) -> NamedStep<'b, I, Given<N>, Sometimes> {
        self.needing(Given(needs))
    }
}

impl<'b, I: Input, N: Needs, P: Presence> NamedStep<'b, I, N, P> {
    /// The step runs only where `holds` says so, from the input and the replies of its needs; else
    /// it is skipped. The verdict is found once, when the needs are done, and stored. Of several
    /// conditions all must hold, and one that does not ends the question.
    ///
    /// Like every closure of a definition, `holds` must not look at anything else.
    pub fn when<F>(self, holds: F) -> NamedStep<'b, I, N, Sometimes>
    where
        F: Fn(&I, N::Replies) -> bool + Send + Sync + 'static,
    {
        let (needs, before) = (self.needs.clone(), self.condition);
        let condition: Condition = Arc::new(move |input, replies| {
            if let Some(before) = &before
                && !before(input, replies)?
            {
                return Ok(false);
            }
            Ok(holds(&erased::read_input(input)?, needs.read(replies)?))
        });
        NamedStep {
            builder: self.builder,
            name: self.name,
            needs: self.needs,
            condition: Some(condition),
            presence: PhantomData,
        }
    }

    /// Says which command the step sends, built from the input and the replies of its needs.
    ///
    /// `build` runs once per saga, when the command is put in flight; its result is stored and
    /// sent again as it is. It must not look at anything else: no clock, no randomness, no I/O.
    pub fn send<C, F>(self, build: F) -> SendingStep<'b, I, N, C, P>
    where
        C: Command,
        F: Fn(&I, N::Replies) -> C + Send + Sync + 'static,
    {
        let needs = self.needs.clone();
        let build: Build = Arc::new(move |input, replies| {
            erased::write(&build(&erased::read_input(input)?, needs.read(replies)?))
        });
        SendingStep {
            builder: self.builder,
            name: self.name,
            needs: self.needs,
            condition: self.condition,
            build,
            retry: None,
            command: PhantomData,
        }
    }

    fn needing<M, Q>(self, needs: M) -> NamedStep<'b, I, M, Q> {
        NamedStep {
            builder: self.builder,
            name: self.name,
            needs,
            condition: self.condition,
            presence: PhantomData,
        }
    }
}

impl<I: Input, N: Needs, C: Command> SendingStep<'_, I, N, C, Always> {
    /// The step is the point of no return: refused, the saga compensates; done, it completes.
    pub fn pivot(self) -> Step<C::Reply> {
        self.add(StepKind::Pivot, None)
    }
}

impl<I: Input, N: Needs, C: Command, P: Presence> SendingStep<'_, I, N, C, P> {
    /// Gives the step, and its compensation, a retry policy of their own.
    pub fn retry(self, policy: RetryPolicy) -> Self {
        Self {
            retry: Some(policy),
            ..self
        }
    }

    /// The step can be undone by the command that `build` makes.
    ///
    /// `build` sees the step's own reply as an `Option`: when a participant stayed silent, nobody
    /// knows whether the step took effect, and it is compensated without a reply. So name what is
    /// undone by something known beforehand (an id from the input), never only by the reply.
    pub fn compensate<U, F>(self, build: F) -> P::Handle<C::Reply>
    where
        U: Command,
        F: Fn(&I, N::Replies, Option<C::Reply>) -> U + Send + Sync + 'static,
    {
        let own = super::Maybe::<C::Reply>::new(self.builder.steps.len(), self.builder.id);
        let needs = self.needs.clone();
        let build: Build = Arc::new(move |input, replies| {
            let reply = own.read(replies)?;
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
            check_payload: erased::check::<U>,
            payload_schema,
        };
        self.add(
            StepKind::Compensatable,
            Some((compensation, U::PARTICIPANT)),
        )
    }

    /// The step comes after the point of no return and is tried until it succeeds.
    pub fn retriable(self) -> P::Handle<C::Reply> {
        self.add(StepKind::Retriable, None)
    }

    /// The step asks and changes nothing, so there is nothing to undo. It comes before the point of
    /// no return; after it, a query is a [`SendingStep::retriable`] step like any other.
    pub fn query(self) -> P::Handle<C::Reply> {
        self.add(StepKind::Query, None)
    }

    /// The command is sent after the point of no return, at least once, and nobody waits for an
    /// answer: the step is done when it is sent, and a participant that fails is not asked again.
    pub fn notify(self) -> P::Handle<()> {
        self.add(StepKind::Notify, None)
    }

    /// As [`SendingStep::notify`], for a command without effect: it may be sent anywhere, and nothing
    /// takes it back.
    pub fn hint(self) -> P::Handle<()> {
        self.add(StepKind::Hint, None)
    }

    fn add<R>(
        self,
        kind: StepKind,
        compensation: Option<(Compensation, &'static str)>,
    ) -> P::Handle<R> {
        let (compensation, compensation_participant) = compensation.unzip();
        let step = P::handle(self.builder.steps.len(), self.builder.id);
        let definition = StepDefinition {
            name: self.name,
            kind,
            participant: C::PARTICIPANT,
            command: C::NAME,
            refusable: C::REJECTABLE,
            needs: StepSet::default(),
            given: StepSet::default(),
            ancestors: StepSet::default(),
            compensation,
            retry: RetryPolicy::default(),
            condition: self.condition,
            build: self.build,
            check_payload: erased::check::<C>,
            check_reply: erased::check::<C::Reply>,
            payload_schema: erased::schema_of::<C>,
            reply_schema: erased::schema_of::<C::Reply>,
        };
        let (handles, given) = (self.needs.handles(), self.needs.given());
        self.builder.begun.pop();
        self.builder.steps.push(StepDraft {
            definition,
            handles,
            given,
            retry: self.retry,
            compensation_participant,
        });
        step
    }
}
