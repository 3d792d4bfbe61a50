//! What a reply means.
//!
//! A reply counts only for the command that is in flight: same step, direction and generation, and
//! for `failed` also the same attempt. Everything else is a duplicate, or a truth that comes too late
//! (`late.rs`). Every (direction, outcome) pair is spelled out below.
//!
//! A `failed` with our code `unreadable-reply` is an answer that names its command and cannot be used.
//! It may have said anything, so it is remembered of the command, whichever attempt it answers: with it,
//! attempts that are used up wait for a person, and turn nothing back. An answer that can be used still
//! counts, as ever.
//!
//! A step that is being fenced has two commands on the way. An answer to the fence always settles
//! it; one to the command that it fences does where it says the same thing earlier.

use super::entry::EntryKind;
use super::event::Reply;
use super::late;
use super::order::cancelled;
use super::progress::{Fence, Flight, Progress, Purpose, Trouble, Waits};
use super::saga::{Paper, Reason};
use super::turn::Turn;
use super::wake::{give_up, may_give_up};
use super::{Direction, Outcome, Refusal, Transition};
use crate::definition::{Definition, StepKind};
use crate::fault::{Fault, UNREADABLE_REPLY};
use crate::id::OrderId;
use crate::json::Json;
use crate::sabotage::{Bug, is_seeded};

pub(super) fn apply(mut turn: Turn<'_>, reply: Reply) -> Result<Transition, Refusal> {
    let step = known_step(turn.definition, &reply)?;
    let is_late = match awaited(&turn, step, &reply) {
        Some(Awaited::Forward(flight)) => forward(&mut turn, step, &flight, &reply).map(|()| false),
        Some(Awaited::Compensation(flight)) => {
            compensate(&mut turn, step, &flight, &reply).map(|()| false)
        }
        Some(Awaited::Fence(fence)) => answer(&mut turn, step, &fence, &reply).map(|()| false),
        Some(Awaited::Fenced(fence)) => overtake(&mut turn, step, &fence, &reply).map(|()| false),
        Some(Awaited::Readable) => {
            took_effect(&mut turn, step, &reply.payload);
            Ok(false)
        }
        None => late::take(&mut turn, step, &reply),
    }?;
    if reply.direction == Direction::Forward
        && reply.outcome == Outcome::Succeeded
        && turn.next.replies[step].is_none()
    {
        // It cannot be read. When it comes again, only this says that it was there.
        let truth = (step, reply.generation, reply.outcome);
        turn.next.late.insert(truth);
    }
    let mut transition = turn.finish(EntryKind::Reply);
    let entry = &mut transition.entry;
    entry.step = Some(reply.step);
    entry.direction = Some(reply.direction);
    entry.generation = (reply.generation > 1).then_some(reply.generation);
    entry.attempt = (reply.attempt > 0).then_some(reply.attempt);
    if is_seeded(Bug::ForgetsAttempts) {
        entry.attempt = Some(1);
    }
    entry.outcome = Some(reply.outcome);
    entry.payload = Some(reply.payload);
    entry.late = is_late;
    Ok(transition)
}

/// The index of the step that the reply names.
pub(super) fn known_step(definition: &Definition, reply: &Reply) -> Result<usize, Refusal> {
    definition
        .position(&reply.step)
        .ok_or_else(|| Refusal::UnknownStep(reply.step.clone()))
}

/// The reply answers nothing that is in flight.
pub(super) fn nothing_in_flight(reply: &Reply) -> Refusal {
    Refusal::NothingInFlight {
        direction: reply.direction,
        generation: reply.generation,
        attempt: reply.attempt,
    }
}

/// What the reply answers.
enum Awaited {
    Forward(Flight),
    Compensation(Flight),
    Fence(Fence),
    /// The command that a fence was sent after.
    Fenced(Fence),
    /// The forward command of a step that is parked because its reply could not be read. This one can.
    Readable,
}

