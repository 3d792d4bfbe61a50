//! Skip and resolve: a person declares that a step was done, or undone, out of band.
//!
//! The participant is asked first to keep its own command from taking effect (a fence). Its answer
//! decides: the command took effect after all, or the person's word counts. Without a command that was
//! ever put in flight there is nothing to ask.

use super::super::progress::{Progress, Purpose, Trouble};
use super::super::turn::Turn;
use super::super::{Refusal, forward};
use super::{Order, OrderResult};
use crate::direction::Direction;
use crate::json::Json;
use crate::sabotage::{Bug, is_seeded};

/// The reply that stands for the participant's, where the order is fit to give one.
///
/// `null` where none is given and the step's type allows it; none at all where nobody reads it.
pub(super) fn substitute(
    turn: &Turn<'_>,
    step: usize,
    reply: Option<Json>,
) -> Result<Option<Json>, Refusal> {
    let definition = &turn.definition.steps()[step];
    if !definition.kind.is_awaited() {
        return Ok(Some(Json::null()));
    }
    let is_given = reply.is_some();
    let reply = reply.unwrap_or_else(Json::null);
    match (definition.check_reply)(&reply) {
        Ok(()) => Ok(Some(reply)),
        Err(error) if is_given => Err(Refusal::PayloadUnfit { error }),
        Err(_) if turn.definition.is_read(step) => Err(Refusal::OrderMakesNoSense(
            "a later step or the output reads this step's reply: give one",
        )),
        Err(_) => Ok(None),
    }
}

pub(super) fn skip(
    turn: &mut Turn<'_>,
    step: usize,
    order: &Order,
) -> Result<OrderResult, Refusal> {
    if turn.next.is_unwinding() {
        return Err(Refusal::OrderMakesNoSense(
            "the saga is being compensated; resolve what cannot be compensated",
        ));
    }
    match turn.progress(step) {
        Progress::Idle | Progress::Forward(_) | Progress::Parked(_) => {}
        Progress::Fencing(_) => return Err(WAITS_FOR_A_FENCE),
        Progress::Done
        | Progress::Skipped
        | Progress::ByHand
        | Progress::Rejected(_)
        | Progress::Unknown
        | Progress::Compensating(_)
        | Progress::Compensated => {
            return Err(Refusal::OrderMakesNoSense(
                "nothing of this step is left to do",
            ));
        }
    }
    // The pivot, done by hand while a step before it is in flight, would forbid to turn back from it.
    if !forward::is_its_turn(turn, step) && !is_seeded(Bug::SkipsBeforeItsTurn) {
        return Err(Refusal::OrderMakesNoSense(
            "the turn of this step has not come: skip it once all steps before it are done",
        ));
    }
    if turn.next.papers[step].forward.is_some() {
        turn.launch_fence(step, Purpose::Skip, order);
        return Ok(OrderResult::Fencing);
    }
    if let Some(reply) = order.substitute() {
        turn.substitute(step, reply.clone());
    }
    turn.set(step, Progress::ByHand);
    Ok(OrderResult::Skipped)
}

pub(super) fn resolve(
    turn: &mut Turn<'_>,
    step: usize,
    order: &Order,
) -> Result<OrderResult, Refusal> {
    if !turn.next.is_unwinding() {
        return Err(Refusal::OrderMakesNoSense(
            "the saga goes forward, so nothing is being compensated; skip the step, or cancel the saga",
        ));
    }
    match turn.progress(step) {
        Progress::Parked(Trouble::DoneByHand) => {
            turn.set(step, Progress::Compensated);
            return Ok(OrderResult::Resolved);
        }
        Progress::Compensating(_)
        | Progress::Parked(
            Trouble::CompensationRefused { .. }
            | Trouble::Expired { .. }
            | Trouble::CommandUnbuildable {
                direction: Direction::Compensate,
                ..
            },
        ) => {}
        Progress::Fencing(_) => return Err(WAITS_FOR_A_FENCE),
        Progress::Parked(_)
        | Progress::Idle
        | Progress::Forward(_)
        | Progress::Done
        | Progress::Skipped
        | Progress::ByHand
        | Progress::Rejected(_)
        | Progress::Unknown
        | Progress::Compensated => {
            return Err(Refusal::OrderMakesNoSense(
                "this step is not being compensated, or not yet",
            ));
        }
    }
    turn.launch_fence(step, Purpose::Resolve, order);
    Ok(OrderResult::Fencing)
}

const WAITS_FOR_A_FENCE: Refusal =
    Refusal::OrderMakesNoSense("a fence waits for the participant; its answer decides");
