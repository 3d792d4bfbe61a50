//! Topics that take nothing for a while: what waits for them, and what must not.

use std::collections::BTreeMap;
use std::time::Duration;

use sagas::machine::{Entry, EntryKind, OrderKind, Reason, Sent};
use sagas::{Direction, Outcome, SagaId, Timestamp};
use sagas_core::lane::COMMITS_MAX;

use super::{Evidence, Finding, Stored, require};
use crate::journal::Blocked;

/// A lane notices within so much time that a topic takes nothing: a second of silence, and a turn.
const NOTICED_WITHIN: Duration = Duration::from_secs(3);

/// A caller is answered, and what was withheld is sent, within so much time where no fault holds the service
/// up.
const AT_ONCE: Duration = Duration::from_secs(3);

/// The last attempt of each command, and when it was stored.
type Since<'a> = BTreeMap<(&'a str, Direction), (&'a Sent, Timestamp)>;

/// No attempt ends by silence while the topic of its command took nothing all the time; so nothing is
/// compensated because of it.
pub(super) fn silence_counts_only_while_the_topic_takes_something(
    evidence: &Evidence<'_>,
) -> Finding {
    for (id, stored) in &evidence.sagas {
        let mut since = Since::new();
        for entry in &stored.loaded.history {
            let Some(at) = evidence.stored_at(*id, entry) else {
                continue;
            };
            note_failure(entry, &mut since);
            for sent in &entry.sent {
                let key = (sent.step.as_str(), sent.direction);
                let before = since.insert(key, (sent, at));
                let is_next = |(before, _): &(&Sent, _)| before.attempt + 1 == sent.attempt;
                let before = before.filter(is_next);
                let before = before.filter(|_| entry.event == EntryKind::Wake);
                if let Some((before, from)) = before {
                    let was_blocked = evidence.was_blocked(*id, stored, before, from, at);
                    require(!was_blocked, *id, || {
                        format!(
                            "{} counted as silent, and its topic took nothing",
                            sent.step
                        )
                    })?;
                }
            }
        }
        given_up(evidence, *id, stored, &since)?;
    }
    Ok(())
}

fn given_up(evidence: &Evidence<'_>, id: SagaId, stored: &Stored, since: &Since<'_>) -> Finding {
    let Some(Reason::Exhausted { step, .. }) = &stored.loaded.row.moving.reason else {
        return Ok(());
    };
    let mut history = stored.loaded.history.iter();
    let turned = history.find(|entry| entry.status == sagas::Status::Compensating);
    let turned = turned.filter(|entry| entry.event == EntryKind::Wake);
    let at = turned.and_then(|entry| evidence.stored_at(id, entry));
    let last = since.get(&(step.as_str(), Direction::Forward));
    let (Some((last, from)), Some(at)) = (last, at) else {
        return Ok(());
    };
    let was_blocked = evidence.was_blocked(id, stored, last, *from, at);
    require(!was_blocked, id, || {
        format!("{step} was given up, and its topic took nothing")
    })
}

/// An attempt that failed does not end by silence.
fn note_failure<'a>(entry: &'a Entry, since: &mut Since<'a>) {
    if entry.outcome == Some(Outcome::Failed)
        && let (Some(step), Some(direction)) = (&entry.step, entry.direction)
    {
        since.remove(&(step.as_str(), direction));
    }
}

/// Callers are answered at once, whatever topic takes nothing.
pub(super) fn a_topic_that_takes_nothing_holds_nobody_else(evidence: &Evidence<'_>) -> Finding {
    for (saga, from, to) in &evidence.journal.answered {
        let is_in_time = *to <= *from + AT_ONCE || evidence.was_disturbed(*from, *to);
        require(is_in_time, *saga, || {
            format!("its client waited for {:?}", to.since(*from))
        })?;
    }
    Ok(())
}

