//! A definition as data: what REST shows of it.

use schemars::Schema;
use serde::Serialize;
use uuid::Uuid;

use super::{Definition, StepKind, StepSet};
use crate::retry::RetryPolicy;

/// A definition without its closures.
#[derive(Debug, Clone, Serialize)]
pub struct Description<'a> {
    /// The name that clients submit.
    pub name: &'a str,
    /// The version.
    pub version: u32,
    /// The digest of the graph.
    pub fingerprint: Uuid,
    /// JSON Schema of the input.
    pub input_schema: Schema,
    /// JSON Schema of the output; `null` when the saga has none.
    pub output_schema: Option<Schema>,
    /// Milliseconds after its start until which a saga may be before its point of no return.
    pub deadline_ms: Option<u64>,
    /// The steps, every one after those it needs.
    pub steps: Vec<StepDescription<'a>>,
}

/// A step without its closures.
#[derive(Debug, Clone, Serialize)]
pub struct StepDescription<'a> {
    /// Unique within the definition.
    pub name: &'a str,
    /// `compensatable`, `pivot`, `retriable`, `query`, `notify` or `hint`.
    pub kind: StepKind,
    /// The service that executes it.
    pub participant: &'a str,
    /// The command that the participant gets.
    pub command: &'a str,
    /// Whether the participant may refuse it.
    pub refusable: bool,
    /// The command that undoes it.
    pub compensation: Option<&'a str>,
    /// Names of the steps that must be done before it.
    pub needs: Vec<&'a str>,
    /// Those of its needs without which it is skipped.
    pub given: Vec<&'a str>,
    /// Whether it has a condition of its own.
    pub has_condition: bool,
    /// How it is tried again.
    pub retry: RetryPolicy,
    /// JSON Schema of the command's payload.
    pub payload_schema: Schema,
    /// JSON Schema of the reply.
    pub reply_schema: Schema,
    /// JSON Schema of the compensation's payload.
    pub compensation_schema: Option<Schema>,
}

impl Definition {
    /// The definition as data.
    #[must_use]
    pub fn describe(&self) -> Description<'_> {
        Description {
            name: &self.name,
            version: self.version,
            fingerprint: self.fingerprint,
            input_schema: (self.input_schema)(),
            output_schema: self.output.as_ref().map(|output| (output.schema)()),
            deadline_ms: self
                .deadline
                .map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX)),
            steps: (0..self.steps.len())
                .map(|step| self.describe_step(step))
                .collect(),
        }
    }

    fn describe_step(&self, index: usize) -> StepDescription<'_> {
        let step = &self.steps[index];
        let names = |steps: StepSet| -> Vec<&str> {
            steps
                .iter()
                .map(|need| self.steps[need].name.as_str())
                .collect()
        };
        StepDescription {
            name: &step.name,
            kind: step.kind,
            participant: step.participant,
            command: step.command,
            refusable: step.refusable,
            compensation: step.compensation.as_ref().map(|undo| undo.command),
            needs: names(step.needs),
            given: names(step.given),
            has_condition: step.condition.is_some(),
            retry: step.retry,
            payload_schema: (step.payload_schema)(),
            reply_schema: (step.reply_schema)(),
            compensation_schema: step
                .compensation
                .as_ref()
                .map(|undo| (undo.payload_schema)()),
        }
    }
}
