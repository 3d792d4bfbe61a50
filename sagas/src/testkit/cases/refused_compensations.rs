//! A refused compensation at every step: the saga waits for a person, who undoes the step by hand,
//! sends the compensation again as it is, or edits it; then it ends compensated.
//!
//! Each is tried where the step was the last to be done, and where everything is to be undone.

use super::super::failure::Failure;
use super::super::intent::Intent;
use super::super::invariants::{Broken, require};
use super::super::person::Remedy;
use super::super::run::{Plan, Run};
use super::super::subject::Subject;
use crate::definition::StepKind;
use crate::machine::{Event, Progress, Status};

const REMEDIES: [(Remedy, &str); 3] = [
    (Remedy::ByHand, "resolved by hand"),
    (Remedy::Edits, "edited"),
    (Remedy::Retries, "retried"),
];

pub(in crate::testkit) fn run(subject: &Subject<'_>) -> Result<usize, Failure> {
    let mut cases = 0;
    for step in subject.steps() {
        if subject.definition.steps()[step].kind != StepKind::Compensatable {
            continue;
        }
        for (remedy, words) in REMEDIES {
            let plan = Plan {
                refuses_to_undo: Some(step),
                remedy,
                ..Plan::default()
            };
            let name = || {
                let step = subject.name(step);
                format!("the compensation of {step} is refused, and {words}")
            };
            Run::new(subject).case(&name, |run| as_soon_as_done(run, step, &plan))?;
            cases += 1;
            let Some(last) = super::refusals::refusable(subject).last() else {
                continue;
            };
            let plan = Plan {
                refuses: Some(last),
                ..plan
            };
            Run::new(subject).case(&name, |run| {
                run.apply(&Event::Start)?;
                go_on(run, step, &plan)
            })?;
            cases += 1;
        }
    }
    Ok(cases)
}

fn as_soon_as_done(run: &mut Run<'_>, step: usize, plan: &Plan) -> Result<(), Broken> {
    run.apply(&Event::Start)?;
    while *run.progress(step) != Progress::Done && run.advance(plan)? {}
    run.order(Intent::Cancel)?;
    go_on(run, step, plan)
}

fn go_on(run: &mut Run<'_>, step: usize, plan: &Plan) -> Result<(), Broken> {
    run.is_thorough = false;
    run.go_on(plan)?;
    run.comes_back()?;
    let had_to_decide = run.helped > 0;
    require(
        run.participants.has_refused_to_undo(step) == had_to_decide,
        "a refused compensation, and nothing else, waits for a person",
    )?;
    require(
        !had_to_decide || run.saga.status() == Status::Compensated,
        "the saga should be compensated",
    )
}
