//! The promises, read off the participants' effects: at most once each, in order, and in the end
//! all or nothing.
//!
//! Where a person answers for a step by an order (skip, resolve), the participant's effect may be
//! missing, or stay: but only as far as the participant could not tell, or the person undid it.

use super::invariants::Broken;
use super::participants::Participants;
use crate::definition::{Definition, StepKind};
use crate::machine::{OrderKind, Progress, Saga, Status};

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
    participants: &Participants,
) -> Result<(), Broken> {
    let effects = &participants.effects;
    for step in 0..definition.steps().len() {
        at_most_once(definition, effects, step)?;
    }
    in_order(definition, saga, effects)
}

/// Checks that a saga at rest has ended, and that its effects agree with how.
pub(super) fn at_the_end(
    definition: &Definition,
    saga: &Saga,
    participants: &Participants,
) -> Result<(), Broken> {
    at_any_time(definition, saga, participants)?;
    let effects = &participants.effects;
    for (index, step) in definition.steps().iter().enumerate() {
        let (did, undid) = (
            effects.contains(&Effect::Did(index)),
            effects.contains(&Effect::Undid(index)),
        );
        let agrees = match saga.status() {
            Status::Completed => {
                let progress = &saga.moving.steps[index];
                let is_done = *progress == Progress::Done;
                // The person who vouched for it could not know either.
                let nobody_knows = *progress == Progress::ByHand && participants.is_purged(index);
                !undid && (nobody_knows || did == (is_done && has_effect(step.kind)))
            }
            Status::Compensated if !did && has_effect(step.kind) => {
                let by_hand = was_skipped_by_hand(definition, saga, index);
                if by_hand && !was_resolved(definition, saga, index) {
                    let name = &step.name;
                    return Err(format!(
                        "step {name:?} was done by hand, and nobody undid it"
                    ));
                }
                true
            }
            Status::Compensated => did == undid || was_resolved(definition, saga, index),
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
                    let is_skipped = saga.moving.steps[*earlier] == Progress::Skipped
                        || was_skipped_by_hand(definition, saga, *earlier);
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
                let mut dependents = definition.dependents(step);
                let is_used =
                    |later: &usize| is_there[*later] && !was_resolved(definition, saga, *later);
                if let Some(later) = dependents.find(is_used) {
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

/// Whether a person said that the step was undone out of band.
pub(super) fn was_resolved(definition: &Definition, saga: &Saga, step: usize) -> bool {
    has_order(definition, saga, step, |kind| {
        matches!(kind, OrderKind::Resolve { .. })
    })
}

/// Whether a person said that the step was done out of band.
pub(super) fn was_skipped_by_hand(definition: &Definition, saga: &Saga, step: usize) -> bool {
    has_order(definition, saga, step, |kind| {
        matches!(kind, OrderKind::Skip { .. })
    })
}

fn has_order(
    definition: &Definition,
    saga: &Saga,
    step: usize,
    is_it: fn(&OrderKind) -> bool,
) -> bool {
    let name = definition.steps()[step].name.as_str();
    let mut orders = saga.orders.values().map(|applied| &applied.order);
    orders.any(|order| is_it(&order.kind) && order.step() == Some(name))
}

fn has_effect(kind: StepKind) -> bool {
    match kind {
        StepKind::Query | StepKind::Hint => false,
        StepKind::Compensatable | StepKind::Pivot | StepKind::Retriable | StepKind::Notify => true,
    }
}
