//! Plays orders through the real state machine, the real services' functions and the real store,
//! with a queue in place of Kafka.

use std::collections::VecDeque;

use sagas::machine::{Reply, Send};
use sagas::{Definition, Direction, Event, Json, Outcome, Saga, SagaId, Status, Timestamp};
use sagas_core::batch::{Batch, Start, State};
use sagas_orchestrator::store::Store;
use sagas_participant::Rejection;
use serde_json::json;
use shop::place_order::{PlaceOrder, place_order};
use shop::{inventory, orders, payments, shipping};

use crate::fixture::{Shop, ask};

/// A shop whose orchestrator is this test.
pub(crate) struct Play<'a> {
    shop: &'a Shop,
    store: Store,
    definition: Definition,
    now: Timestamp,
}

impl<'a> Play<'a> {
    pub(crate) fn new(shop: &'a Shop) -> Self {
        Self {
            shop,
            store: shop.store(),
            definition: place_order().unwrap(),
            now: Timestamp::from_micros(1_764_000_000_000_000),
        }
    }

    /// Runs the order's saga to its end.
    pub(crate) async fn order(&self, order: &PlaceOrder) -> Saga {
        self.steps(order, usize::MAX).await
    }

    /// Runs the order's saga until it ends, or has had so many replies; then stores it.
    pub(crate) async fn steps(&self, order: &PlaceOrder, replies: usize) -> Saga {
        let id = SagaId(uuid::Uuid::now_v7());
        let input = Json::of(order).unwrap();
        let mut saga = Saga::new(&self.definition, id, input, self.now);
        let mut entries = Vec::new();
        let mut sends = VecDeque::new();
        let mut event = Event::Start;
        for _ in 0..=replies {
            let turn = sagas::transition(&self.definition, &saga, event, self.now).unwrap();
            saga = turn.next;
            entries.push(turn.entry);
            sends.extend(turn.sends);
            let Some(send) = sends.pop_front() else { break };
            event = Event::Reply(self.execute(&send).await);
        }
        self.save(&saga, entries).await;
        saga
    }

    async fn save(&self, saga: &Saga, entries: Vec<sagas::machine::Entry>) {
        let start = Start {
            id: saga.id,
            definition: saga.definition.clone(),
            version: saga.version,
            fingerprint: saga.fingerprint,
            digest: None,
            started_at: saga.started_at,
            is_retried: false,
            state: State {
                revision: saga.revision,
                status: saga.status(),
                wake_at: saga.wake_at,
                moving: saga.moving.clone(),
                entries,
                announcements: Vec::new(),
            },
        };
        let batch = Batch {
            starts: vec![start],
            ..Batch::default()
        };
        self.store.commit(&batch).await.unwrap();
    }

    async fn execute(&self, send: &Send) -> Reply {
        let step = &self.definition.steps()[send.step];
        let command = match send.direction {
            Direction::Forward => step.command,
            Direction::Compensate => step.compensation.as_ref().unwrap().command,
            Direction::Fence => panic!("nobody cancels here"),
        };
        let (outcome, payload) = match self.call(command, &send.payload).await {
            Ok(reply) => (Outcome::Succeeded, reply),
            Err(refusal) => {
                let fault = json!({"code": refusal.code, "message": refusal.message});
                (Outcome::Rejected, fault)
            }
        };
        Reply {
            step: step.name.clone(),
            direction: send.direction,
            generation: send.generation,
            attempt: send.attempt,
            outcome,
            payload: Json::of(&payload).unwrap(),
        }
    }

    async fn call(&self, command: &str, payload: &Json) -> Result<serde_json::Value, Rejection> {
        /// Asks one command, and turns its reply into JSON.
        macro_rules! call {
            ($pool:expr, $handler:path) => {{
                let commands = vec![payload.read().unwrap()];
                let answer = ask(&$pool, $handler, commands).await.remove(0);
                answer.map(|reply| json!(reply))
            }};
        }
        let shop = self.shop;
        match command {
            "create-order" => call!(shop.orders, orders::create_order),
            "cancel-order" => call!(shop.orders, orders::cancel_order),
            "confirm-order" => call!(shop.orders, orders::confirm_order),
            "reserve-stock" => call!(shop.inventory, inventory::reserve_stock),
            "release-stock" => call!(shop.inventory, inventory::release_stock),
            "authorize-payment" => call!(shop.payments, payments::authorize_payment),
            "void-payment" => call!(shop.payments, payments::void_payment),
            "capture-payment" => call!(shop.payments, payments::capture_payment),
            "create-shipment" => call!(shop.shipping, shipping::create_shipment),
            "cancel-shipment" => call!(shop.shipping, shipping::cancel_shipment),
            other => panic!("nobody knows {other}"),
        }
    }
}

/// The step that refused, and how the saga ended.
pub(crate) fn ending(saga: &Saga) -> (Status, Option<&str>) {
    let reason = saga.moving.reason.as_ref();
    (saga.status(), reason.and_then(|reason| reason.step()))
}
