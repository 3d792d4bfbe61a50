//! One row per step: where it stands, what went out, what came back.

use sagas::definition::StepDefinition;
use sagas::machine::{Progress, Trouble};
use sagas::{Definition, Fault, StepKind};
use sagas_core::loaded::Loaded;
use serde::Serialize;

use super::super::summary::Instant;
use super::Payload;
use super::trace::Trace;
use super::waits;

/// One step of a saga.
#[derive(Debug, Serialize)]
pub(super) struct Step<'a> {
    name: &'a str,
    kind: StepKind,
    participant: &'a str,
    command: &'a str,
    compensation: Option<&'a str>,
    needs: Vec<&'a str>,
    is_conditional: bool,
    state: &'static str,
    /// Of the last command that went out; 0 when none did.
    attempt: u32,
    generation: u32,
    sent_at: Option<Instant>,
    ended_at: Option<Instant>,
    next_at: Option<Instant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Payload<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply: Payload<'a>,
    rejection: Option<&'a Fault>,
    #[serde(skip_serializing_if = "Option::is_none")]
    compensation_payload: Payload<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    compensation_reply: Payload<'a>,
    trouble: Option<String>,
    waits: Option<String>,
}

impl Step<'_> {
    pub(super) fn without_payloads(self) -> Self {
        Self {
            payload: None,
            reply: None,
            compensation_payload: None,
            compensation_reply: None,
            ..self
        }
    }
}

/// The steps, in the definition's order.
pub(super) fn of<'a>(loaded: &'a Loaded, definition: &'a Definition) -> Vec<Step<'a>> {
    let steps = definition.steps().iter().enumerate();
    steps
        .zip(&loaded.row.moving.steps)
        .map(|((index, step), progress)| {
            let trace = Trace::of(&step.name, &loaded.history);
            let waits = waits::tell(definition, index, &loaded.row.moving);
            one(definition, step, progress, &trace, waits)
        })
        .collect()
}

fn one<'a>(
    definition: &'a Definition,
    step: &'a StepDefinition,
    progress: &'a Progress,
    trace: &Trace<'a>,
    waits: Option<String>,
) -> Step<'a> {
    let flight = progress.flight();
    let name = |need: usize| definition.steps()[need].name.as_str();
    Step {
        name: &step.name,
        kind: step.kind,
        participant: step.participant,
        command: step.command,
        compensation: step.compensation.as_ref().map(|undo| undo.command),
        needs: step.needs.iter().map(name).collect(),
        is_conditional: step.is_conditional(),
        state: progress.as_str(),
        attempt: trace.last.map_or(0, |sent| sent.attempt),
        generation: trace.last.map_or(0, |sent| sent.generation),
        sent_at: trace.sent_at.map(Instant),
        ended_at: trace
            .answered_at
            .filter(|_| has_ended(progress))
            .map(Instant),
        next_at: flight
            .filter(|flight| flight.withheld_since.is_none())
            .map(|flight| Instant(flight.due_at)),
        payload: Some(trace.payload),
        reply: Some(trace.reply),
        rejection: rejection(progress),
        compensation_payload: Some(trace.compensation_payload),
        compensation_reply: Some(trace.compensation_reply),
        trouble: trouble(progress),
        waits,
    }
}

fn has_ended(progress: &Progress) -> bool {
    matches!(
        progress,
        Progress::Done
            | Progress::ByHand
            | Progress::Rejected(_)
            | Progress::Compensated
            | Progress::Parked(_)
    )
}

fn rejection(progress: &Progress) -> Option<&Fault> {
    match progress {
        Progress::Rejected(fault) | Progress::Parked(Trouble::RejectedUnexpectedly { fault }) => {
            Some(fault)
        }
        _ => None,
    }
}

/// Why a person should look at the step.
fn trouble(progress: &Progress) -> Option<String> {
    if let Progress::Parked(trouble) = progress {
        return Some(trouble.to_string());
    }
    let flight = progress.flight()?;
    let last = flight.last_word();
    match flight.exhausted_since {
        Some(since) => Some(format!(
            "its attempts are used up since {since}, and it cannot be given up: {last}"
        )),
        None => flight.withheld_since.map(|_| last),
    }
}
