//! What a reply means.
//!
//! A reply counts only for the command that is in flight: same step, direction and generation, and
//! for `failed` also the same attempt. Everything else is a duplicate or too late, and is refused.
//! Every (direction, outcome) pair is spelled out below.

use super::entry::EntryKind;
use super::event::Reply;
use super::order::cancelled;
use super::saga::{Flight, Progress, Reason, Trouble, Waits};
use super::turn::Turn;
use super::wake::give_up;
use super::{Direction, Outcome, Refusal, Transition};
use crate::definition::{Definition, StepKind};
use crate::fault::Fault;
use crate::json::Json;

pub(super) fn apply(mut turn: Turn<'_>, reply: Reply) -> Result<Transition, Refusal> {
    let step = known_step(turn.definition, &reply)?;
    let flight = flight_answered(&turn, step, &reply)?;
    match reply.direction {
        Direction::Forward => forward(&mut turn, step, &flight, &reply)?,
        Direction::Compensate => compensate(&mut turn, step, &flight, &reply)?,
        Direction::Fence => fence(&mut turn, step, &flight, &reply)?,
    }
    let mut transition = turn.finish(EntryKind::Reply);
    transition.entry.step = Some(reply.step);
    transition.entry.direction = Some(reply.direction);
    transition.entry.attempt = Some(reply.attempt);
    transition.entry.outcome = Some(reply.outcome);
    transition.entry.payload = Some(reply.payload);
    Ok(transition)
}

/// The index of the step that the reply names.
pub(super) fn known_step(definition: &Definition, reply: &Reply) -> Result<usize, Refusal> {
    definition
        .position(&reply.step)
        .ok_or_else(|| Refusal::UnknownStep(reply.step.clone()))
}

/// The flight that the reply answers.
///
/// A step that is being fenced has two commands on the way; either's final answer settles it.
fn flight_answered(turn: &Turn<'_>, step: usize, reply: &Reply) -> Result<Flight, Refusal> {
    let progress = turn.progress(step);
    let flight = match (progress, reply.direction) {
        (Progress::Forward(flight), Direction::Forward)
        | (Progress::Undoing(flight), Direction::Compensate)
        | (Progress::Fencing(flight), Direction::Fence) => Some(flight),
        (Progress::Fencing(flight), Direction::Forward) if reply.outcome != Outcome::Failed => {
            Some(flight)
        }
        _ => None,
    };
    let is_current = |flight: &&Flight| {
        flight.generation == reply.generation
            && (reply.outcome != Outcome::Failed
                || (flight.attempt == reply.attempt && flight.waits == Waits::Reply))
    };
    flight
        .filter(is_current)
        .cloned()
        .ok_or(Refusal::NothingInFlight {
            direction: reply.direction,
            generation: reply.generation,
            attempt: reply.attempt,
        })
}

fn forward(
    turn: &mut Turn<'_>,
    step: usize,
    flight: &Flight,
    reply: &Reply,
) -> Result<(), Refusal> {
    match reply.outcome {
        Outcome::Succeeded => took_effect(turn, step, &reply.payload),
        Outcome::Rejected => refused(turn, step, fault(&reply.payload, "rejected")),
        Outcome::Failed => failed(turn, step, flight, reply),
        Outcome::AlreadyCompensated => never_will(turn, step),
        Outcome::Expired => turn.park(
            step,
            Trouble::Expired {
                direction: reply.direction,
            },
        ),
        Outcome::Fenced => return Err(out_of_place(reply)),
    }
    Ok(())
}

fn compensate(
    turn: &mut Turn<'_>,
    step: usize,
    flight: &Flight,
    reply: &Reply,
) -> Result<(), Refusal> {
    match reply.outcome {
        Outcome::Succeeded | Outcome::AlreadyCompensated => turn.set(step, Progress::Undone),
        Outcome::Rejected => {
            let fault = fault(&reply.payload, "rejected");
            turn.park(step, Trouble::CompensationRefused { fault });
        }
        Outcome::Failed => retry_later(turn, step, flight, reply, Progress::Undoing),
        Outcome::Expired => turn.park(
            step,
            Trouble::Expired {
                direction: reply.direction,
            },
        ),
        Outcome::Fenced => return Err(out_of_place(reply)),
    }
    Ok(())
}

