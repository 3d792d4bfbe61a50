//! Sagas as the engine makes them: by the state machine, never by hand.

use std::sync::Arc;

use sagas::machine::{Event, Row, Transition, transition};
use sagas::{Definition, Json, Saga, SagaId, Timestamp};
use sagas_core::batch::{Outgoing, OutgoingEvent, Start, State, Update};
use sagas_core::digest::Digest;
use sagas_core::loaded::Loaded;
use simulation::recipe;
use uuid::Uuid;

pub(crate) fn definition() -> Arc<Definition> {
    Arc::new(recipe::shapes()[1].build())
}

pub(crate) fn id(number: u128) -> SagaId {
    SagaId(Uuid::from_u128(number))
}

/// A saga that has just started.
pub(crate) fn start(definition: &Definition, id: SagaId, key: Option<u8>, now: Timestamp) -> Start {
    let input = Json::parse(r#"{"number":7}"#.to_owned()).unwrap();
    let saga = Saga::new(definition, id, input, now);
    let made = transition(definition, &saga, Event::Start, now).unwrap();
    Start {
        id,
        definition: saga.definition,
        version: saga.version,
        fingerprint: saga.fingerprint,
        digest: key.map(|key| Digest::of(&key.to_string(), &saga.input.canonical())),
        started_at: now,
        is_retried: false,
        state: state(vec![made]),
    }
}

/// What these events make of a saga; events that make nothing are left out. `None`: all are.
pub(crate) fn update(
    definition: &Definition,
    saga: &Saga,
    events: Vec<Event>,
    now: Timestamp,
) -> Option<Update> {
    let (id, expected) = (saga.id, saga.revision);
    let mut saga = saga.clone();
    let mut made = Vec::new();
    for event in events {
        if let Ok(transition) = transition(definition, &saga, event, now) {
            saga = transition.next.clone();
            made.push(transition);
        }
    }
    (!made.is_empty()).then(|| {
        let state = state(made);
        Update {
            id,
            expected,
            state,
        }
    })
}

fn state(made: Vec<Transition>) -> State {
    let last = made.last().unwrap().next.clone();
    let announcements = made.iter().filter_map(|made| {
        Some(OutgoingEvent {
            saga: made.next.id,
            definition: made.next.definition.clone(),
            kind: made.announcement?.as_str().to_owned(),
            revision: made.next.revision,
            sequence: made.next.moving.announced,
            at: made.entry.at,
            payload: Json::null(),
        })
    });
    let announcements = announcements.map(Outgoing::Event).collect();
    State {
        revision: last.revision,
        status: last.status(),
        wake_at: last.wake_at,
        moving: last.moving,
        entries: made.into_iter().map(|made| made.entry).collect(),
        announcements,
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
