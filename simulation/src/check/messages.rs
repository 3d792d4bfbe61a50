//! What was sent, and what was read past.

use std::collections::{BTreeMap, BTreeSet};

use sagas::wire::Attribute;
use sagas::{SagaId, Status};

use super::{Evidence, Finding, Stored, require};
use crate::bus::Record;
use crate::journal::Published;

/// Nothing is sent before it is stored, and always with the bytes that were stored first.
pub(super) fn a_command_is_published_only_when_stored(evidence: &Evidence<'_>) -> Finding {
    for Published {
        command,
        stored_revision,
    } in &evidence.journal.published
    {
        let (id, send) = (command.saga, &command.send);
        require(command.revision <= *stored_revision, id, || {
            format!(
                "revision {} was sent, {stored_revision} was stored",
                command.revision
            )
        })?;
        let Some(stored) = evidence.sagas.get(&id) else {
            continue;
        };
        let name = &command.definition.steps()[send.step].name;
        let history = stored.loaded.history.iter();
        let mut entries = history
            .clone()
            .filter(|entry| entry.revision == command.revision);
        let is_there = entries.any(|entry| {
            let mut sent = entry.sent.iter();
            sent.any(|sent| {
                sent.step == *name
                    && sent.direction == send.direction
                    && (sent.generation, sent.attempt) == (send.generation, send.attempt)
            })
        });
        require(is_there, id, || {
            format!("{name} {} was sent, not stored", send.direction)
        })?;
        let sent = history.flat_map(|entry| &entry.sent);
        let mut payloads = sent
            .filter(|sent| sent.step == *name && sent.direction == send.direction)
            .filter(|sent| sent.generation == send.generation)
            .filter_map(|sent| sent.payload.as_ref());
        let is_same = payloads.all(|payload| *payload == send.payload);
        require(is_same, id, || {
            format!("{name} {} was sent with other bytes", send.direction)
        })?;
    }
    Ok(())
}

/// An offset moves only past records that are in the database, or need not be: their saga had no use
/// for them at some instant after they had come.
pub(super) fn offsets_never_run_ahead_of_the_database(evidence: &Evidence<'_>) -> Finding {
    for passed in &evidence.journal.passed {
        if let Some(lacks) = &passed.lacks {
            let (partition, offset) = (passed.partition, passed.offset);
            return Err((
                None,
                format!("replies/{partition} moved past {offset}: {lacks}"),
            ));
        }
    }
    Ok(())
}

/// A reply that its saga can use is no dead letter.
pub(super) fn no_useful_reply_is_buried(evidence: &Evidence<'_>) -> Finding {
    match evidence.journal.buried.first() {
        None => Ok(()),
        Some((saga, reply)) => Err((Some(*saga), format!("a dead letter is {reply}"))),
    }
}

/// Every change of status is announced at least once, and nothing else is. What the broker refuses is
/// among the dead letters instead.
pub(super) fn every_lifecycle_event_is_published(evidence: &Evidence<'_>) -> Finding {
    let published = evidence.published_events();
    let buried = evidence.buried_events();
    for (id, stored) in &evidence.sagas {
        let expected = announcements(stored);
        let first = published.get(id).cloned().unwrap_or_default();
        let mut found: BTreeSet<_> = first.into_iter().collect();
        found.extend(buried.get(id).cloned().unwrap_or_default());
        let expected: BTreeSet<_> = expected.into_iter().collect();
        require(found == expected, *id, || {
            format!("the history announces {expected:?}, published are {found:?}")
        })?;
    }
    Ok(())
}

/// First occurrences come in the order of the history, where one lane wrote the whole saga and
/// published all of its events itself.
pub(super) fn lifecycle_events_come_in_order(evidence: &Evidence<'_>) -> Finding {
    let journal = evidence.journal;
    for (id, first) in evidence.published_events() {
        let writers = journal.writers.get(&id);
        let has_one_writer = writers.is_some_and(|writers| {
            writers.len() == 1
                && !writers
                    .iter()
                    .any(|(life, _)| journal.killed.contains(life))
        });
        if !has_one_writer || journal.stirred.contains(&id) {
            continue;
        }
        let is_sorted = first.is_sorted_by_key(|(revision, _)| *revision);
        require(is_sorted, id, || format!("its events came as {first:?}"))?;
    }
    Ok(())
}