/// What a lane has handed over for a topic, and has no answer for, is bounded.
pub(super) fn a_topic_holds_no_more_than_its_bound(evidence: &Evidence<'_>) -> Finding {
    let most = evidence.world.layout.bounds.publications_max + COMMITS_MAX;
    let owed = evidence.journal.owed_max;
    if owed <= most {
        return Ok(());
    }
    Err((
        None,
        format!("a lane had handed over {owed} times, {most} is the most"),
    ))
}

/// A command that was withheld goes out soon after its topic takes something again.
pub(super) fn what_was_withheld_is_sent_when_its_topic_opens(evidence: &Evidence<'_>) -> Finding {
    for (id, stored) in &evidence.sagas {
        let mut since: BTreeMap<&str, Timestamp> = BTreeMap::new();
        for entry in &stored.loaded.history {
            let Some(at) = evidence.stored_at(*id, entry) else {
                continue;
            };
            let order = entry.order.as_ref();
            if order.is_some_and(|order| order.kind == OrderKind::Pause) {
                since.clear();
            }
            for sent in &entry.sent {
                let withheld_since = since.remove(sent.step.as_str());
                let Some(from) = withheld_since.filter(|_| entry.event == EntryKind::Wake) else {
                    continue;
                };
                let opened_at = evidence.opened_at(stored, &sent.step, from, at);
                let is_in_time = at <= opened_at + AT_ONCE || evidence.was_disturbed(from, at);
                require(is_in_time, *id, || {
                    let late = at.since(opened_at);
                    format!("{} was sent {late:?} after its topic was open", sent.step)
                })?;
            }
            // It was answered meanwhile, or is of no use any more.
            since.retain(|step, _| entry.withheld.iter().any(|withheld| withheld == step));
            for step in &entry.withheld {
                since.entry(step).or_insert(at);
            }
        }
    }
    Ok(())
}

impl Evidence<'_> {
    /// When the database took what the entry is of.
    fn stored_at(&self, id: SagaId, entry: &Entry) -> Option<Timestamp> {
        self.journal.stored_at.get(&(id, entry.revision)).copied()
    }

    fn topic(&self, stored: &Stored, step: &str) -> Option<std::sync::Arc<str>> {
        let position = stored.definition.position(step)?;
        let participant = stored.definition.steps()[position].participant;
        Some(self.world.scene.outgoing.of(Some(participant)))
    }

    /// Whether the topic took nothing for nine tenths of the time between the instants, so long that a lane must
    /// have noticed, and the broker did not have the command before.
    fn was_blocked(
        &self,
        id: SagaId,
        stored: &Stored,
        sent: &Sent,
        from: Timestamp,
        to: Timestamp,
    ) -> bool {
        let topic = self.topic(stored, &sent.step);
        let mut blocked = self.journal.blocked.iter();
        let position = stored.definition.position(&sent.step).unwrap_or_default();
        let attempt = (id, position, sent.direction, sent.generation, sent.attempt);
        let acknowledged_at = self.journal.acknowledged.get(&attempt);
        let had_it = acknowledged_at.is_some_and(|at| *at <= from + to.since(from) / 10);
        let is_long = from + NOTICED_WITHIN < to && !self.was_disturbed(from, to) && !had_it;
        let overlap = |blocked: &Blocked| blocked.until.min(to).since(blocked.from.max(from));
        is_long
            && blocked.any(|blocked| {
                let is_its = Some(&blocked.topic) == topic.as_ref();
                is_its && overlap(blocked) * 10 >= to.since(from) * 9
            })
    }

    /// The last instant before `to` at which the topic began to take something again, but not before `from`.
    fn opened_at(&self, stored: &Stored, step: &str, from: Timestamp, to: Timestamp) -> Timestamp {
        let topic = self.topic(stored, step);
        let blocked = self.journal.blocked.iter();
        let before = blocked.filter(|blocked| Some(&blocked.topic) == topic.as_ref());
        let ends = before
            .filter(|blocked| blocked.from <= to)
            .map(|blocked| blocked.until);
        ends.chain([from]).max().unwrap_or(from)
    }
}
