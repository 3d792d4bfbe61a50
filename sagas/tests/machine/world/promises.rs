//! What holds once a saga has come to rest: the promises, read off the participants' effects.

use std::collections::BTreeSet;

use sagas::machine::{OrderKind, Progress, Saga, Trouble};
use sagas::{Definition, Status, StepKind};

use super::participant::{Effect, Participants};
use super::spec::Spec;
use crate::invariants::{Broken, require};

/// Checks the effects, their order, and that they agree with where the saga stands.
pub(crate) fn check(
    definition: &Definition,
    spec: &Spec,
    saga: &Saga,
    participants: &Participants,
) -> Result<(), Broken> {
    at_any_time(definition, saga, participants)?;
    let effects = &participants.effects;
    let did = |step: usize| effects.contains(&Effect::Did(step));
    let undid = |step: usize| effects.contains(&Effect::Undid(step));
    let mut steps = 0..definition.steps().len();
    let kind = |step: usize| definition.steps()[step].kind;
    let has_effect = |step: usize| !matches!(kind(step), StepKind::Query | StepKind::Hint);
    let progress = |step: usize| &saga.moving.steps[step];
    let agrees = match saga.status() {
        Status::Completed => steps.all(|step| match progress(step) {
            // Nobody hears what becomes of it.
            Progress::Done if kind(step) == StepKind::Notify => !undid(step),
            Progress::Done => did(step) == has_effect(step) && !undid(step),
            // Nobody can tell where rows were purged.
            Progress::ByHand => !did(step) || participants.is_purged,
            _ => !did(step),
        }),
        Status::Compensated => {
            steps.all(|step| did(step) == undid(step) || by_hand(definition, saga).contains(&step))
        }
        Status::Stuck => {
            let done_by_hand = Progress::Parked(Trouble::DoneByHand);
            require(
                spec.may_get_stuck()
                    || participants.is_purged
                    || saga.moving.steps.contains(&done_by_hand),
                "the saga waits for a person without a reason",
            )?;
            return nothing_possible_is_left(definition, saga);
        }
        Status::Running | Status::Compensating => false,
    };
    let status = saga.status();
    require(
        agrees,
        &format!("the saga is {status}, its effects are {effects:?}"),
    )
}

/// Checks what holds of the effects even before the saga has come to rest.
pub(crate) fn at_any_time(
    definition: &Definition,
    saga: &Saga,
    participants: &Participants,
) -> Result<(), Broken> {
    let effects = &participants.effects;
    for step in 0..definition.steps().len() {
        at_most_once(effects, step)?;
    }
    in_order(definition, &unseen(definition, saga), effects)
}

/// Steps that a person has answered for.
fn by_hand(definition: &Definition, saga: &Saga) -> BTreeSet<usize> {
    let orders = saga.orders.values();
    orders
        .filter_map(|applied| match &applied.order.kind {
            OrderKind::Skip { step, .. } | OrderKind::Resolve { step } => definition.position(step),
            _ => None,
        })
        .collect()
}

/// Steps whose effects the participants do not show, or a person vouches for: in the order of effects
/// they may be missing.
fn unseen(definition: &Definition, saga: &Saga) -> BTreeSet<usize> {
    let mut unseen = by_hand(definition, saga);
    for (index, step) in definition.steps().iter().enumerate() {
        let is_seen = match step.kind {
            StepKind::Compensatable | StepKind::Pivot | StepKind::Retriable => true,
            StepKind::Query | StepKind::Hint | StepKind::Notify => false,
        };
        if !is_seen || saga.moving.steps[index] == Progress::Skipped {
            unseen.insert(index);
        }
    }
    unseen
}

/// Promise 3.
fn at_most_once(effects: &[Effect], step: usize) -> Result<(), Broken> {
    let times = |effect| effects.iter().filter(|other| **other == effect).count();
    let (did, undid) = (times(Effect::Did(step)), times(Effect::Undid(step)));
    require(
        did <= 1 && undid <= did,
        &format!("step {step}: done {did} times, undone {undid}"),
    )
}

/// Nothing is built on what is not there, nothing is undone under what still is, and nothing is
/// undone once the pivot took effect.
fn in_order(
    definition: &Definition,
    unseen: &BTreeSet<usize>,
    effects: &[Effect],
) -> Result<(), Broken> {
    let mut is_there = vec![false; definition.steps().len()];
    for effect in effects {
        match *effect {
            Effect::Did(step) => {
                let mut ancestors = definition.steps()[step].ancestors.iter();
                let holds =
                    ancestors.all(|ancestor| is_there[ancestor] || unseen.contains(&ancestor));
                require(
                    holds,
                    &format!("step {step} took effect before its needs: {effects:?}"),
                )?;
                is_there[step] = true;
            }
            Effect::Undid(step) => {
                let is_last = definition
                    .dependents(step)
                    .all(|later| !is_there[later] || unseen.contains(&later));
                require(
                    is_last,
                    &format!("step {step} was undone too early: {effects:?}"),
                )?;
                let is_beyond = definition
                    .steps()
                    .iter()
                    .zip(&is_there)
                    .any(|(step, is_there)| *is_there && step.kind != StepKind::Compensatable);
                require(!is_beyond, "undone after the point of no return")?;
                is_there[step] = false;
            }
        }
    }
    Ok(())
}

/// A stuck saga has done all that does not depend on a person.
fn nothing_possible_is_left(definition: &Definition, saga: &Saga) -> Result<(), Broken> {
    let steps = &saga.moving.steps;
    for (index, progress) in steps.iter().enumerate() {
        let is_possible = match progress {
            Progress::Idle => {
                let ancestors = &definition.steps()[index].ancestors;
                !saga.is_unwinding() && ancestors.iter().all(|earlier| steps[earlier].is_settled())
            }
            Progress::Done | Progress::Unknown | Progress::ByHand => {
                saga.is_unwinding()
                    && definition
                        .dependents(index)
                        .all(|later| steps[later].is_gone())
            }
            Progress::Forward(_) | Progress::Fencing(_) | Progress::Compensating(_) => true,
            Progress::Skipped
            | Progress::Rejected(_)
            | Progress::Compensated
            | Progress::Parked(_) => false,
        };
        require(
            !is_possible,
            &format!("step {index} could go on: {steps:?}"),
        )?;
    }
    Ok(())
}
