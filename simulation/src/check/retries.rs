//! When a command is tried again, and how often.

use std::collections::BTreeMap;
use std::time::Duration;

use sagas::machine::{Entry, EntryKind, OrderKind, Reason, Sent};
use sagas::retry::SILENCE_MAX;
use sagas::{Direction, Outcome, RetryPolicy, Timestamp};
use sagas_core::schedule::WAKES_EVERY;

use super::replies::is_unreadable;
use super::{Evidence, Finding, Stored, require};

/// What a process takes for the database's time may be so much off: its own clock may be wrong from
/// one heartbeat to the next.
const EARLY_MAX: Duration = Duration::from_millis(600);
/// Beside the rounds of [`Evidence::late_max`], an attempt may come so much late by true time.
const LATE_MAX: Duration = Duration::from_secs(3);
/// A fault may hold things up for so long after it struck.
const AFTERMATH: Duration = Duration::from_secs(15);

/// A command: step, direction, generation.
type Key<'a> = (&'a str, Direction, u32);

/// The attempt that is under way: each instant by the clock that decided, and by true time.
#[derive(Debug, Clone, Copy)]
struct Try {
    number: u32,
    since: (Timestamp, Timestamp),
    failed: Option<(Timestamp, Timestamp)>,
    /// The saga was paused meanwhile: then nothing is due.
    is_held: bool,
    /// Its topic took nothing, and it was withheld or may have been lost: its time begins anew when it is
    /// sent.
    is_withheld: bool,
}

/// A new attempt follows a `failed` after four fifths of the policy's delay at least, and silence
/// after the policy's patience; or a person's order. By the clocks that decided, this is exact. By
/// true time, where no fault held the service up, no attempt is more than [`EARLY_MAX`] early, nor
/// more than [`Evidence::late_max`] later than the whole delay. A step that may be given up gets no more attempts
/// than the policy has, but for those that persons ordered.
pub(super) fn retry_delays_follow_the_policy(evidence: &Evidence<'_>) -> Finding {
    for (id, stored) in &evidence.sagas {
        let mut tries: BTreeMap<Key<'_>, Try> = BTreeMap::new();
        let mut retries = 0;
        for entry in &stored.loaded.history {
            let kind = entry.order.as_ref().map(|order| &order.kind);
            retries += u32::from(matches!(kind, Some(OrderKind::RetryNow { .. })));
            if kind == Some(&OrderKind::Pause) {
                let tries = tries.values_mut();
                tries.for_each(|attempt| attempt.is_held = true);
            }
            let Some(true_time) = evidence.journal.stored_at.get(&(*id, entry.revision)) else {
                continue;
            };
            let at = (entry.at, *true_time);
            for (key, attempt) in &mut tries {
                let mut blocked = entry.withheld.iter().chain(&entry.excused);
                attempt.is_withheld |= blocked.any(|step| step == key.0);
            }
            for sent in &entry.sent {
                let key = (sent.step.as_str(), sent.direction, sent.generation);
                let attempt = tries.get(&key).copied();
                let next = follow(evidence, stored, entry, sent, attempt, at)
                    .map_err(|text| (Some(*id), text))?;
                tries.insert(key, next);
                is_granted(stored, sent, retries).map_err(|text| (Some(*id), text))?;
            }
            note_failure(entry, &mut tries, at);
        }
    }
    Ok(())
}

/// Where a saga says that a participant stayed silent, the broker had a command for it.
pub(super) fn nobody_is_called_silent_who_was_never_asked(evidence: &Evidence<'_>) -> Finding {
    for (id, stored) in &evidence.sagas {
        let Some(Reason::Exhausted { step, fault }) = &stored.loaded.row.moving.reason else {
            continue;
        };
        let was_asked = stored.definition.position(step).is_some_and(|position| {
            let mut acknowledged = evidence.journal.acknowledged.keys();
            acknowledged.any(|(saga, step, direction, ..)| {
                (*saga, *step, *direction) == (*id, position, Direction::Forward)
            })
        });
        let is_called_silent = fault.message.ends_with("the participant stayed silent");
        require(was_asked || !is_called_silent, *id, || {
            format!("{step} was never sent, and the reason is {}", fault.message)
        })?;
    }
    Ok(())
}