fn awaited(turn: &Turn<'_>, step: usize, reply: &Reply) -> Option<Awaited> {
    let papers = &turn.next.papers[step];
    let is_newest = |paper: &Option<Paper>| {
        let paper = paper.as_ref();
        paper.is_some_and(|paper| paper.generation == reply.generation)
    };
    match (turn.progress(step), reply.direction) {
        (Progress::Forward(flight), Direction::Forward) if answers(flight, reply) => {
            Some(Awaited::Forward(flight.clone()))
        }
        (Progress::Compensating(flight), Direction::Compensate) if answers(flight, reply) => {
            Some(Awaited::Compensation(flight.clone()))
        }
        (Progress::Fencing(fence), Direction::Fence) if answers(&fence.flight, reply) => {
            Some(Awaited::Fence(fence.clone()))
        }
        (Progress::Fencing(fence), direction) if overtakes(fence, direction, reply.outcome) => {
            let is_newest = match direction {
                Direction::Forward => is_newest(&papers.forward),
                Direction::Compensate => is_newest(&papers.compensation),
                Direction::Fence => false,
            };
            is_newest.then(|| Awaited::Fenced(fence.clone()))
        }
        (Progress::Parked(Trouble::ReplyUnreadable { .. }), Direction::Forward)
            if reply.outcome == Outcome::Succeeded && is_newest(&papers.forward) =>
        {
            let check = turn.definition.steps()[step].check_reply;
            check(&reply.payload).is_ok().then_some(Awaited::Readable)
        }
        _ => None,
    }
}

fn answers(flight: &Flight, reply: &Reply) -> bool {
    if is_seeded(Bug::TakesAnyReply) {
        return true;
    }
    let counts = reply.outcome != Outcome::Failed
        || is_current(flight, reply)
        || flight.unreadable.is_none() && unreadable(&reply.payload).is_some();
    flight.generation == reply.generation && counts
}

fn is_current(flight: &Flight, reply: &Reply) -> bool {
    flight.attempt == reply.attempt && flight.waits == Waits::Reply
}

/// Why the answer could not be used, if that is what it says.
fn unreadable(payload: &Json) -> Option<String> {
    let fault: Fault = payload.read().ok()?;
    (fault.code == UNREADABLE_REPLY).then_some(fault.message)
}

/// Whether the command's own answer settles what the fence asks. A refusal settles a cancel; for a
/// skip the fence must still keep a later generation out.
fn overtakes(fence: &Fence, direction: Direction, outcome: Outcome) -> bool {
    match (fence.purpose, direction) {
        (Purpose::Cancel, Direction::Forward) => outcome != Outcome::Failed,
        (Purpose::Skip, Direction::Forward) => outcome == Outcome::Succeeded,
        (Purpose::Resolve, Direction::Compensate) => {
            matches!(outcome, Outcome::Succeeded | Outcome::AlreadyCompensated)
        }
        (Purpose::Cancel | Purpose::Skip | Purpose::Resolve, _) => false,
    }
}

fn forward(
    turn: &mut Turn<'_>,
    step: usize,
    flight: &Flight,
    reply: &Reply,
) -> Result<(), Refusal> {
    match reply.outcome {
        Outcome::Succeeded => took_effect(turn, step, &reply.payload),
        Outcome::Rejected => refused(turn, step, fault(&reply.payload, "rejected"), None),
        Outcome::Failed => failed(turn, step, flight, reply),
        Outcome::AlreadyCompensated => never_will(turn, step, None),
        Outcome::Expired => expired(turn, step, reply),
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
        Outcome::Succeeded | Outcome::AlreadyCompensated => {
            turn.set(step, Progress::Compensated);
            if is_seeded(Bug::TurnsForwardAgain) {
                turn.next.moving.reason = None;
            }
        }
        Outcome::Rejected => {
            let fault = fault(&reply.payload, "rejected");
            turn.park(step, Trouble::CompensationRefused { fault });
        }
        Outcome::Failed => {
            let flight = retry_later(turn, step, flight, reply);
            turn.set(step, Progress::Compensating(flight));
        }
        Outcome::Expired => expired(turn, step, reply),
        Outcome::Fenced => return Err(out_of_place(reply)),
    }
    Ok(())
}

