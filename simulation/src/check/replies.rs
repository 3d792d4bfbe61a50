//! What counts as an answer.

use sagas::fault::UNREADABLE_REPLY;
use sagas::machine::{Entry, EntryKind, Reason, Sent};
use sagas::{Direction, Fault, Outcome, SagaId, Status};

use super::{Evidence, Finding, require};
use crate::journal::Said;

/// Whether a reply answers one of these, and may count: a `failed` for the last attempt alone, what
/// is final for the newest generation, unless the step is to be undone anyway.
fn counts(entry: &Entry, asked: &[&Sent]) -> bool {
    let generation = entry.generation.unwrap_or(1);
    let is_answered =
        |sent: &&&Sent| (sent.generation, Some(sent.attempt)) == (generation, entry.attempt);
    let Some(last) = asked
        .last()
        .filter(|_| asked.iter().any(|sent| is_answered(&sent)))
    else {
        return false;
    };
    match entry.outcome {
        // What cannot be used may have been final.
        Some(Outcome::Failed) => is_answered(&last) || is_unreadable(entry),
        _ if entry.late || entry.direction == Some(Direction::Fence) => true,
        _ => generation == last.generation || entry.status != Status::Running,
    }
}

/// Whether an answer came that could not be used.
pub(super) fn is_unreadable(entry: &Entry) -> bool {
    let payload = entry.payload.as_ref();
    let fault = payload.and_then(|payload| payload.read::<Fault>().ok());
    entry.outcome == Some(Outcome::Failed)
        && fault.is_some_and(|fault| fault.code == UNREADABLE_REPLY)
}

/// Promise 4: a step is not given up on while an answer to its newest command could not be used.
pub(super) fn no_step_is_given_up_on_unread(evidence: &Evidence<'_>) -> Finding {
    for (id, stored) in &evidence.sagas {
        let Some(Reason::Exhausted { step, .. }) = &stored.loaded.row.moving.reason else {
            continue;
        };
        let history = &stored.loaded.history;
        let sent = history.iter().flat_map(|entry| &entry.sent);
        let sent = sent.filter(|sent| sent.step == *step && sent.direction == Direction::Forward);
        let newest = sent.map(|sent| sent.generation).max();
        let unread = history.iter().find(|entry| {
            entry.step.as_ref() == Some(step)
                && entry.direction == Some(Direction::Forward)
                && Some(entry.generation.unwrap_or(1)) == newest
                && is_unreadable(entry)
        });
        require(unread.is_none(), *id, || {
            format!("{step} was given up on, and this answer was not read: {unread:?}")
        })?;
    }
    Ok(())
}

/// What history takes from a participant is what a participant said, to a command that was sent and
/// still counts.
pub(super) fn a_reply_counts_for_its_own_command_only(evidence: &Evidence<'_>) -> Finding {
    for (id, stored) in &evidence.sagas {
        let replies = stored.loaded.history.iter();
        let replies = replies.filter(|entry| entry.event == EntryKind::Reply);
        for entry in replies {
            let answer =
                told(*id, entry).filter(|answer| evidence.journal.answers.contains(answer));
            require(answer.is_some(), *id, || {
                format!("no participant said what revision {} has", entry.revision)
            })?;
            let before = stored.loaded.history.iter();
            let before = before.take_while(|other| other.revision < entry.revision);
            let sent = before.flat_map(|other| &other.sent).filter(|sent| {
                entry.step.as_ref() == Some(&sent.step) && entry.direction == Some(sent.direction)
            });
            let asked: Vec<&Sent> = sent.collect();
            require(counts(entry, &asked), *id, || {
                let revision = entry.revision;
                format!("revision {revision} takes an answer to something else: {entry:?}")
            })?;
        }
    }
    Ok(())
}

fn told(saga: SagaId, entry: &Entry) -> Option<Said> {
    Some(Said {
        saga,
        step: entry.step.clone()?,
        direction: entry.direction?,
        generation: entry.generation.unwrap_or(1),
        attempt: entry.attempt?,
        outcome: entry.outcome?,
        payload: entry.payload.as_ref()?.text().to_owned(),
    })
}
