//! What is due: commands to send again, silence to act upon, delays that are over, the deadline.
//!
//! Two clocks run for a command in flight. Until the broker has acknowledged it, it is sent again
//! after [`CONFIRM_WITHIN`], because the process that should have published it may be gone; that
//! is the same attempt. Once the policy's wait for a reply has passed, the participant's silence
//! makes a new attempt of it, acknowledged or not, because the participant may have lost it. If the
//! one before was acknowledged, the broker still has it for a participant that was away: nobody
//! asks whether the new one was published.
//!
//! The silence of a participant gives a step up only if the broker is known to have some attempt of its command:
//! where a process has just taken over, nobody knows, so the last attempt is sent once more.
//!
//! While the topic of a command takes nothing, neither clock decides anything: where one has run out, the
//! command is withheld. It is looked at more and more rarely, and sent, with its whole time anew, by the
//! first transition that finds the topic open.
//!
//! The saga's deadline turns it back while its point of no return is ahead. Once the pivot may have
//! happened it never does: the saga goes on, and needs attention until it ends. While a saga is
//! paused nothing is due, and it has no wake: it waits for a person.

use std::time::Duration;

use super::entry::EntryKind;
use super::point::{Point, point_of_no_return};
use super::progress::{Flight, Progress, Waits};
use super::saga::{Reason, Saga};
use super::turn::Turn;
use super::{Refusal, Transition};
use crate::definition::Definition;
use crate::fault::Fault;
use crate::sabotage::{Bug, is_seeded};
use crate::time::Timestamp;

/// A command that is not known to be published is sent again after this time.
///
/// Two seconds: long enough that a healthy broker has answered, short enough that the sagas of a
/// killed replica move again within five.
pub const CONFIRM_WITHIN: Duration = Duration::from_secs(2);

/// A withheld command is looked at after half of the time for which it has been withheld, but not before
/// this time: whoever withholds it wakes its saga when the topic is open again, unless it died or has too
/// many to remember.
pub const WITHHELD_LOOK_MIN: Duration = Duration::from_secs(10);

/// As [`WITHHELD_LOOK_MIN`], and no later than this: what is overlooked when the topic is open again waits
/// no longer.
pub const WITHHELD_LOOK_MAX: Duration = Duration::from_secs(60);

/// Does what is due.
pub(super) fn apply(mut turn: Turn<'_>, published: bool) -> Result<Transition, Refusal> {
    if turn.next.moving.paused.is_some() {
        return Err(Refusal::NothingDue { wake_at: None });
    }
    let mut moved = pass_deadline(&mut turn) || turn.has_something_to_release();
    // Giving up comes first: in a saga that turns back, no other step gets a new attempt.
    let steps = 0..turn.definition.steps().len();
    let exhausted =
        steps.filter_map(|step| Some((step, exhausted(&turn, step, published)?.clone())));
    for (step, flight) in exhausted.collect::<Vec<_>>() {
        let flight = Flight {
            was_published: flight.waits == Waits::Reply,
            ..flight
        };
        give_up(&mut turn, step, &flight);
        moved = true;
    }
    for step in 0..turn.definition.steps().len() {
        let Some(flight) = turn.progress(step).flight().cloned() else {
            continue;
        };
        if flight.withheld_since.is_some() {
            continue;
        }
        let is_due = flight.due_at <= turn.now;
        let is_unheard =
            !published && flight.is_unconfirmed() && flight.sent_at + CONFIRM_WITHIN <= turn.now;
        let is_blocked = (is_due || is_unheard) && waits_for_its_topic(&turn, step, &flight);
        if is_blocked && turn.is_closed(step) {
            turn.withhold(step);
        } else if is_blocked && !turn.is_of_no_use(step) {
            turn.excuse(step);
        } else if is_due && is_last(&turn, step, &flight) {
            // Otherwise it would have been given up.
            turn.repeat_afresh(step);
        } else if is_due {
            overdue(&mut turn, step, published);
        } else if is_unheard {
            turn.repeat(step);
        }
        moved |= is_due || is_unheard;
    }
    if !moved {
        return Err(Refusal::NothingDue {
            wake_at: earliest(turn.definition, &turn.next, turn.now),
        });
    }
    // What was due is done with; the wake starts from the flights as they are now.
    let (definition, now) = (turn.definition, turn.now);
    let mut transition = turn.finish(EntryKind::Wake);
    transition.next.wake_at = earliest(definition, &transition.next, now);
    transition.entry.published = published;
    Ok(transition)
}

/// Acts on the saga's deadline, once.
pub(super) fn pass_deadline(turn: &mut Turn<'_>) -> bool {
    let deadline = turn.next.deadline_at(turn.definition);
    let Some(deadline) = deadline.filter(|at| *at <= turn.now) else {
        return false;
    };
    match point_of_no_return(turn) {
        Point::Ahead => {
            let message = format!("the saga had to pass its point of no return before {deadline}");
            let fault = Fault::new("deadline-passed", message);
            turn.turn_back(Reason::DeadlinePassed { fault });
        }
        Point::InFlight(_) | Point::Asked | Point::Passed => {
            turn.next.moving.overdue_since = Some(turn.now);
        }
    }
    true
}

