//! Silence at every step, forward and back, until its attempts are used up: its commands are lost,
//! its answers are, or it answers that it does not work.
//!
//! A step that may be given up on turns the saga back, and is compensated without its reply;
//! every other is tried until it answers.

use super::super::failure::Failure;
use super::super::invariants::Broken;
use super::super::run::{How, Plan, Quiet, Run};
use super::super::subject::Subject;
use crate::definition::StepKind;
use crate::direction::Direction;
use crate::machine::{Event, Progress, Status};

/// A policy may grant a million attempts. The kit's participants answer after so many: nothing new
/// happens between two attempts of one policy.
const ATTEMPTS_MAX: u32 = 100;

const HOWS: [(How, &str); 3] = [
    (How::LosesCommands, "its commands are lost"),
    (How::LosesReplies, "its answers are lost"),
    (How::Fails, "it fails"),
];

pub(in crate::testkit) fn run(subject: &Subject<'_>) -> Result<usize, Failure> {
    let mut cases = 0;
    for step in subject.steps() {
        let definition = &subject.definition.steps()[step];
        if !definition.kind.is_awaited() {
            continue;
        }
        for (how, words) in HOWS {
            let name = || format!("silence at {}: {words}", definition.name);
            Run::new(subject).case(&name, |run| forward(run, step, how))?;
            cases += 1;
            if definition.kind == StepKind::Compensatable {
                let name = || {
                    format!(
                        "silence at the compensation of {}: {words}",
                        definition.name
                    )
                };
                Run::new(subject).case(&name, |run| back(run, step, how))?;
                cases += 1;
            }
        }
    }
    Ok(cases)
}

fn forward(run: &mut Run<'_>, step: usize, how: How) -> Result<(), Broken> {
    let definition = &run.subject.definition.steps()[step];
    let attempts = definition.retry.max_attempts.min(ATTEMPTS_MAX);
    run.play(&plan(step, Direction::Forward, how, attempts))?;
    let is_sent = run.sent.iter().any(|send| send.step == step);
    let is_given_up = definition.kind.may_be_given_up() && definition.retry.is_last(attempts);
    if is_sent && is_given_up {
        return run.ended(Status::Compensated);
    }
    // A deadline may pass in the meantime.
    match run.subject.definition.deadline() {
        None => run.ended(Status::Completed),
        Some(_) => Ok(()),
    }
}

/// Turns the saga back as soon as the step is done; trying to undo it never ends.
fn back(run: &mut Run<'_>, step: usize, how: How) -> Result<(), Broken> {
    let max_attempts = run.subject.definition.steps()[step].retry.max_attempts;
    let attempts = max_attempts.saturating_add(1).min(ATTEMPTS_MAX);
    let plan = plan(step, Direction::Compensate, how, attempts);
    run.apply(&Event::Start)?;
    while *run.progress(step) != Progress::Done && run.advance(&plan)? {}
    run.cancel()?;
    run.go_on(&plan)
}

fn plan(step: usize, direction: Direction, how: How, attempts: u32) -> Plan {
    let quiet = Quiet {
        step,
        direction,
        how,
        attempts,
    };
    Plan {
        quiet: Some(quiet),
        ..Plan::default()
    }
}
