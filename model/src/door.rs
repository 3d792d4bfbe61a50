//! The one door of all events: decide, commit against the revision, then publish.
//!
//! It does what the engine does around [`transition`], as plainly as it can be said: a copy that was
//! overtaken is not written, a refusal from a copy is decided again, and what was committed is not
//! unsaid when the process dies before it published.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use sagas::machine::{Event, Saga, Transition, transition};
use sagas::{Refusal, Timestamp};

use crate::action::{Door, Due};
use crate::rule::Rule;
use crate::sabotage::Sabotage;
use crate::shape;
use crate::state::{Mail, NOW, State, flight};
use crate::world::World;

/// Applies an event; `None` where nothing changes.
pub(crate) fn pass(
    world: &World,
    state: &State,
    event: &Event,
    due: Option<Due>,
    door: Door,
) -> Option<State> {
    let stored = at(&state.saga, due);
    let is_left = other_binaries_leave_it(world, &stored, event);
    let fresh = transition(&world.definition, &stored, event.clone(), NOW);
    let (decided, is_the_last_word) = match (&state.copy, door) {
        (Some(copy), Door::Copied) => {
            let decided = decide_on_a_copy(world, &stored, &at(copy, due), event);
            let is_the_last_word = decided == fresh;
            (decided, is_the_last_word)
        }
        _ => (fresh, true),
    };
    if let (Err(refusal), true, true) = (&decided, is_left, is_the_last_word)
        && !matches!(refusal, Refusal::NothingDue { .. })
    {
        return None;
    }
    let mut after = state.clone();
    after.require(is_left, Rule::LeavesItToItsBinary);
    after.require(is_the_last_word, Rule::TrustsNoCopy);
    if door == Door::Copied {
        after.copy = None;
    }
    match decided {
        Ok(transition) => commit(world, &mut after, &stored, event, transition, door),
        Err(Refusal::NothingDue { wake_at }) => after.saga.wake_at = wake_at.map(|_| NOW),
        Err(_) => {}
    }
    after.canonize(&world.definition, &world.configuration);
    // A command that is sent again may change nothing but what is under way.
    let sent = after.commands != state.commands;
    let changed = sent || after.saga != state.saga || after.broken.is_some();
    changed.then_some(after)
}

/// The saga at an instant at which this is due.
fn at(saga: &Saga, due: Option<Due>) -> Cow<'_, Saga> {
    if due.is_none() {
        return Cow::Borrowed(saga);
    }
    let mut saga = saga.clone();
    let steps = saga.moving.steps.iter_mut().enumerate();
    let flights = steps.filter_map(|(step, progress)| Some((step, flight(progress)?)));
    for (step, flight) in flights {
        match due {
            Some(Due::Everything) => flight.due_at = NOW,
            Some(Due::Flight(silent)) if silent == step => flight.due_at = NOW,
            Some(Due::Unconfirmed) => {
                flight.sent_at = long_ago(NOW, sagas::machine::CONFIRM_WITHIN)
            }
            Some(Due::Flight(_) | Due::Deadline) | None => {}
        }
    }
    if due == Some(Due::Deadline) {
        saga.started_at = long_ago(NOW, shape::DEADLINE);
    }
    Cow::Owned(saga)
}

fn long_ago(now: Timestamp, ago: Duration) -> Timestamp {
    now - ago
}

/// What comes of an event that was first decided on a copy.
fn decide_on_a_copy(
    world: &World,
    stored: &Saga,
    copy: &Saga,
    event: &Event,
) -> Result<Transition, Refusal> {
    let decided = transition(&world.definition, copy, event.clone(), NOW);
    let is_newest = copy.revision == stored.revision;
    let is_final = match (&decided, world.sabotage) {
        (Ok(_), Some(Sabotage::WritesOverNewer)) | (Err(_), Some(Sabotage::BelievesTheCopy)) => {
            true
        }
        // The write names the revision that it read.
        (Ok(_), _) => is_newest,
        // No write, no revision check.
        (Err(_), _) => false,
    };
    if is_final {
        decided
    } else {
        transition(&world.definition, stored, event.clone(), NOW)
    }
}

/// Whether binaries that cannot move the saga do not: one that lacks its definition, and one that has
/// changed it.
///
/// The first is the caller's rule: it looks the pinned definition up and finds none, so it has
/// nothing to decide with. The second is the state machine's own: it refuses whatever it is given.
fn other_binaries_leave_it(world: &World, stored: &Saga, event: &Event) -> bool {
    let mut others = world.others.iter();
    others.all(|binary| match binary.pinned(stored, world.sabotage) {
        None => true,
        Some(definition) => {
            let mut saga = Cow::Borrowed(stored);
            if world.sabotage == Some(Sabotage::IgnoresFingerprints) {
                saga.to_mut().fingerprint = definition.fingerprint();
            }
            let verdict = transition(definition, &saga, event.clone(), NOW);
            matches!(verdict, Err(Refusal::OtherDefinition { .. }))
        }
    })
}

fn commit(
    world: &World,
    after: &mut State,
    before: &Saga,
    event: &Event,
    mut transition: Transition,
    door: Door,
) {
    if let Some(sabotage) = world.sabotage {
        sabotage.spoil(event, before, &mut transition);
    }
    applied_again_it_is_refused(world, after, event, &transition);
    let Transition {
        next,
        entry,
        sends,
        notices,
        ..
    } = transition;
    after.require(next.revision == before.revision + 1, Rule::TrustsNoCopy);
    after.saga = next;
    after.saga.started_at = NOW;
    // Without a crash to come nobody reads it.
    if after.left.crashes > 0 && world.sabotage != Some(Sabotage::LosesHistory) {
        after.history.push(entry);
    }
    if let Some(copy) = &mut after.copy {
        let overtaken = Saga {
            revision: crate::state::REVISION - 1,
            ..Saga::clone(copy)
        };
        *copy = overtaken.into();
    }
    let max_attempts = world.configuration.max_attempts;
    for send in sends.iter().chain(&notices) {
        let (mail, text) = (Mail::of(send), send.payload.text());
        let first = after.bytes.get(&mail);
        let is_the_same = first.is_none_or(|first| first == text);
        if first.is_none() {
            Arc::make_mut(&mut after.bytes).insert(mail, text.to_owned());
        }
        after.require(is_the_same, Rule::KeepsItsBytes);
    }
    if door == Door::Unpublished {
        after.left.crashes -= 1;
    } else {
        for send in &sends {
            after.send(send, max_attempts);
        }
    }
    // They are stored until they are published.
    for notice in &notices {
        after.send(notice, max_attempts);
    }
}

/// A commit whose end nobody saw: the caller reloads the saga and applies the event once more.
fn applied_again_it_is_refused(
    world: &World,
    after: &mut State,
    event: &Event,
    first: &Transition,
) {
    let again = transition(&world.definition, &first.next, event.clone(), NOW);
    after.require(again.is_err(), Rule::CountsOnce);
}
