//! What holds after every transition of every saga, whatever the definition and the event.
//!
//! Broken rules come back as text instead of a panic, so that the tests which seed a bug can see
//! that it is noticed.

use crate::definition::Definition;
use crate::direction::Direction;
use crate::machine::{
    Announcement, Entry, Paper, Progress, REVISION_MAX, Row, Saga, Sent, Transition,
};

/// What makes a rule broken, in words.
pub type Broken = String;

/// Checks one transition; `history` ends with its entry.
///
/// # Errors
///
/// The first rule that is broken.
pub fn check(
    definition: &Definition,
    before: &Saga,
    transition: &Transition,
    history: &[Entry],
) -> Result<(), Broken> {
    let next = &transition.next;
    require(
        next.revision == before.revision + 1,
        "the revision did not grow by one",
    )?;
    require(
        transition.entry.revision == next.revision,
        "the entry has another revision",
    )?;
    require(
        transition.entry.status == next.status(),
        "the entry has another status",
    )?;
    require(
        !before.status().is_terminal() || before.revision == 0,
        "a terminal saga changed",
    )?;
    let changed = before.status() != next.status();
    require(
        before.revision == 0 || changed == transition.announcement.is_some(),
        "a change of status and its announcement do not go together",
    )?;
    numbers(before, transition)?;
    revision_bounds(next)?;
    sends(definition, before, transition)?;
    papers_never_change(before, next)?;
    restored_is_the_same(definition, next, history)
}

/// The rule, in words, unless it holds.
///
/// # Errors
///
/// `otherwise`, unless it holds.
pub fn require(holds: bool, otherwise: &str) -> Result<(), Broken> {
    if holds {
        Ok(())
    } else {
        Err(otherwise.to_owned())
    }
}

/// A saga's lifecycle events have the numbers 1, 2, 3, … in the order of its revisions; the first is its
/// start.
fn numbers(before: &Saga, transition: &Transition) -> Result<(), Broken> {
    let announcement = transition.announcement;
    let more = u32::from(announcement.is_some());
    require(
        transition.next.moving.announced == before.moving.announced + more,
        "the numbers of its lifecycle events have a gap",
    )?;
    let is_first = transition.next.moving.announced == 1 && more == 1;
    require(
        is_first == (announcement == Some(Announcement::Started)),
        "its first lifecycle event is not its start",
    )
}

/// What is counted on the wire never runs ahead of the revision, whose bound is that of all.
fn revision_bounds(next: &Saga) -> Result<(), Broken> {
    let flights = next.moving.steps.iter().filter_map(Progress::flight);
    let counts = flights.flat_map(|flight| [flight.attempt, flight.generation]);
    let mut counts = counts.chain([next.moving.announced]);
    require(
        counts.all(|count| u64::from(count) <= next.revision) && next.revision <= REVISION_MAX,
        "a number that goes on the wire grew faster than the revision",
    )
}

/// What is sent is what the next state says is in flight, and it is in the history.
fn sends(definition: &Definition, before: &Saga, transition: &Transition) -> Result<(), Broken> {
    let next = &transition.next;
    if next.moving.paused.is_some() {
        return require(transition.sends.is_empty(), "a paused saga sent something");
    }
    let (notices, sends) = (&transition.notices, &transition.sends);
    let entry = &transition.entry;
    let goes_out = |sent: &&Sent| !entry.withheld.contains(&sent.step);
    require(
        sends.len() + notices.len() == entry.sent.iter().filter(goes_out).count(),
        "sends are not in the history",
    )?;
    let is_awaited = |step: usize| definition.steps()[step].kind.is_awaited();
    require(
        notices.iter().all(|notice| !is_awaited(notice.step)),
        "a command that is waited for went out as a notice",
    )?;
    let position = |name: &str| definition.position(name).expect("history names steps");
    let sent = entry.sent.iter().filter(goes_out);
    let sent = sent.filter(|sent| is_awaited(position(&sent.step)));
    for (send, sent) in sends.iter().zip(sent) {
        let progress = &next.moving.steps[send.step];
        let flight = progress
            .flight()
            .ok_or("a command was sent that is not in flight")?;
        require(
            flight.withheld_since.is_none(),
            "a command was sent and counts as withheld",
        )?;
        require(
            progress.direction() == Some(send.direction),
            "sent in another direction",
        )?;
        require(
            (send.generation, send.attempt) == (flight.generation, flight.attempt),
            "sent as another attempt than the one in flight",
        )?;
        require(
            sent.step == definition.steps()[send.step].name,
            "the history has another step",
        )?;
        let stored = match send.direction {
            Direction::Forward => next.papers[send.step].forward.as_ref(),
            Direction::Compensate => next.papers[send.step].compensation.as_ref(),
            Direction::Fence => None,
        };
        require(
            stored.is_none_or(|stored| stored.generation == send.generation),
            "sent as another generation than the stored one",
        )?;
        let text = stored.map_or("null", |stored| stored.payload.text());
        require(
            send.payload.text() == text,
            "sent bytes are not the stored ones",
        )?;
        let was = &before.moving.steps[send.step];
        let is_new_attempt = was
            .flight()
            .is_none_or(|was| (was.generation, was.attempt) < (flight.generation, flight.attempt));
        require(
            !(next.is_unwinding() && send.direction == Direction::Forward && is_new_attempt),
            "a saga that turns back made a new attempt forward",
        )?;
        require(
            send.direction != Direction::Compensate || next.is_unwinding(),
            "a compensation without a reason",
        )?;
    }
    Ok(())
}

/// The bytes of one generation stay; generations only grow.
fn papers_never_change(before: &Saga, next: &Saga) -> Result<(), Broken> {
    let kept = |was: &Option<Paper>, is: &Option<Paper>| match (was, is) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(was), Some(is)) => was == is || was.generation + 1 == is.generation,
    };
    for (was, is) in before.papers.iter().zip(&next.papers) {
        let kept = kept(&was.forward, &is.forward) && kept(&was.compensation, &is.compensation);
        require(kept, "the bytes of a command changed")?;
    }
    Ok(())
}

/// A stored saga is the live one, byte by byte through the JSON that is stored.
fn restored_is_the_same(
    definition: &Definition,
    live: &Saga,
    history: &[Entry],
) -> Result<(), Broken> {
    let restored = restore(definition, live, history)?;
    if restored == *live {
        Ok(())
    } else {
        Err(format!("restored:\n{restored:#?}\nlive:\n{live:#?}"))
    }
}

/// Writes the saga down as a store does, and reads it again.
///
/// # Errors
///
/// When it cannot be written or read.
pub fn restore(definition: &Definition, live: &Saga, history: &[Entry]) -> Result<Saga, Broken> {
    let written = |error: serde_json::Error| format!("cannot be stored: {error}");
    let read = |error: serde_json::Error| format!("cannot be read again: {error}");
    let moving = serde_json::to_string(&live.moving).map_err(written)?;
    let entries: Result<Vec<Entry>, Broken> = history
        .iter()
        .map(|entry| {
            let text = serde_json::to_string(entry).map_err(written)?;
            serde_json::from_str(&text).map_err(read)
        })
        .collect();
    let row = Row {
        id: live.id,
        started_at: live.started_at,
        revision: live.revision,
        wake_at: live.wake_at,
        moving: serde_json::from_str(&moving).map_err(read)?,
    };
    Saga::restore(definition, row, &entries?)
        .map_err(|error| format!("cannot be restored: {error}"))
}