/// The attempt after something of the command was sent.
fn follow(
    evidence: &Evidence<'_>,
    stored: &Stored,
    entry: &Entry,
    sent: &Sent,
    before: Option<Try>,
    at: (Timestamp, Timestamp),
) -> Result<Try, String> {
    let fresh = Try {
        number: sent.attempt,
        since: at,
        failed: None,
        is_held: false,
        is_withheld: entry.withheld.contains(&sent.step),
    };
    let Some(before) = before else {
        return Ok(fresh);
    };
    if entry.event == EntryKind::Order {
        return Ok(fresh);
    }
    if sent.attempt == before.number {
        // Nobody knew whether it was published: the same attempt once more.
        return Ok(if before.is_withheld { fresh } else { before });
    }
    let about = format!("{} {} #{}", sent.step, sent.direction, sent.attempt);
    if entry.event != EntryKind::Wake || sent.attempt != before.number + 1 {
        return Err(format!(
            "{about} follows #{} by a {:?}",
            before.number, entry.event
        ));
    }
    let position = stored.definition.position(&sent.step).unwrap_or(0);
    let policy = &stored.definition.steps()[position].retry;
    let (since, least, most) = match before.failed {
        Some(failed) => {
            let whole = delay(policy, before.number);
            (failed, whole * 4 / 5, whole)
        }
        None => {
            let patience = patience(policy, before.number);
            (before.since, patience, patience)
        }
    };
    let is_early = at.1 + EARLY_MAX < since.1 + least;
    let is_late = !before.is_held && at.1 > since.1 + most + evidence.late_max();
    let is_measured = !evidence.was_disturbed(since.1, at.1);
    if at.0 < since.0 + least || is_measured && (is_early || is_late) {
        let after = at.1.since(since.1);
        return Err(format!(
            "{about} came after {after:?}, not {least:?} to {most:?}"
        ));
    }
    Ok(fresh)
}

fn note_failure<'a>(
    entry: &'a Entry,
    tries: &mut BTreeMap<Key<'a>, Try>,
    at: (Timestamp, Timestamp),
) {
    if entry.outcome != Some(Outcome::Failed) || entry.late {
        return;
    }
    let (Some(step), Some(direction)) = (&entry.step, entry.direction) else {
        return;
    };
    let generation = entry.generation.unwrap_or(1);
    if let Some(attempt) = tries.get_mut(&(step.as_str(), direction, generation))
        && entry.attempt == Some(attempt.number)
    {
        // The first one counts: another answer to it only adds that it could not be read.
        attempt.failed.get_or_insert(at);
    }
}

/// Before the point of no return attempts have an end, unless an answer could not be used.
fn is_granted(stored: &Stored, sent: &Sent, retries: u32) -> Result<(), String> {
    let position = stored.definition.position(&sent.step).unwrap_or(0);
    let step = &stored.definition.steps()[position];
    let has_end = sent.direction == Direction::Forward && step.kind.may_be_given_up();
    let is_its = |entry: &Entry| {
        let (direction, step) = (entry.direction, entry.step.as_deref());
        direction == Some(sent.direction) && step == Some(&sent.step) && is_unreadable(entry)
    };
    let has_end = has_end && !stored.loaded.history.iter().any(is_its);
    if has_end && sent.attempt > step.retry.max_attempts + retries {
        return Err(format!("{} got attempt {}", sent.step, sent.attempt));
    }
    Ok(())
}

/// The whole delay after a failed attempt, from the policy's words.
fn delay(policy: &RetryPolicy, attempt: u32) -> Duration {
    let mut delay = policy.initial_interval.min(policy.max_interval);
    for _ in 1..attempt.min(policy.max_attempts) {
        delay = (delay * policy.backoff_coefficient).min(policy.max_interval);
    }
    let most = delay.max(SILENCE_MAX);
    for _ in policy.max_attempts..attempt {
        delay = (delay * policy.backoff_coefficient).min(most);
    }
    delay
}

/// How long silence after an attempt lasts, from the policy's words.
fn patience(policy: &RetryPolicy, attempt: u32) -> Duration {
    let mut patience = policy.reply_timeout;
    for _ in policy.max_attempts..attempt {
        patience =
            (patience * policy.backoff_coefficient).min(policy.reply_timeout.max(SILENCE_MAX));
    }
    patience
}

impl Evidence<'_> {
    /// Wakes are looked for at an interval, and a lane takes no more than its inbox has room for: if
    /// all sagas are due at once, the last one waits for as many rounds as that takes.
    fn late_max(&self) -> Duration {
        let rounds = self.sagas.len().div_ceil(self.world.layout.inbox_max);
        LATE_MAX + WAKES_EVERY * u32::try_from(rounds).unwrap_or(u32::MAX)
    }

    /// Whether anything that keeps the service from its work happened then, or shortly before.
    pub(super) fn was_disturbed(&self, from: Timestamp, to: Timestamp) -> bool {
        let mut disturbed = self.journal.disturbed.iter();
        self.journal.is_mixed || disturbed.any(|at| *at + AFTERMATH >= from && *at <= to)
    }
}
