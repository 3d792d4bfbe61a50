//! Pause and resume: a saga that is held sends nothing, and takes what comes.

use super::super::Refusal;
use super::super::progress::Waits;
use super::super::saga::Pause;
use super::super::turn::Turn;
use super::{Order, OrderResult};

pub(super) fn pause(turn: &mut Turn<'_>, order: &Order) -> Result<OrderResult, Refusal> {
    if turn.next.moving.paused.is_some() {
        return Err(Refusal::OrderMakesNoSense("the saga is paused already"));
    }
    turn.next.moving.paused = Some(Pause {
        since: turn.now,
        actor: order.actor.clone(),
        reason: order.reason.clone(),
    });
    Ok(OrderResult::Paused)
}

/// What waits for a reply is sent once more, because it may never have gone out; the time for its
/// answer starts anew, because nobody measured silence meanwhile.
pub(super) fn resume(turn: &mut Turn<'_>) -> Result<OrderResult, Refusal> {
    if turn.next.moving.paused.take().is_none() {
        return Err(Refusal::OrderMakesNoSense("the saga is not paused"));
    }
    for step in 0..turn.definition.steps().len() {
        let flight = turn.progress(step).flight();
        if flight.is_some_and(|flight| flight.waits == Waits::Reply) {
            turn.repeat_afresh(step);
        }
    }
    Ok(OrderResult::Resumed)
}
