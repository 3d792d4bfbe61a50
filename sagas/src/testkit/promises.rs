//! The promises, read off the participants' effects: at most once each, in order, and in the end
//! all or nothing.
//!
//! Orders by which a person answers for a step are not known here; the kit gives none.

use super::invariants::Broken;
use crate::definition::{Definition, StepKind};
use crate::machine::{Progress, Saga, Status};

/// What changed in a participant's own tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Effect {
    /// The step took effect.
    Did(usize),
    /// Its compensation did.
    Undid(usize),
}

/// Checks what holds of the effects at any time.
pub(super) fn at_any_time(
    definition: &Definition,
    saga: &Saga,
    effects: &[Effect],
) -> Result<(), Broken> {
    for step in 0..definition.steps().len() {
        at_most_once(definition, effects, step)?;
    }
    in_order(definition, saga, effects)
}

/// Checks that a saga at rest has ended, and that its effects agree with how.
pub(super) fn at_the_end(
    definition: &Definition,
    saga: &Saga,
    effects: &[Effect],
) -> Result<(), Broken> {
    at_any_time(definition, saga, effects)?;
    for (index, step) in definition.steps().iter().enumerate() {
        let (did, undid) = (
            effects.contains(&Effect::Did(index)),
            effects.contains(&Effect::Undid(index)),
        );
        let agrees = match saga.status() {
            Status::Completed => {
                let is_done = saga.moving.steps[index] == Progress::Done;
                did == (is_done && has_effect(step.kind)) && !undid
            }
            Status::Compensated => did == undid,
            Status::Running | Status::Compensating | Status::Stuck => {
                let steps = saga.moving.steps.iter().zip(definition.steps());
                let steps: Vec<String> = steps
                    .map(|(progress, step)| format!("{} {}", step.name, progress.as_str()))
                    .collect();
                let (status, steps) = (saga.status(), steps.join(", "));
                return Err(format!("the saga does not end; it is {status}: {steps}"));
            }
        };
        if agrees {
            continue;
        }
        let (name, status) = (&step.name, saga.status());
        let took = if did { "took effect" } else { "took no effect" };
        let undone = if undid {
            "was undone"
        } else {
            "was not undone"
        };
        return Err(format!(
            "the saga is {status}, but step {name:?} {took} and {undone}"
        ));
    }
    Ok(())
}

fn at_most_once(definition: &Definition, effects: &[Effect], step: usize) -> Result<(), Broken> {
    let times = |effect| effects.iter().filter(|other| **other == effect).count();
    let (did, undid) = (times(Effect::Did(step)), times(Effect::Undid(step)));
    if did <= 1 && undid <= did {
        return Ok(());
    }
    let name = &definition.steps()[step].name;
    Err(format!(
        "step {name:?} was done {did} times and undone {undid} times"
    ))
}

/// Nothing is built on what is not there, nothing is undone under what still is, and nothing is
/// undone once a step beyond the point of no return took effect.
fn in_order(definition: &Definition, saga: &Saga, effects: &[Effect]) -> Result<(), Broken> {
    let steps = definition.steps();
    let mut is_there = vec![false; steps.len()];
    // A notification is done when it is sent; a query and a hint change nothing.
    let shows = |step: usize| has_effect(steps[step].kind) && steps[step].kind.is_awaited();
    for effect in effects {
        match *effect {
            Effect::Did(step) => {
                let mut ancestors = steps[step].ancestors.iter();
                let missing = ancestors.find(|earlier| {
                    let is_skipped = saga.moving.steps[*earlier] == Progress::Skipped;
                    !is_there[*earlier] && shows(*earlier) && !is_skipped
                });
                if let Some(missing) = missing {
                    let (name, missing) = (&steps[step].name, &steps[missing].name);
                    return Err(format!("step {name:?} took effect without {missing:?}"));
                }
                is_there[step] = true;
            }
            Effect::Undid(step) => {
                let name = &steps[step].name;
                if let Some(later) = definition.dependents(step).find(|later| is_there[*later]) {
                    let later = &steps[later].name;
                    return Err(format!("step {name:?} was undone before {later:?}"));
                }
                let beyond = (0..steps.len()).find(|other| {
                    is_there[*other] && steps[*other].kind != StepKind::Compensatable
                });
                if let Some(beyond) = beyond {
                    let beyond = &steps[beyond].name;
                    return Err(format!("step {name:?} was undone after {beyond:?}"));
                }
                is_there[step] = false;
            }
        }
    }
    Ok(())
}

fn has_effect(kind: StepKind) -> bool {
    match kind {
        StepKind::Query | StepKind::Hint => false,
        StepKind::Compensatable | StepKind::Pivot | StepKind::Retriable | StepKind::Notify => true,
    }
}
