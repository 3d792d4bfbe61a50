//! Sagas as the engine makes them: by the state machine, never by hand.

use sagas::machine::{Event, Reply, Row, transition};
use sagas::{Command, Definition, Direction, Json, Outcome, Saga, SagaId, Timestamp, Transition};
use sagas_core::batch::{Outgoing, OutgoingEvent, OutgoingNotice, Start, State, Update};
use sagas_core::digest::Digest;
use sagas_core::loaded::Loaded;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An instant that is long past for the database.
pub(crate) const NOON: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

#[derive(Serialize, Deserialize, JsonSchema)]
struct Note {
    text: String,
}

macro_rules! command {
    ($name:ident, $word:literal) => {
        #[derive(Serialize, Deserialize, JsonSchema)]
        struct $name {
            text: String,
        }

        impl Command for $name {
            const PARTICIPANT: &'static str = "notes";
            const NAME: &'static str = $word;
            const REJECTABLE: bool = true;
            type Reply = ();
        }
    };
}
command!(Write, "write");
command!(Erase, "erase");

/// `step-0` to `step-N`, all at once, each with a compensation.
pub(crate) fn definition(steps: usize) -> Definition {
    let mut saga = Definition::of::<Note>("take-notes");
    for step in 0..steps {
        saga.step(&format!("step-{step}"))
            .send(|note, ()| Write {
                text: note.text.clone(),
            })
            .compensate(|note, (), _| Erase {
                text: note.text.clone(),
            });
    }
    saga.build().unwrap()
}

/// `step-0` to `step-2`, one after the other, the last one the pivot.
pub(crate) fn chain() -> Definition {
    let mut saga = Definition::of::<Note>("take-notes");
    let write = |note: &Note| Write {
        text: note.text.clone(),
    };
    let erase = |note: &Note| Erase {
        text: note.text.clone(),
    };
    let first = saga
        .step("step-0")
        .send(move |note, ()| write(note))
        .compensate(move |note, (), _| erase(note));
    let second = saga
        .step("step-1")
        .after(first)
        .send(move |note, ()| write(note))
        .compensate(move |note, (), _| erase(note));
    saga.step("step-2")
        .after(second)
        .send(move |note, ()| write(note))
        .pivot();
    saga.build().unwrap()
}

pub(crate) fn id(number: u128) -> SagaId {
    SagaId(Uuid::from_u128(number))
}

pub(crate) fn input(text: &str) -> Json {
    Json::of(&Note {
        text: text.to_owned(),
    })
    .unwrap()
}

/// A saga that has just started.
pub(crate) fn start(definition: &Definition, id: SagaId, text: &str) -> (Saga, Start) {
    start_at(definition, id, text, NOON)
}

pub(crate) fn start_at(
    definition: &Definition,
    id: SagaId,
    text: &str,
    now: Timestamp,
) -> (Saga, Start) {
    let saga = Saga::new(definition, id, input(text), now);
    let Transition {
        next,
        entry,
        announcement,
        ..
    } = transition(definition, &saga, Event::Start, now).unwrap();
    let state = state(&next, vec![entry], announcement.map(|word| word.as_str()));
    let start = Start {
        id,
        definition: next.definition.clone(),
        version: next.version,
        fingerprint: next.fingerprint,
        digest: None,
        started_at: now,
        is_retried: false,
        state,
    };
    (next, start)
}

/// The same start under an idempotency key, with this digest.
pub(crate) fn keyed(mut start: Start, digest: u8) -> Start {
    let name = digest.to_string();
    start.digest = Some(Digest::of(&name, &Json::null().canonical()));
    start
}

/// What a participant's answer makes of the saga.
pub(crate) fn reply(
    definition: &Definition,
    saga: &Saga,
    step: usize,
    outcome: Outcome,
) -> (Saga, Update) {
    let payload = match outcome {
        Outcome::Rejected | Outcome::Failed => r#"{"code":"no-paper","message":"all used up"}"#,
        _ => "null",
    };
    reply_that_says(definition, saga, step, outcome, payload)
}

/// The same, with this text as its payload.
pub(crate) fn reply_that_says(
    definition: &Definition,
    saga: &Saga,
    step: usize,
    outcome: Outcome,
    payload: &str,
) -> (Saga, Update) {
    let event = Event::Reply(Reply {
        step: format!("step-{step}"),
        direction: Direction::Forward,
        generation: 1,
        attempt: 1,
        outcome,
        payload: Json::parse(payload.to_owned()).unwrap(),
    });
    let Transition {
        next,
        entry,
        announcement,
        ..
    } = transition(definition, saga, event, saga.started_at).unwrap();
    let state = state(&next, vec![entry], announcement.map(|word| word.as_str()));
    let update = Update {
        id: saga.id,
        expected: saga.revision,
        state,
    };
    (next, update)
}

/// The command of a hint that the saga sends.
pub(crate) fn notice(saga: &Saga) -> Outgoing {
    Outgoing::Notice(OutgoingNotice {
        saga: saga.id,
        definition: saga.definition.clone(),
        started_at: saga.started_at,
        revision: saga.revision,
        at: saga.started_at,
        step: "tell".to_owned(),
        participant: "oracle".to_owned(),
        command: "forget".to_owned(),
        reply_partition: 3,
        payload: Json::parse(r#"{ "odd" :1.0}"#.to_owned()).unwrap(),
    })
}

fn state(next: &Saga, entries: Vec<sagas::machine::Entry>, announced: Option<&str>) -> State {
    let announcement = announced.map(|kind| OutgoingEvent {
        saga: next.id,
        definition: next.definition.clone(),
        kind: kind.to_owned(),
        revision: next.revision,
        sequence: next.moving.announced,
        at: next.started_at,
        payload: Json::null(),
    });
    State {
        revision: next.revision,
        status: next.status(),
        wake_at: next.wake_at,
        moving: next.moving.clone(),
        entries,
        announcements: announcement.into_iter().map(Outgoing::Event).collect(),
    }
}

/// A loaded saga, put together as the engine does it.
pub(crate) fn restore(definition: &Definition, loaded: &Loaded) -> Saga {
    let row = Row {
        id: loaded.row.id,
        started_at: loaded.row.started_at,
        revision: loaded.row.revision,
        wake_at: loaded.row.wake_at,
        moving: loaded.row.moving.clone(),
    };
    Saga::restore(definition, row, &loaded.history).unwrap()
}
