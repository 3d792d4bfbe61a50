//! What the history says of a saga's way.

use std::sync::Arc;

use sagas::machine::{
    Blocked, Entry, EntryKind, Event, Flight, Progress, Reply, Row, transition_withholding,
};
use sagas::{Definition, Direction, Json, Outcome, Saga, SagaId, Status};

use super::{Evidence, Finding, Stored, require};

/// From where a saga stands it goes only where the state machine says; it never turns back twice.
pub(super) fn only_legal_status_transitions(evidence: &Evidence<'_>) -> Finding {
    for (id, stored) in &evidence.sagas {
        let mut was = Status::Running;
        let mut has_turned = false;
        for entry in &stored.loaded.history {
            require(is_legal(was, entry.status, has_turned), *id, || {
                format!(
                    "revision {} makes {} of {was}",
                    entry.revision, entry.status
                )
            })?;
            was = entry.status;
            has_turned |= was == Status::Compensating;
        }
        let row = stored.loaded.row.status;
        require(row == was, *id, || {
            format!("the row says {row}, the history {was}")
        })?;
    }
    Ok(())
}

fn is_legal(was: Status, is: Status, has_turned: bool) -> bool {
    match (was, is) {
        (Status::Completed | Status::Compensated, _) => false,
        (_, Status::Running | Status::Completed) => !has_turned,
        (_, Status::Compensating | Status::Compensated | Status::Stuck) => true,
    }
}

/// The history, played again through the state machine, gives the stored state and the restored saga.
pub(super) fn history_replays_to_the_state(evidence: &Evidence<'_>) -> Finding {
    for (id, stored) in &evidence.sagas {
        let replayed = replay(*id, stored, |_, _| Ok(())).map_err(|text| (Some(*id), text))?;
        let row = &stored.loaded.row;
        require(replayed.moving == row.moving, *id, || {
            format!(
                "the history leads to {:?}, stored is {:?}",
                replayed.moving, row.moving
            )
        })?;
        let row = Row {
            id: *id,
            started_at: row.started_at,
            revision: row.revision,
            // Moved by wakes that find nothing to do, which are no history.
            wake_at: replayed.wake_at,
            moving: row.moving.clone(),
        };
        let restored = Saga::restore(&stored.definition, row, &stored.loaded.history);
        require(restored.as_ref() == Ok(&replayed), *id, || {
            format!("restored {restored:?}, replayed {replayed:?}")
        })?;
    }
    Ok(())
}

/// A wake takes for published only what the broker had acknowledged by then.
pub(super) fn wakes_know_what_was_published(evidence: &Evidence<'_>) -> Finding {
    let acknowledged = &evidence.journal.acknowledged;
    for (id, stored) in &evidence.sagas {
        let look = |saga: &Saga, entry: &Entry| {
            let stored_at = evidence.journal.stored_at.get(&(*id, entry.revision));
            let Some(stored_at) = stored_at.filter(|_| entry.published) else {
                return Ok(());
            };
            let mut attempts = saga
                .moving
                .steps
                .iter()
                .enumerate()
                .filter_map(open_attempt);
            let lacking = attempts.find(|(step, direction, flight)| {
                let (generation, attempt) = (flight.generation, flight.attempt);
                let attempt = (*id, *step, *direction, generation, attempt);
                acknowledged.get(&attempt).is_none_or(|at| at > stored_at)
            });
            lacking.map_or(Ok(()), |lacking| {
                Err(format!(
                    "revision {} takes for published {lacking:?}",
                    entry.revision
                ))
            })
        };
        replay(*id, stored, look).map_err(|text| (Some(*id), text))?;
    }
    Ok(())
}

/// What a step has in flight, if the broker may lack it.
fn open_attempt((step, progress): (usize, &Progress)) -> Option<(usize, Direction, &Flight)> {
    let direction = match progress {
        Progress::Compensating(_) => Direction::Compensate,
        Progress::Fencing(_) => Direction::Fence,
        _ => Direction::Forward,
    };
    let flight = progress.flight().filter(|flight| flight.is_unconfirmed());
    flight.map(|flight| (step, direction, flight))
}

/// Plays the history again, and looks at each state with the entry that follows it.
fn replay(
    id: SagaId,
    stored: &Stored,
    look: impl Fn(&Saga, &Entry) -> Result<(), String>,
) -> Result<Saga, String> {
    let (row, history) = (&stored.loaded.row, &stored.loaded.history);
    let definition = Arc::clone(&stored.definition);
    let first = history.first().ok_or("there is no history")?;
    let input = first.input.clone().ok_or("there is no input")?;
    let mut saga = Saga::new(&definition, id, input, row.started_at);
    for entry in history {
        look(&saga, entry)?;
        let event = event(entry);
        let (closed, excused) = (closed(&definition, entry), excused(&definition, entry));
        let blocked = Blocked {
            participants: &closed,
            steps: &excused,
        };
        let made = |event| transition_withholding(&definition, &saga, event, entry.at, blocked);
        let result = event.and_then(|event| made(event).ok());
        let same = result.filter(|made| made.entry == *entry);
        let made = same.ok_or_else(|| format!("revision {} does not follow", entry.revision))?;
        saga = made.next;
    }
    Ok(saga)
}

/// Participants whose topics took nothing when the entry was made, as far as that made a difference.
fn closed(definition: &Definition, entry: &Entry) -> Vec<&'static str> {
    let steps = definition.steps().iter();
    let withheld = steps.filter(|step| entry.withheld.contains(&step.name));
    withheld.map(|step| step.participant).collect()
}

/// Steps whose silence said nothing when the entry was made, as far as that made a difference.
fn excused(definition: &Definition, entry: &Entry) -> Vec<usize> {
    let steps = entry.excused.iter();
    steps.filter_map(|step| definition.position(step)).collect()
}

/// The event that made this entry.
fn event(entry: &Entry) -> Option<Event> {
    match entry.event {
        EntryKind::Started => Some(Event::Start),
        EntryKind::Wake => Some(Event::Wake {
            published: entry.published,
        }),
        EntryKind::Order => entry.order.clone().map(Event::Order),
        EntryKind::Reply => reply(entry).map(Event::Reply),
    }
}

fn reply(entry: &Entry) -> Option<Reply> {
    let (step, direction): (&String, Direction) = (entry.step.as_ref()?, entry.direction?);
    let outcome: Outcome = entry.outcome?;
    Some(Reply {
        step: step.clone(),
        direction,
        generation: entry.generation.unwrap_or(1),
        attempt: entry.attempt?,
        outcome,
        payload: entry.payload.clone().unwrap_or_else(Json::null),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saga_that_has_turned_back_never_goes_on() {
        use Status::{Compensated, Compensating, Completed, Running, Stuck};
        assert!(is_legal(Running, Completed, false));
        assert!(is_legal(Stuck, Compensating, false));
        assert!(!is_legal(Compensating, Running, true));
        assert!(!is_legal(Stuck, Completed, true));
        for end in [Completed, Compensated] {
            assert!(Status::ALL.iter().all(|next| !is_legal(end, *next, false)));
        }
    }
}
