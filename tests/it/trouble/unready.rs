//! A replica through which no work flows says so, whatever answers questions meanwhile: it refuses what is new at
//! once, answers what is known, and is ready again without anybody's help.

mod kafka;
mod postgres;

use serde_json::{Value, json};
use shop::place_order::PlaceOrder;
use shop::services::ServiceName;
use shop::workload::{Fate, Workload};
use uuid::Uuid;

use super::outage::{OUTAGE, assert_come_back_later, order_once, readiness};
use crate::wait::until;
use crate::world::World;

/// Far less than a client would hang for that waits for an answer in vain, on a busy machine.
const AT_ONCE: std::time::Duration = std::time::Duration::from_secs(5);

/// An order that was taken while all was well.
struct Known {
    order: PlaceOrder,
    saga: Uuid,
}

impl Known {
    /// Starts everything, and waits until nothing is left to do: from now on, nobody writes but for probes.
    async fn placed_and_ended(world: &mut World) -> Self {
        world.start_orchestrator().await;
        for name in ServiceName::ALL {
            world.start_service(name);
        }
        let order = order(1);
        let saga = world.submit(&order).await;
        world.ended(saga, "completed").await;
        Self { order, saga }
    }
}

fn order(seed: u64) -> PlaceOrder {
    let mut planned = Workload::new(seed, 0);
    let planned = planned.find(|planned| planned.fate == Fate::Confirmed);
    planned.unwrap().order
}

/// Waits until `/readyz` says 503, with these words of `part`, and that the other part is well.
async fn unready(world: &World, part: &str, words: &str) {
    let other = if part == "kafka" { "postgres" } else { "kafka" };
    until("it is not ready", OUTAGE, async || {
        let (status, body) = readiness(world, 0).await?;
        let says = body[part].as_str().is_some_and(|text| text.contains(words));
        if status == 503 && says && body[other] == "ok" {
            Ok(())
        } else {
            Err(format!("{status} {body}"))
        }
    })
    .await;
}

/// New submissions are refused at once, and name `part` alone; what is known is answered.
async fn refuses_what_is_new_and_answers_what_is_known(world: &World, part: &str, known: &Known) {
    let answer = order_once(world, 1_000, AT_ONCE).await;
    assert_come_back_later(answer).await;
    let (status, problem) = submit(world, &order(1_001)).await;
    let detail = problem["detail"].as_str().unwrap();
    assert_eq!(status, 503, "{problem}");
    assert!(
        detail.starts_with(&format!("{part} cannot be used now: ")),
        "{detail}"
    );
    let other = if part == "Kafka" { "Postgres" } else { "Kafka" };
    assert!(!detail.contains(other), "{detail}");

    let (status, again) = submit(world, &known.order).await;
    assert!(matches!(status, 200 | 202), "{status} {again}");
    assert_eq!(again["id"], known.saga.to_string());
    assert_eq!(world.saga(known.saga).await["id"], known.saga.to_string());
}

/// Sends an order under its own id, once.
async fn submit(world: &World, order: &PlaceOrder) -> (u16, Value) {
    let body = json!({ "saga": "place-order", "input": order });
    let request = world.http.post(format!("{}/v1/sagas", world.url()));
    let request = request.header("idempotency-key", order.order.to_string());
    let answer = request.timeout(AT_ONCE).json(&body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}
