//! A definition that is being written: its name, version, policies, steps and output.
//!
//! Nothing is refused here; [`DefinitionBuilder::build`] reports all problems at once. The words of
//! a step are in `words.rs`.

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::erased::{self, Build, MakeSchema};
use super::needs::{Always, Needs};
use super::problem::Problems;
use super::words::NamedStep;
use super::{Definition, Output, StepDefinition, StepSet, check};
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
    pub(super) deadline: Option<Duration>,
    pub(super) steps: Vec<StepDraft>,
    /// Names of the steps that were begun and have not had their last word, in the order of their
    /// beginning. A step borrows the builder until its last word, so that word is the last name's.
    pub(super) begun: Vec<String>,
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
    pub(super) given: Vec<(u64, usize)>,
    /// Its own retry policy; `None`: the definition's.
    pub(super) retry: Option<RetryPolicy>,
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

impl<I: Input> DefinitionBuilder<I> {
    pub(super) fn new(name: &str) -> Self {
        static BUILDERS: AtomicU64 = AtomicU64::new(0);
        Self {
            name: name.to_owned(),
            version: 1,
            retry: RetryPolicy::default(),
            deadline: None,
            steps: Vec::new(),
            begun: Vec::new(),
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

    /// Sets the retry policy of all steps that have none of their own.
    pub fn retry(&mut self, policy: RetryPolicy) -> &mut Self {
        self.retry = policy;
        self
    }

    /// Sets how long after its start a saga may still be before its point of no return. Later it
    /// compensates; past that point it goes on, and needs attention until it ends. Without a
    /// deadline, only attempts that are used up turn it back.
    pub fn deadline(&mut self, after_start: Duration) -> &mut Self {
        self.deadline = Some(after_start);
        self
    }

    /// Begins a step. Its name is unique within the definition and stays the same over deploys.
    ///
    /// Its last word adds it: `compensate`, `pivot`, `retriable`, `query`, `notify` or `hint`. A step
    /// without one is a problem of the definition.
    pub fn step(&mut self, name: &str) -> NamedStep<'_, I, (), Always> {
        self.begun.push(name.to_owned());
        NamedStep::new(self, name)
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
            output: Output {
                needs: StepSet::default(),
                build,
                schema,
            },
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
