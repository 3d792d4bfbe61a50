//! A definition as data: what REST shows of it.

use schemars::Schema;
use serde::Serialize;
use uuid::Uuid;

use super::{Definition, StepKind};

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
    /// The steps, every one after those it needs.
    pub steps: Vec<StepDescription<'a>>,
}

/// A step without its closures.
#[derive(Debug, Clone, Serialize)]
pub struct StepDescription<'a> {
    /// Unique within the definition.
    pub name: &'a str,
    /// `compensatable`, `pivot` or `retriable`.
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
            steps: (0..self.steps.len())
                .map(|step| self.describe_step(step))
                .collect(),
        }
    }

    fn describe_step(&self, index: usize) -> StepDescription<'_> {
        let step = &self.steps[index];
        StepDescription {
            name: &step.name,
            kind: step.kind,
            participant: step.participant,
            command: step.command,
            refusable: step.refusable,
            compensation: step.compensation.as_ref().map(|undo| undo.command),
            needs: step
                .needs
                .iter()
                .map(|need| self.steps[need].name.as_str())
                .collect(),
            payload_schema: (step.payload_schema)(),
            reply_schema: (step.reply_schema)(),
            compensation_schema: step
                .compensation
                .as_ref()
                .map(|undo| (undo.payload_schema)()),
        }
    }
}
