//! A small definition, and sagas of it that the real state machine has played: for unit tests.

use sagas::machine::{Blocked, Event, Order, OrderKind, Reply, Row, Saga, transition_withholding};
use sagas::{Command, Definition, Direction, Json, OrderId, Outcome, SagaId, Timestamp};
use sagas_core::Registry;
use sagas_core::loaded::{Loaded, SagaRow};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use uuid::Uuid;

#[derive(Serialize, Deserialize, JsonSchema)]
struct Trip {
    guest: u32,
    legs: Vec<Leg>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Leg {
    to: String,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Booked {
    room: u32,
}

macro_rules! command {
    ($name:ident: $participant:literal, $command:literal, $refusable:literal, $reply:ty) => {
        #[derive(Serialize, Deserialize, JsonSchema)]
        struct $name {
            guest: u32,
        }

        impl Command for $name {
            const PARTICIPANT: &'static str = $participant;
            const NAME: &'static str = $command;
            const REJECTABLE: bool = $refusable;
            type Reply = $reply;
        }
    };
}
command!(BookRoom: "rooms", "book-room", true, Booked);
command!(ReleaseRoom: "rooms", "release-room", false, ());
command!(PayRoom: "bank", "pay-room", true, ());
command!(SendTicket: "mail", "send-ticket", false, ());

/// A definition of one step, whatever its input is.
pub(crate) fn with_a_step<I: Serialize + serde::de::DeserializeOwned + JsonSchema + 'static>(
    mut saga: sagas::DefinitionBuilder<I>,
) -> Definition {
    let step = saga.step("send-ticket");
    step.send(|_, ()| SendTicket { guest: 1 }).retriable();
    saga.build().unwrap()
}

/// `book-trip`: a compensatable step, a pivot and a retriable step in a row.
pub(crate) fn registry() -> Registry {
    let mut saga = Definition::of::<Trip>("book-trip");
    let room = saga
        .step("book-room")
        .send(|trip, ()| BookRoom { guest: trip.guest })
        .compensate(|trip, (), _| ReleaseRoom { guest: trip.guest });
    let paid = saga
        .step("pay-room")
        .after(room)
        .send(|trip, _| PayRoom { guest: trip.guest })
        .pivot();
    saga.step("send-ticket")
        .after(paid)
        .send(|trip, ()| SendTicket { guest: trip.guest })
        .retriable();
    saga.output(room, |_, booked| booked.room);
    Registry::new().with(saga.build().unwrap())
}

/// A saga after a script such as `start; book-room ok; pay-room silent 3`, one event a second from
/// 2026-11-23T13:10:36Z on, as it would be stored. `closed` before an event: no topic takes anything then.
#[track_caller]
pub(super) fn played(script: &str) -> Loaded {
    let registry = registry();
    let definition = registry.newest("book-trip").unwrap();
    let mut now = Timestamp::parse("2026-11-23T13:10:36Z").unwrap();
    let started_at = now;
    let input = Json::parse(r#"{"guest":1,"legs":[{"to":"Oslo"}]}"#.to_owned()).unwrap();
    let mut saga = Saga::new(definition, SagaId(Uuid::from_u128(1)), input, now);
    let mut history = Vec::new();
    for line in script.split("; ") {
        let open = line.strip_prefix("closed ");
        let steps = definition.steps().iter().filter(|_| open.is_some());
        let closed: Vec<&str> = steps.map(|step| step.participant).collect();
        let words: Vec<_> = open.unwrap_or(line).split(' ').collect();
        let times = words.get(2).map_or(1, |times| times.parse().unwrap());
        for _ in 0..times {
            if let [step, "silent", ..] = words[..] {
                let step = definition.position(step).unwrap();
                now = saga.moving.steps[step].flight().unwrap().due_at;
            }
            let event = event(definition, &saga, &words);
            let blocked = Blocked {
                participants: &closed,
                ..Blocked::default()
            };
            let moved = transition_withholding(definition, &saga, event, now, blocked).unwrap();
            saga = moved.next;
            history.push(moved.entry);
        }
        now = now + Duration::from_secs(1);
    }
    let status = saga.status();
    let updated_at = history.last().unwrap().at;
    let stored = Row {
        id: saga.id,
        started_at,
        revision: saga.revision,
        wake_at: saga.wake_at,
        moving: saga.moving.clone(),
    };
    let row = SagaRow {
        id: saga.id,
        definition: definition.name().to_owned(),
        version: definition.version(),
        fingerprint: definition.fingerprint(),
        status,
        revision: saga.revision,
        started_at,
        updated_at,
        finished_at: status.is_terminal().then_some(updated_at),
        wake_at: saga.wake_at,
        moving: saga.moving,
    };
    Saga::restore(definition, stored, &history).expect("what is played can be stored");
    Loaded { row, history }
}

fn event(definition: &Definition, saga: &Saga, words: &[&str]) -> Event {
    let (direction, outcome, payload) = match words {
        ["start"] => return Event::Start,
        ["cancel"] => return Event::Order(cancel()),
        [_, "silent", ..] => return Event::Wake { published: true },
        ["book-room", "ok"] => (Direction::Forward, Outcome::Succeeded, r#"{"room":7}"#),
        [_, "ok"] => (Direction::Forward, Outcome::Succeeded, "null"),
        [_, "rejected"] => {
            let fault = r#"{"code":"no-luck","message":"try elsewhere"}"#;
            (Direction::Forward, Outcome::Rejected, fault)
        }
        [_, "failed"] => {
            let fault = r#"{"code":"busy","message":"try later"}"#;
            (Direction::Forward, Outcome::Failed, fault)
        }
        [_, "undone"] => (Direction::Compensate, Outcome::Succeeded, "null"),
        _ => panic!("no such line: {words:?}"),
    };
    let step = definition.position(words[0]).unwrap();
    let flight = saga.moving.steps[step].flight().unwrap();
    Event::Reply(Reply {
        step: words[0].to_owned(),
        direction,
        generation: flight.generation,
        attempt: flight.attempt,
        outcome,
        payload: Json::parse(payload.to_owned()).unwrap(),
    })
}

fn cancel() -> Order {
    Order {
        id: OrderId(Uuid::from_u128(5)),
        actor: "operator".to_owned(),
        reason: "changed plans".to_owned(),
        kind: OrderKind::Cancel,
    }
}