impl Saga {
    /// The saga's deadline, while it still means something: it has not turned back, and the deadline
    /// was not acted upon.
    #[must_use]
    pub fn deadline_at(&self, definition: &Definition) -> Option<Timestamp> {
        let counts = !self.is_unwinding()
            && self.moving.overdue_since.is_none()
            && !self.status().is_terminal();
        let after_start = definition.deadline().filter(|_| counts);
        after_start.map(|after_start| self.started_at + after_start)
    }
}

/// The flight of a step whose last attempt before giving up is over. A saga that turns back has
/// nothing left to give up.
fn exhausted<'a>(turn: &'a Turn<'_>, step: usize, published: bool) -> Option<&'a Flight> {
    let flight = turn.progress(step).flight()?;
    let is_due = is_last(turn, step, flight) && flight.due_at <= turn.now;
    let is_known = published || flight.was_published || flight.waits == Waits::Retry;
    let is_silence = !waits_for_its_topic(turn, step, flight);
    (is_due && is_known && is_silence).then_some(flight)
}

/// Whether the step is given up on unless the attempt in flight succeeds.
fn is_last(turn: &Turn<'_>, step: usize, flight: &Flight) -> bool {
    let is_forward = matches!(turn.progress(step), Progress::Forward(_));
    is_forward && may_give_up(turn, step, flight) && !turn.next.is_unwinding()
}

/// Whether no reply may come because the topic of the command takes nothing, or took nothing until now.
fn waits_for_its_topic(turn: &Turn<'_>, step: usize, flight: &Flight) -> bool {
    let is_closed =
        turn.is_closed(step) || turn.was_closed(step) || flight.withheld_since.is_some();
    flight.waits == Waits::Reply && is_closed && !is_seeded(Bug::CountsClosedTopics)
}

/// Whether the attempts of a forward command are used up, and that turns the saga back. It does not
/// where an answer could not be used: that may have been a success, and a person looks.
pub(super) fn may_give_up(turn: &Turn<'_>, step: usize, flight: &Flight) -> bool {
    turn.definition.steps()[step].kind.may_be_given_up()
        && turn.policy(step).is_last(flight.attempt)
        && (flight.unreadable.is_none() || is_seeded(Bug::GivesUpOnTheUnreadable))
}

/// The participant stayed silent, or the delay after a failure is over.
fn overdue(turn: &mut Turn<'_>, step: usize, published: bool) {
    let flight = turn.progress(step).flight();
    // An attempt that was answered is over: its copy at the broker brings no other answer.
    let was_published = flight
        .is_some_and(|flight| flight.waits == Waits::Reply && (published || flight.was_published));
    let is_forward = matches!(turn.progress(step), Progress::Forward(_));
    if is_forward && turn.next.is_unwinding() {
        turn.set(step, Progress::Unknown);
    } else {
        turn.try_again(step, was_published);
    }
}

/// The attempts of a step before the point of no return are used up. Nobody knows whether it took
/// effect, so it is compensated with the others.
pub(super) fn give_up(turn: &mut Turn<'_>, step: usize, flight: &Flight) {
    let last = flight.last_word();
    let attempts = match flight.attempt {
        1 => "1 attempt".to_owned(),
        more => format!("{more} attempts"),
    };
    let message = format!("no success in {attempts}; {last}");
    let fault = Fault::new("attempts-exhausted", message);
    turn.set(step, Progress::Unknown);
    if is_seeded(Bug::TakesSilenceForRefusal) {
        turn.set(step, Progress::Rejected(fault.clone()));
    }
    let step = turn.name(step);
    turn.turn_back(Reason::Exhausted { step, fault });
}

/// The wake after a transition that was not a wake: never later than the stored one, which may
/// stand for something that nobody has looked at yet. A fast saga thus leaves it alone.
pub(super) fn wake_at(
    definition: &Definition,
    saga: &Saga,
    stored: Option<Timestamp>,
    now: Timestamp,
) -> Option<Timestamp> {
    let earliest = earliest(definition, saga, now)?;
    Some(stored.map_or(earliest, |stored| stored.min(earliest)))
}

/// When the next thing is due.
fn earliest(definition: &Definition, saga: &Saga, now: Timestamp) -> Option<Timestamp> {
    if saga.moving.paused.is_some() || is_seeded(Bug::ForgetsWakes) {
        return None;
    }
    let flights = saga.moving.steps.iter().filter_map(Progress::flight);
    let due = flights.map(|flight| {
        if let Some(since) = flight.withheld_since {
            let half = now.since(since) / 2;
            return now + half.clamp(WITHHELD_LOOK_MIN, WITHHELD_LOOK_MAX);
        }
        let confirm_at = flight.sent_at + CONFIRM_WITHIN;
        // Once that instant is past, its wake has come, or stands in the stored one.
        if flight.is_unconfirmed() && confirm_at > now {
            confirm_at.min(flight.due_at)
        } else {
            flight.due_at
        }
    });
    due.chain(saga.deadline_at(definition)).min()
}
