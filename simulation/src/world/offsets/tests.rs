//! Replies that come while their saga has no use for them, and an order after which it has one.

use std::sync::Arc;
use std::time::Duration;

use sagas::machine::{Event, Order, OrderKind, Reply, Transition, transition};
use sagas::{Definition, Direction, Json, OrderId, Outcome, Saga, Timestamp};
use sagas_core::batch::{Batch, Start, State, Update};

use super::super::World;
use crate::agenda::Agenda;

/// A saga whose first step waits for its first reply.
struct Case {
    world: World,
    definition: Arc<Definition>,
    saga: Saga,
}

impl Case {
    fn new() -> Self {
        let mut world = World::new(1, 0, false);
        let definition = Arc::clone(world.scene.registry.newest("onward").unwrap());
        let input = Json::parse(r#"{"number":1}"#.to_owned()).unwrap();
        let id = sagas::SagaId(world.rng.uuid());
        let saga = Saga::new(&definition, id, input, world.now());
        let mut case = Self {
            world,
            definition,
            saga,
        };
        case.happens(Event::Start);
        case
    }

    /// The event moves the saga, and that is committed.
    fn happens(&mut self, event: Event) {
        let now = self.world.now();
        let Transition { next, entry, .. } =
            transition(&self.definition, &self.saga, event, now).unwrap();
        let state = State {
            revision: next.revision,
            status: next.status(),
            wake_at: next.wake_at,
            moving: next.moving.clone(),
            entries: vec![entry],
            announcements: Vec::new(),
        };
        let (id, expected) = (next.id, self.saga.revision);
        let mut batch = Batch::default();
        if expected == 0 {
            batch.starts.push(Start {
                id,
                definition: next.definition.clone(),
                version: next.version,
                fingerprint: next.fingerprint,
                digest: None,
                started_at: next.started_at,
                is_retried: false,
                state,
            });
        } else {
            batch.updates.push(Update {
                id,
                expected,
                state,
            });
        }
        let life = self.world.life(0);
        self.world.commit(life, 0, &batch).unwrap();
        self.saga = next;
    }

    fn time_goes_on(&mut self) -> Timestamp {
        let later = self.world.now() + Duration::from_secs(10);
        self.world.agenda = Agenda::new(later);
        later
    }

    fn order(&mut self, kind: OrderKind) {
        let order = Order {
            id: OrderId(self.world.rng.uuid()),
            actor: "operator".to_owned(),
            reason: "a test".to_owned(),
            kind,
        };
        self.happens(Event::Order(order));
    }

    fn has_use_for(&self, reply: &Reply) -> bool {
        self.world.has_use(&self.saga, reply)
    }

    fn had_no_use_since(&self, came: Timestamp, reply: &Reply) -> bool {
        self.world.had_no_use(came, self.saga.id, reply)
    }
}

fn reply(direction: Direction, outcome: Outcome, payload: &str) -> Reply {
    Reply {
        step: "step-0".to_owned(),
        direction,
        generation: 1,
        attempt: 1,
        outcome,
        payload: Json::parse(payload.to_owned()).unwrap(),
    }
}

fn compensation_refused() -> Event {
    let fault = r#"{"code":"no","message":"not today"}"#;
    Event::Reply(reply(Direction::Compensate, Outcome::Rejected, fault))
}

#[test]
fn a_reply_may_be_passed_for_a_state_that_was_moved_on_after_it_had_come() {
    let late = reply(Direction::Forward, Outcome::Succeeded, r#"{"step":0}"#);
    let mut case = Case::new();
    case.order(OrderKind::Cancel);
    case.time_goes_on();
    case.happens(Event::Wake { published: true });
    let cancelled = case.world.now();
    assert!(case.has_use_for(&late), "it is the truth about the step");

    let refused = case.time_goes_on();
    case.happens(compensation_refused());
    assert!(!case.has_use_for(&late), "a person decides about the step");

    let ordered = case.time_goes_on();
    let step = Some("step-0".to_owned());
    case.order(OrderKind::RetryNow { step });
    let moved_on = case.time_goes_on();
    assert!(case.has_use_for(&late), "it is undone once more");
    for came in [cancelled, refused, ordered] {
        assert!(case.had_no_use_since(came, &late));
    }
    assert!(!case.had_no_use_since(moved_on, &late));
}

#[test]
fn a_reply_must_not_be_passed_if_every_state_since_it_came_has_use_for_it() {
    let awaited = reply(Direction::Forward, Outcome::Succeeded, r#"{"step":0}"#);
    let mut case = Case::new();
    let came = case.time_goes_on();
    case.order(OrderKind::Pause);
    assert!(case.has_use_for(&awaited));
    assert!(!case.had_no_use_since(came, &awaited));
}
