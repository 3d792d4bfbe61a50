//! Pause and resume: a saga that is held sends nothing, and takes what comes.

use super::super::Refusal;
use super::super::progress::{Progress, Waits};
use super::super::saga::Pause;
use super::super::turn::Turn;
use super::super::wake;
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
/// answer starts anew, because nobody measured silence meanwhile. What is withheld is released with the turn.
///
/// Where the deadline has passed, the saga turns back in the same transition, and no forward command goes
/// out. Nor is one waited for: its participant refuses it by now, so its outcome is unknown, and it is
/// compensated. Beyond the point of no return the saga goes on, overdue.
pub(super) fn resume(turn: &mut Turn<'_>) -> Result<OrderResult, Refusal> {
    if turn.next.moving.paused.take().is_none() {
        return Err(Refusal::OrderMakesNoSense("the saga is not paused"));
    }
    let was_unwinding = turn.next.is_unwinding();
    wake::pass_deadline(turn);
    let turns_back = turn.next.is_unwinding() && !was_unwinding;
    for step in 0..turn.definition.steps().len() {
        let progress = turn.progress(step);
        if turns_back && matches!(progress, Progress::Forward(_)) {
            turn.set(step, Progress::Unknown);
        } else if progress
            .flight()
            .is_some_and(|flight| flight.waits == Waits::Reply && flight.withheld_since.is_none())
        {
            turn.repeat_afresh(step);
        }
    }
    Ok(if turns_back {
        OrderResult::TurnedBack
    } else {
        OrderResult::Resumed
    })
}