/// The participant answers a fence.
fn answer(turn: &mut Turn<'_>, step: usize, fence: &Fence, reply: &Reply) -> Result<(), Refusal> {
    match (reply.outcome, fence.purpose) {
        (Outcome::Succeeded, Purpose::Cancel) => took_effect(turn, step, &reply.payload),
        (Outcome::Succeeded, Purpose::Skip) => took_effect_anyway(turn, step, fence, reply),
        (Outcome::Fenced, Purpose::Cancel) => never_will(turn, step, Some(fence.order)),
        (Outcome::Expired, Purpose::Cancel) => expired(turn, step, reply),
        // Whether it never came or was forgotten, it never runs; and a person vouches for it.
        (Outcome::Fenced | Outcome::Expired, Purpose::Skip) => done_by_hand(turn, step, fence),
        (Outcome::Succeeded | Outcome::Fenced | Outcome::Expired, Purpose::Resolve) => {
            turn.set(step, Progress::Compensated);
        }
        (Outcome::Failed, _) => {
            let flight = retry_later(turn, step, &fence.flight, reply);
            let fence = fence.clone();
            turn.set(step, Progress::Fencing(Fence { flight, ..fence }));
        }
        (Outcome::Rejected | Outcome::AlreadyCompensated, _) => return Err(out_of_place(reply)),
    }
    Ok(())
}

/// The participant answers the command that a fence was sent after.
fn overtake(turn: &mut Turn<'_>, step: usize, fence: &Fence, reply: &Reply) -> Result<(), Refusal> {
    match (fence.purpose, reply.outcome) {
        (Purpose::Cancel, Outcome::Rejected) => {
            let fault = fault(&reply.payload, "rejected");
            refused(turn, step, fault, Some(fence.order));
        }
        (Purpose::Cancel, Outcome::AlreadyCompensated) => never_will(turn, step, Some(fence.order)),
        (Purpose::Skip, _) => took_effect_anyway(turn, step, fence, reply),
        (Purpose::Resolve, _) => turn.set(step, Progress::Compensated),
        (Purpose::Cancel, _) => forward(turn, step, &fence.flight, reply)?,
    }
    Ok(())
}

fn out_of_place(reply: &Reply) -> Refusal {
    Refusal::OutOfPlace {
        direction: reply.direction,
        outcome: reply.outcome,
    }
}

fn expired(turn: &mut Turn<'_>, step: usize, reply: &Reply) {
    let direction = reply.direction;
    turn.park(step, Trouble::Expired { direction });
}

/// The step took effect. Its reply is decoded here, where only this saga can suffer from it.
pub(super) fn took_effect(turn: &mut Turn<'_>, step: usize, payload: &Json) {
    match (turn.definition.steps()[step].check_reply)(payload) {
        Ok(()) => {
            turn.next.replies[step] = Some(payload.clone());
            turn.set(step, Progress::Done);
        }
        Err(error) => turn.park(step, Trouble::ReplyUnreadable { error }),
    }
}

/// The step that a person wanted to skip took effect by itself. If its reply cannot be read, the
/// person's is taken.
fn took_effect_anyway(turn: &mut Turn<'_>, step: usize, fence: &Fence, reply: &Reply) {
    took_effect(turn, step, &reply.payload);
    let substitute = substitute_of(turn, fence.order);
    if let (Progress::Parked(_), Some(substitute)) = (turn.progress(step), substitute) {
        turn.substitute(step, substitute);
        turn.set(step, Progress::Done);
    }
}