/// The events of each saga, repeats dropped by id and taken in the order of their numbers, are the
/// transitions of its history, without a gap. What the broker refused is among the dead letters.
pub(super) fn lifecycle_events_have_no_gap_in_their_order(evidence: &Evidence<'_>) -> Finding {
    let mut events: BTreeMap<SagaId, BTreeMap<String, Numbered>> = BTreeMap::new();
    for record in evidence.event_records() {
        let Some(event) = Told::of(&record) else {
            continue;
        };
        let known = events.entry(event.saga).or_default();
        known.insert(event.id, (event.sequence, event.revision, event.kind));
    }
    for (id, stored) in &evidence.sagas {
        let mut told: Vec<_> = events
            .remove(id)
            .unwrap_or_default()
            .into_values()
            .collect();
        told.sort();
        let history = (1..).zip(announcements(stored));
        let expected: Vec<Numbered> = history
            .map(|(sequence, (revision, kind))| (sequence, revision, kind))
            .collect();
        require(told == expected, *id, || {
            format!("a consumer gets {told:?}, the history has {expected:?}")
        })?;
    }
    Ok(())
}

/// Number, revision and kind of an event.
type Numbered = (u64, u64, String);

/// Revision and kind of what the history announces.
fn announcements(stored: &Stored) -> Vec<(u64, String)> {
    let mut was = Status::Running;
    let mut announced = Vec::new();
    for entry in &stored.loaded.history {
        if entry.revision == 1 {
            announced.push((1, "started".to_owned()));
        } else if entry.status != was {
            announced.push((entry.revision, entry.status.as_str().to_owned()));
        }
        was = entry.status;
    }
    announced
}

impl Evidence<'_> {
    /// Revision and kind of every event's first occurrence, in the order of the log.
    fn published_events(&self) -> BTreeMap<SagaId, Vec<(u64, String)>> {
        first_of_each(self.world.bus.records(&self.world.scene.events).cloned())
    }

    /// The same of those that the broker refused.
    fn buried_events(&self) -> BTreeMap<SagaId, Vec<(u64, String)>> {
        first_of_each(self.buried_records())
    }

    fn buried_records(&self) -> impl Iterator<Item = Record> {
        let letters = self.world.store.unpublished();
        let events = letters.filter(|letter| letter.topic == self.world.scene.events);
        events.map(|letter| Record {
            key: letter.key.clone(),
            value: letter.value.clone(),
        })
    }

    /// Every record of the events topic, and those that it refused.
    fn event_records(&self) -> impl Iterator<Item = Record> {
        let records = self.world.bus.records(&self.world.scene.events).cloned();
        records.chain(self.buried_records())
    }
}

/// What a record says of its saga.
struct Told {
    saga: SagaId,
    id: String,
    sequence: u64,
    revision: u64,
    kind: String,
}

impl Told {
    /// `None` where it is about no saga.
    fn of(record: &Record) -> Option<Self> {
        let text = |attribute| {
            let value = record.attribute(attribute);
            value.as_str().unwrap_or_default().to_owned()
        };
        let number = |attribute| record.attribute(attribute).as_u64().unwrap_or(0);
        Some(Self {
            saga: text(Attribute::Subject).parse().ok()?,
            id: text(Attribute::Id),
            sequence: number(Attribute::Sequence),
            revision: number(Attribute::Revision),
            kind: text(Attribute::Type).trim_start_matches("saga.").to_owned(),
        })
    }
}

fn first_of_each(records: impl Iterator<Item = Record>) -> BTreeMap<SagaId, Vec<(u64, String)>> {
    let mut events: BTreeMap<SagaId, Vec<(u64, String)>> = BTreeMap::new();
    for record in records {
        let Some(event) = Told::of(&record) else {
            continue;
        };
        let (revision, kind) = (event.revision, event.kind);
        let first = events.entry(event.saga).or_default();
        if !first.contains(&(revision, kind.clone())) {
            first.push((revision, kind));
        }
    }
    events
}
