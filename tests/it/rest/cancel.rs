//! `POST /v1/sagas/{id}/cancel`: what an operator can still turn back, and what not.

use serde_json::{Value, json};
use shop::services::ServiceName;
use shop::workload::Fate;
use uuid::Uuid;

use super::{Answer, order, send};
use crate::world::{SOON, World};

async fn cancel(world: &World, saga: Uuid, body: &Value) -> Answer {
    send(world.post(&format!("/v1/sagas/{saga}/cancel")).json(body)).await
}

fn by_operator(order: Uuid) -> Value {
    json!({ "order_id": order, "actor": "operator", "reason": "the customer called" })
}

/// A world in which nobody ships, and a saga in it that waits for that.
async fn without_shipping(seed: u64) -> (World, Uuid) {
    let world = World::without(ServiceName::Shipping).await;
    let saga = world.submit(&order(seed, Fate::Confirmed)).await;
    world.reaches(saga, "create-shipment", "in_flight").await;
    (world, saga)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saga_before_its_pivot_is_turned_back_once() {
    let (mut world, saga) = without_shipping(1).await;
    let order_id = Uuid::now_v7();
    let first = cancel(&world, saga, &by_operator(order_id)).await.json();
    assert_eq!(first["result"], "cancelling", "{first}");
    assert_eq!(first["order_id"], json!(order_id));
    assert_eq!(first["saga"], json!(saga));
    let revision = world.saga(saga).await["revision"].clone();
    // The same order again is answered like the first time, and does nothing.
    assert_eq!(
        cancel(&world, saga, &by_operator(order_id)).await.json(),
        first
    );
    assert_eq!(world.saga(saga).await["revision"], revision);
    // Another one makes no sense any more.
    let other = cancel(&world, saga, &by_operator(Uuid::now_v7())).await;
    other.problem(409, "order-refused");

    world.start_service(ServiceName::Shipping);
    let shown = world.ended(saga, "compensated").await;
    let reason = &shown["reason"];
    assert_eq!(reason["kind"], "cancelled", "{reason}");
    assert_eq!(reason["actor"], "operator", "{reason}");
    assert_eq!(reason["message"], "the customer called", "{reason}");
    let orders = shown["history"].as_array().unwrap().iter();
    assert_eq!(orders.filter(|line| line["event"] == "order").count(), 1);
    // Also after its end.
    assert_eq!(
        cancel(&world, saga, &by_operator(order_id)).await.json(),
        first
    );
    let late = cancel(&world, saga, &by_operator(Uuid::now_v7())).await;
    late.problem(409, "order-refused");
    assert_eq!(world.audited(SOON).await.exit_code(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_pivot_in_flight_its_participant_decides() {
    let (mut world, saga) = without_shipping(2).await;
    world.service(ServiceName::Payments).kill();
    world.start_service(ServiceName::Shipping);
    world.reaches(saga, "capture-payment", "in_flight").await;
    let answer = cancel(&world, saga, &by_operator(Uuid::now_v7()))
        .await
        .json();
    assert_eq!(answer["result"], "fencing", "{answer}");
    let again = cancel(&world, saga, &by_operator(Uuid::now_v7())).await;
    again.problem(409, "order-refused");
    // Command and fence lie in partitions of their own: which takes effect is decided where they meet.
    world.start_service(ServiceName::Payments);
    let shown = world.terminal(saga).await;
    let is_captured = shown["state"] == "completed";
    assert_eq!(shown["reason"].is_null(), is_captured, "{shown}");
    assert_eq!(world.audited(SOON).await.exit_code(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_ended_or_never_was_cannot_be_cancelled() {
    let world = World::open().await;
    let saga = world.submit(&order(3, Fate::Confirmed)).await;
    world.ended(saga, "completed").await;
    let ended = cancel(&world, saga, &by_operator(Uuid::now_v7())).await;
    ended.problem(409, "order-refused");
    let unknown = cancel(&world, Uuid::now_v7(), &by_operator(Uuid::now_v7())).await;
    unknown.problem(404, "not-found");

    let anonymous = json!({ "actor": " ", "reason": "" });
    let problem = cancel(&world, saga, &anonymous)
        .await
        .problem(422, "invalid-input");
    assert_eq!(problem["errors"][0]["path"], "/actor", "{problem}");
    // The escape is text like any other: what refuses is the saga, which has ended.
    let nul = json!({ "actor": "a", "reason": "b\0" });
    cancel(&world, saga, &nul)
        .await
        .problem(409, "order-refused");
    cancel(&world, saga, &json!({ "actor": "a" }))
        .await
        .problem(400, "malformed");
    let no_id = world.post("/v1/sagas/17/cancel").json(&anonymous);
    send(no_id).await.problem(400, "bad-parameter");
    assert_eq!(world.saga(saga).await["revision"], 7);
}