fn done_by_hand(turn: &mut Turn<'_>, step: usize, fence: &Fence) {
    if let Some(substitute) = substitute_of(turn, fence.order) {
        turn.substitute(step, substitute);
    }
    turn.set(step, Progress::ByHand);
}

fn substitute_of(turn: &Turn<'_>, order: OrderId) -> Option<Json> {
    turn.next.orders.get(&order)?.order.substitute().cloned()
}

/// A refusal is definite: nothing happened. Against the command's promise a person decides what
/// follows; one whose cancel waits for the pivot has decided already.
fn refused(turn: &mut Turn<'_>, step: usize, fault: Fault, cancel: Option<OrderId>) {
    if turn.definition.steps()[step].refusable {
        turn.set(step, Progress::Rejected(fault.clone()));
        let step = turn.name(step);
        turn.turn_back(Reason::Rejected { step, fault });
    } else if let Some(reason) = cancel.and_then(|order| cancelled_by(turn, order)) {
        turn.set(step, Progress::Rejected(fault));
        turn.turn_back(reason);
    } else {
        turn.park(step, Trouble::RejectedUnexpectedly { fault });
    }
}

/// The step can never take effect: a fence or a compensation came before it.
fn never_will(turn: &mut Turn<'_>, step: usize, cancel: Option<OrderId>) {
    if turn.definition.steps()[step].kind == StepKind::Retriable {
        turn.park(step, Trouble::CompensatedElsewhere);
        return;
    }
    turn.set(step, Progress::Compensated);
    let reason = cancel.and_then(|order| cancelled_by(turn, order));
    turn.turn_back(reason.unwrap_or_else(|| {
        let message = "the participant had compensated or fenced it before".to_owned();
        let fault = Fault::new("already-compensated", message);
        let step = turn.name(step);
        Reason::CompensatedElsewhere { step, fault }
    }));
}

fn cancelled_by(turn: &Turn<'_>, order: OrderId) -> Option<Reason> {
    let applied = turn.next.orders.get(&order)?;
    Some(cancelled(&applied.order))
}

fn failed(turn: &mut Turn<'_>, step: usize, flight: &Flight, reply: &Reply) {
    let ends_it = is_current(flight, reply) || is_seeded(Bug::TakesAnyReply);
    let flight = retry_later(turn, step, flight, reply);
    if ends_it && turn.next.is_unwinding() {
        turn.set(step, Progress::Unknown);
    } else if ends_it && may_give_up(turn, step, &flight) {
        give_up(turn, step, &flight);
    } else {
        turn.set(step, Progress::Forward(flight));
    }
}

/// The flight as it waits for its next attempt; as it was, but for what could not be read, where the
/// answer is one to an attempt that is over.
fn retry_later(turn: &Turn<'_>, step: usize, flight: &Flight, reply: &Reply) -> Flight {
    let policy = turn.policy(step);
    let (_, seed) = turn.next.id.0.as_u64_pair();
    let seed = seed ^ u64::try_from(step).unwrap_or(0);
    let exhausted = policy.is_last(flight.attempt).then_some(turn.now);
    let known = flight.unreadable.clone();
    let unreadable = known.or_else(|| unreadable(&reply.payload));
    if !is_current(flight, reply) && !is_seeded(Bug::TakesAnyReply) {
        return Flight {
            unreadable,
            ..flight.clone()
        };
    }
    Flight {
        unreadable,
        waits: Waits::Retry,
        was_published: false,
        withheld_since: None,
        due_at: turn.now + policy.delay_after(flight.attempt, seed),
        failure: Some(fault(&reply.payload, "failed")),
        exhausted_since: flight.exhausted_since.or(exhausted),
        ..flight.clone()
    }
}

/// What the participant said. An outcome decides by itself: a payload of another shape than a
/// fault's is shown as it is, and changes nothing.
pub(super) fn fault(payload: &Json, otherwise: &str) -> Fault {
    payload
        .read()
        .unwrap_or_else(|_| Fault::new(otherwise.to_owned(), payload.text().to_owned()))
}
