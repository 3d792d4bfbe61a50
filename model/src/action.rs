//! What may happen next in a world.

use sagas::machine::{Progress, Waits};
use sagas::testkit::Intent;
use sagas::{Direction, Outcome, Status};

use crate::rule::Rule;
use crate::state::{Answered, Mail, State};
use crate::world::World;

/// One thing that happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// A command reaches its participant, which does this with it if it may.
    Deliver(Mail, Handler),
    /// A reply reaches the orchestrator.
    Answer(Answered, Door),
    /// Time passed.
    Wake(Due, Door),
    /// An operator gives an order.
    Order(Intent, Door),
    /// The process dies; another one puts the saga together from what is stored.
    Crash,
    /// Everything under way gets lost.
    Lose,
    /// The participant of this step drops its rows.
    Purge(usize),
    /// A replica reads the saga and keeps the copy.
    Copy,
}

/// What a handler does if the barrier lets it run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handler {
    /// Takes effect.
    Succeeds,
    /// Refuses.
    Refuses,
    /// Takes effect, and its reply does not have the shape of its type.
    Babbles,
    /// Answers `failed`, whatever the barrier says: another instance may have done it.
    Fails,
}

/// How an event comes to the state machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// Decided, committed, published.
    Open,
    /// Committed, and the process died before it published, or took the commit for failed.
    Unpublished,
    /// Decided on a copy first.
    Copied,
}

/// What is due at a wake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// The flight of this step: the participant stayed silent, or the delay is over.
    Flight(usize),
    /// All flights at once.
    Everything,
    /// Nobody knows whether what is in flight was published.
    Unconfirmed,
    /// The saga's deadline passed.
    Deadline,
}

impl Action {
    /// Whether it happens by itself where nothing goes wrong any more and nobody helps.
    #[must_use]
    pub fn is_fair(&self, before: &State) -> bool {
        match self {
            Self::Deliver(_, handler) => *handler == Handler::Succeeds,
            Self::Answer(_, door) => *door == Door::Open,
            Self::Wake(Due::Unconfirmed, door) => *door == Door::Open,
            // Only what was lost stays silent, only what failed waits.
            Self::Wake(Due::Flight(step), door) => {
                let flight = before.saga.moving.steps[*step].flight();
                let waits = flight.is_some_and(|flight| flight.waits == Waits::Retry);
                let is_lost = before.commands.keys().all(|mail| mail.step != *step);
                *door == Door::Open && (waits || is_lost)
            }
            Self::Wake(Due::Everything | Due::Deadline, _)
            | Self::Order(..)
            | Self::Crash
            | Self::Lose
            | Self::Purge(_)
            | Self::Copy => false,
        }
    }
}

/// Collects what may happen in `state`. The order is the same for the same state.
pub(crate) fn possible(world: &World, state: &State, actions: &mut Vec<Action>) {
    // What follows from a bug is not searched: the real code may refuse to go on from there.
    let is_sound = |rule: &Rule| rule.holds(&world.definition, state);
    let is_broken = world.sabotage.is_some() && !Rule::ALL.iter().all(is_sound);
    if is_broken || state.broken.is_some() {
        return;
    }
    for mail in state.commands.keys() {
        let handlers = handlers(world, *mail).into_iter();
        actions.extend(handlers.map(|handler| Action::Deliver(*mail, handler)));
    }
    for door in doors(state) {
        let replies = state.replies.iter().cloned();
        actions.extend(replies.map(|reply| Action::Answer(reply, door)));
        actions.extend(due(world, state).map(|due| Action::Wake(due, door)));
        if state.left.orders > 0 {
            let intents = world.configuration.intents.iter();
            let count = world.configuration.shape.len();
            let intents = intents.flat_map(|intent| intent.for_steps(count));
            actions.extend(intents.map(|intent| Action::Order(intent, door)));
        }
    }
    if state.left.crashes > 0 {
        actions.push(Action::Crash);
    }
    if state.left.losses > 0 {
        actions.push(Action::Lose);
    }
    if state.left.purges > 0 {
        actions.extend((0..world.configuration.shape.len()).map(Action::Purge));
    }
    if state.left.copies > 0 {
        actions.push(Action::Copy);
    }
}

fn doors(state: &State) -> Vec<Door> {
    let mut doors = vec![Door::Open];
    doors.extend((state.left.crashes > 0).then_some(Door::Unpublished));
    doors.extend(state.copy.is_some().then_some(Door::Copied));
    doors
}

fn handlers(world: &World, mail: Mail) -> Vec<Handler> {
    let answers = world.configuration.answers;
    let is_refusable = world.configuration.shape[mail.step].is_refusable;
    let may_refuse = match mail.direction {
        Direction::Forward if is_refusable => answers.refuse,
        Direction::Forward | Direction::Compensate => answers.break_their_word,
        Direction::Fence => false,
    };
    let is_forward = mail.direction == Direction::Forward;
    let mut handlers = vec![Handler::Succeeds];
    handlers.extend(may_refuse.then_some(Handler::Refuses));
    handlers.extend((is_forward && answers.babble).then_some(Handler::Babbles));
    handlers.extend(answers.fail.then_some(Handler::Fails));
    handlers
}

fn due<'a>(world: &World, state: &'a State) -> impl Iterator<Item = Due> + use<'a> {
    let steps = &state.saga.moving.steps;
    let flies = |progress: &Progress| progress.flight().is_some();
    let count = steps.iter().filter(|progress| flies(progress)).count();
    let flights = (0..steps.len()).filter(move |step| flies(&steps[*step]));
    let has_deadline = world.configuration.has_deadline;
    // Without a wake nobody looks at the saga.
    let is_woken = state.saga.wake_at.is_some();
    let everything = (count > 1).then_some(Due::Everything);
    let unconfirmed = (count > 0).then_some(Due::Unconfirmed);
    let deadline = has_deadline.then_some(Due::Deadline);
    let rest = [everything, unconfirmed, deadline].into_iter().flatten();
    let all = flights.map(Due::Flight).chain(rest);
    all.filter(move |_| is_woken)
}

/// Whether nothing happens by itself any more, and a person sees that.
pub(crate) fn is_at_rest(state: &State) -> bool {
    let moving = &state.saga.moving;
    let status = state.saga.status();
    let flies = |progress: &Progress| progress.flight().is_some();
    let is_still = !moving.steps.iter().any(flies);
    status.is_terminal() || moving.paused.is_some() || (status == Status::Stuck && is_still)
}

/// Whether the outcome depends on the attempt that it answers.
pub(crate) fn counts_attempts(outcome: Outcome) -> bool {
    outcome == Outcome::Failed
}