fn fence(turn: &mut Turn<'_>, step: usize, flight: &Flight, reply: &Reply) -> Result<(), Refusal> {
    match reply.outcome {
        Outcome::Succeeded => took_effect(turn, step, &reply.payload),
        Outcome::Fenced => never_will(turn, step),
        Outcome::Failed => retry_later(turn, step, flight, reply, Progress::Fencing),
        Outcome::Expired => turn.park(
            step,
            Trouble::Expired {
                direction: reply.direction,
            },
        ),
        Outcome::Rejected | Outcome::AlreadyCompensated => return Err(out_of_place(reply)),
    }
    Ok(())
}

fn out_of_place(reply: &Reply) -> Refusal {
    Refusal::OutOfPlace {
        direction: reply.direction,
        outcome: reply.outcome,
    }
}

/// The step took effect. Its reply is decoded here, where only this saga can suffer from it.
fn took_effect(turn: &mut Turn<'_>, step: usize, payload: &Json) {
    turn.next.moving.cancel = None;
    match (turn.definition.steps()[step].check_reply)(payload) {
        Ok(()) => {
            turn.next.replies[step] = Some(payload.clone());
            turn.set(step, Progress::Done);
        }
        Err(error) => turn.park(step, Trouble::ReplyUnreadable { error }),
    }
}

/// A refusal is definite: nothing happened. Against the command's promise a person decides what
/// follows; one whose cancel waits for the pivot has decided already.
fn refused(turn: &mut Turn<'_>, step: usize, fault: Fault) {
    let cancel = turn.next.moving.cancel.take();
    if turn.definition.steps()[step].refusable {
        turn.set(step, Progress::Refused(fault.clone()));
        turn.turn_back(|step| Reason::Refused { step, fault }, step);
    } else if let Some(order) = cancel {
        turn.set(step, Progress::Refused(fault));
        turn.turn_back(|_| cancelled(&order), step);
    } else {
        turn.park(step, Trouble::RefusedUnexpectedly { fault });
    }
}

/// The step can never take effect: a fence or a compensation came before it.
fn never_will(turn: &mut Turn<'_>, step: usize) {
    if turn.definition.steps()[step].kind == StepKind::Retriable {
        turn.park(step, Trouble::UndoneElsewhere);
        return;
    }
    turn.set(step, Progress::Undone);
    match turn.next.moving.cancel.take() {
        Some(order) => turn.turn_back(|_| cancelled(&order), step),
        None => {
            let message = "the participant had undone or fenced it before".to_owned();
            let fault = Fault::new("already-compensated", message);
            turn.turn_back(|step| Reason::UndoneElsewhere { step, fault }, step);
        }
    }
}

fn failed(turn: &mut Turn<'_>, step: usize, flight: &Flight, reply: &Reply) {
    let is_last = turn.definition.retry().is_last(flight.attempt);
    let may_give_up = turn.definition.steps()[step].kind == StepKind::Compensatable;
    if turn.next.is_unwinding() {
        turn.set(step, Progress::Unknown);
    } else if is_last && may_give_up {
        let failure = Some(fault(&reply.payload, "failed"));
        give_up(
            turn,
            step,
            &Flight {
                failure,
                ..flight.clone()
            },
        );
    } else {
        retry_later(turn, step, flight, reply, Progress::Forward);
    }
}

fn retry_later(
    turn: &mut Turn<'_>,
    step: usize,
    flight: &Flight,
    reply: &Reply,
    fly: fn(Flight) -> Progress,
) {
    let policy = turn.definition.retry();
    let (_, seed) = turn.next.id.0.as_u64_pair();
    let seed = seed ^ u64::try_from(step).unwrap_or(0);
    let exhausted = policy.is_last(flight.attempt).then_some(turn.now);
    let flight = Flight {
        waits: Waits::Retry,
        due_at: turn.now + policy.delay_after(flight.attempt, seed),
        failure: Some(fault(&reply.payload, "failed")),
        exhausted_since: flight.exhausted_since.or(exhausted),
        ..flight.clone()
    };
    turn.set(step, fly(flight));
}

/// What the participant said. An outcome decides by itself: a payload of another shape than a
/// fault's is shown as it is, and changes nothing.
fn fault(payload: &Json, otherwise: &str) -> Fault {
    payload
        .read()
        .unwrap_or_else(|_| Fault::new(otherwise.to_owned(), payload.text().to_owned()))
}
