//! Retry now, and edit and retry.
//!
//! What waits gets its next attempt at once. What was refused gets its next generation, with the same
//! payload or another: a participant answers a repeated generation with the refusal that it stored.
//! What could not be built or read is tried again, as after a deploy that mends the definition.

use super::super::Refusal;
use super::super::progress::{Progress, Trouble};
use super::super::turn::Turn;
use super::OrderResult;
use crate::direction::Direction;
use crate::json::Json;

const NOTHING_WAITS: Refusal =
    Refusal::OrderMakesNoSense("nothing of this step waits for another attempt");

/// Retries every step for which that makes sense.
pub(super) fn everything(turn: &mut Turn<'_>) -> Result<OrderResult, Refusal> {
    let mut any = false;
    for step in 0..turn.definition.steps().len() {
        any |= now(turn, step).is_ok();
    }
    if any {
        Ok(OrderResult::Retrying)
    } else {
        let why = "no step of the saga waits for another attempt";
        Err(Refusal::OrderMakesNoSense(why))
    }
}

pub(super) fn now(turn: &mut Turn<'_>, step: usize) -> Result<OrderResult, Refusal> {
    match turn.progress(step).clone() {
        Progress::Forward(_) if turn.next.is_unwinding() => return Err(TURNED_BACK),
        Progress::Forward(_) | Progress::Compensating(_) | Progress::Fencing(_) => {
            // What is withheld is sent, as the attempt that it is, when its topic takes it.
            if !is_withheld(turn, step) {
                turn.try_again(step, false);
            }
        }
        Progress::Parked(trouble) => unpark(turn, step, &trouble)?,
        Progress::Idle
        | Progress::Done
        | Progress::Skipped
        | Progress::ByHand
        | Progress::Rejected(_)
        | Progress::Unknown
        | Progress::Compensated => return Err(NOTHING_WAITS),
    }
    Ok(OrderResult::Retrying)
}

fn is_withheld(turn: &Turn<'_>, step: usize) -> bool {
    let flight = turn.progress(step).flight();
    flight.is_some_and(|flight| flight.withheld_since.is_some())
}

const TURNED_BACK: Refusal = Refusal::OrderMakesNoSense(
    "the saga is being compensated; no forward command gets another attempt",
);

fn unpark(turn: &mut Turn<'_>, step: usize, trouble: &Trouble) -> Result<(), Refusal> {
    let papers = &turn.next.papers[step];
    match trouble {
        // `finish` builds it again.
        Trouble::CommandUnbuildable {
            direction: Direction::Forward,
            ..
        } => turn.set(step, Progress::Idle),
        Trouble::CommandUnbuildable { .. } => {
            let has_reply = turn.next.replies[step].is_some();
            let progress = if has_reply {
                Progress::Done
            } else {
                Progress::Unknown
            };
            turn.set(step, progress);
        }
        // The participant repeats its reply, and a newer binary may read it.
        Trouble::ReplyUnreadable { .. } => turn.ask_again(step),
        Trouble::RejectedUnexpectedly { .. } => {
            let paper = papers.forward.clone().ok_or(NOTHING_WAITS)?;
            turn.launch_forward(step, paper.payload);
        }
        Trouble::CompensationRefused { .. } => {
            let paper = papers.compensation.clone().ok_or(NOTHING_WAITS)?;
            turn.launch_compensation(step, paper.payload);
        }
        Trouble::CompensatedElsewhere | Trouble::Expired { .. } | Trouble::DoneByHand => {
            return Err(Refusal::OrderMakesNoSense(
                "the participant would answer the same again; skip or resolve the step",
            ));
        }
    }
    Ok(())
}

pub(super) fn edit(
    turn: &mut Turn<'_>,
    step: usize,
    payload: &Json,
) -> Result<OrderResult, Refusal> {
    let definition = &turn.definition.steps()[step];
    let unfit = |error| Refusal::PayloadUnfit { error };
    match turn.progress(step) {
        Progress::Forward(_) if turn.next.is_unwinding() => return Err(TURNED_BACK),
        Progress::Forward(_)
        | Progress::Parked(
            Trouble::RejectedUnexpectedly { .. }
            | Trouble::CommandUnbuildable {
                direction: Direction::Forward,
                ..
            },
        ) => {
            (definition.check_payload)(payload).map_err(unfit)?;
            match (definition.kind.is_awaited(), &turn.next.moving.paused) {
                (true, _) => turn.launch_forward(step, payload.clone()),
                (false, None) => turn.notify(step, payload.clone()),
                // It is done when it is sent, so it cannot be kept until the saga is resumed.
                (false, Some(_)) => {
                    return Err(Refusal::OrderMakesNoSense(
                        "the saga is paused; resume it first",
                    ));
                }
            }
        }
        Progress::Compensating(_)
        | Progress::Parked(
            Trouble::CompensationRefused { .. } | Trouble::CommandUnbuildable { .. },
        ) => {
            let compensation = definition.compensation.as_ref().ok_or(NOTHING_WAITS)?;
            (compensation.check_payload)(payload).map_err(unfit)?;
            turn.launch_compensation(step, payload.clone());
        }
        Progress::Fencing(_) => {
            return Err(Refusal::OrderMakesNoSense(
                "a fence waits for the participant; its answer decides",
            ));
        }
        Progress::Parked(_) => {
            return Err(Refusal::OrderMakesNoSense(
                "another payload changes nothing here; skip or resolve the step",
            ));
        }
        Progress::Idle
        | Progress::Done
        | Progress::Skipped
        | Progress::ByHand
        | Progress::Rejected(_)
        | Progress::Unknown
        | Progress::Compensated => {
            return Err(Refusal::OrderMakesNoSense(
                "no command of this step is in flight or parked",
            ));
        }
    }
    Ok(OrderResult::Retrying)
}
