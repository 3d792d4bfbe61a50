//! What is due: commands to send again, silence to act upon, delays that are over.
//!
//! Two clocks run for a command in flight. Until the broker has acknowledged it, it is sent again
//! after [`CONFIRM_WITHIN`], because the process that should have published it may be gone; that
//! is the same attempt. Once the policy's `reply_within` has passed, the participant's silence
//! makes a new attempt of it, acknowledged or not, because the participant may have lost it.

use std::time::Duration;

use super::entry::EntryKind;
use super::saga::{Flight, Progress, Reason, Saga, Waits};
use super::turn::Turn;
use super::{Refusal, Transition};
use crate::definition::StepKind;
use crate::fault::Fault;
use crate::time::Timestamp;

/// A command that is not known to be published is sent again after this time.
///
/// Two seconds: long enough that a healthy broker has answered, short enough that the sagas of a
/// killed replica move again within five.
pub const CONFIRM_WITHIN: Duration = Duration::from_secs(2);

/// Does what is due.
pub(super) fn apply(mut turn: Turn<'_>, published: bool) -> Result<Transition, Refusal> {
    let mut moved = false;
    // Giving up comes first: in a saga that turns back, no other step gets a new attempt.
    for step in 0..turn.definition.steps().len() {
        let exhausted = exhausted(&turn, step).cloned();
        if let Some(flight) = exhausted {
            give_up(&mut turn, step, &flight);
            moved = true;
        }
    }
    for step in 0..turn.definition.steps().len() {
        let Some(flight) = turn.progress(step).flight().cloned() else {
            continue;
        };
        if flight.due_at <= turn.now {
            overdue(&mut turn, step, &flight);
            moved = true;
        } else if !published
            && is_unconfirmed(&flight)
            && flight.sent_at + CONFIRM_WITHIN <= turn.now
        {
            turn.relaunch(step, flight.attempt);
            moved = true;
        }
    }
    if !moved {
        return Err(Refusal::NothingDue {
            wake_at: earliest(&turn.next, turn.now),
        });
    }
    // What was due is done with; the wake starts from the flights as they are now.
    let now = turn.now;
    let mut transition = turn.finish(EntryKind::Wake);
    transition.next.wake_at = earliest(&transition.next, now);
    Ok(transition)
}

fn is_unconfirmed(flight: &Flight) -> bool {
    flight.waits == Waits::Reply
}

/// The flight of a step whose last attempt before giving up is over. A saga that turns back has
/// nothing left to give up.
fn exhausted<'a>(turn: &'a Turn<'_>, step: usize) -> Option<&'a Flight> {
    let Progress::Forward(flight) = turn.progress(step) else {
        return None;
    };
    let may_give_up = turn.definition.steps()[step].kind == StepKind::Compensatable
        && turn.definition.retry().is_last(flight.attempt)
        && !turn.before.is_unwinding();
    (may_give_up && flight.due_at <= turn.now).then_some(flight)
}

/// The participant stayed silent, or the delay after a failure is over.
fn overdue(turn: &mut Turn<'_>, step: usize, flight: &Flight) {
    let is_forward = matches!(turn.progress(step), Progress::Forward(_));
    if is_forward && turn.next.is_unwinding() {
        turn.set(step, Progress::Unknown);
    } else {
        turn.relaunch(step, flight.attempt + 1);
    }
}

/// The attempts of a step before the point of no return are used up. Nobody knows whether it took
/// effect, so it is compensated with the others.
pub(super) fn give_up(turn: &mut Turn<'_>, step: usize, flight: &Flight) {
    let last = match &flight.failure {
        Some(failure) => format!("the last failure was {}: {}", failure.code, failure.message),
        None => "the participant stayed silent".to_owned(),
    };
    let message = format!("no success in {} attempts; {last}", flight.attempt);
    let fault = Fault::new("attempts-exhausted", message);
    turn.set(step, Progress::Unknown);
    turn.turn_back(|step| Reason::Exhausted { step, fault }, step);
}

/// The wake after a transition that was not a wake: never later than the stored one, which may
/// stand for something that nobody has looked at yet. A fast saga thus leaves it alone.
pub(super) fn wake_at(saga: &Saga, stored: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
    let earliest = earliest(saga, now)?;
    Some(stored.map_or(earliest, |stored| stored.min(earliest)))
}

/// When the next thing is due.
fn earliest(saga: &Saga, now: Timestamp) -> Option<Timestamp> {
    let flights = saga.moving.steps.iter().filter_map(Progress::flight);
    let due = flights.map(|flight| {
        let confirm_at = flight.sent_at + CONFIRM_WITHIN;
        // Once that instant is past, its wake has come, or stands in the stored one.
        if is_unconfirmed(flight) && confirm_at > now {
            confirm_at.min(flight.due_at)
        } else {
            flight.due_at
        }
    });
    due.min()
}
