//! `POST /v1/sagas/{id}/<order>`: pause, resume, retry, edit, skip and resolve on real participants.

use serde_json::{Value, json};
use shop::services::ServiceName;
use shop::workload::Fate;
use uuid::Uuid;

use super::{Answer, order, send};
use crate::world::{SOON, World};

async fn give(world: &World, saga: Uuid, name: &str, more: &Value) -> Answer {
    let mut body = json!({ "actor": "operator", "reason": "the customer called" });
    let fields = more.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(fields);
    send(world.post(&format!("/v1/sagas/{saga}/{name}")).json(&body)).await
}

fn step<'a>(shown: &'a Value, name: &str) -> &'a Value {
    let mut steps = shown["steps"].as_array().unwrap().iter();
    steps.find(|step| step["name"] == name).unwrap()
}

/// A world in which nobody ships, and a saga in it that waits for that.
async fn without_shipping(seed: u64) -> (World, Uuid) {
    let world = World::without(ServiceName::Shipping).await;
    let saga = world.submit(&order(seed, Fate::Confirmed)).await;
    world.reaches(saga, "create-shipment", "in_flight").await;
    (world, saga)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_saga_takes_its_reply_and_sends_nothing_until_it_is_resumed() {
    let (mut world, saga) = without_shipping(1).await;
    let order_id = json!({ "order_id": Uuid::now_v7() });
    let paused = give(&world, saga, "pause", &order_id).await.json();
    assert_eq!(paused["result"], "paused", "{paused}");
    assert_eq!(give(&world, saga, "pause", &order_id).await.json(), paused);
    let twice = give(&world, saga, "pause", &json!({})).await;
    twice.problem(409, "order-refused");

    world.start_service(ServiceName::Shipping);
    world.reaches(saga, "create-shipment", "done").await;
    let shown = world.saga(saga).await;
    assert_eq!(step(&shown, "capture-payment")["state"], "idle");
    assert_eq!(shown["paused"]["actor"], "operator", "{}", shown["paused"]);

    let resumed = give(&world, saga, "resume", &json!({})).await.json();
    assert_eq!(resumed["result"], "resumed", "{resumed}");
    let shown = world.ended(saga, "completed").await;
    assert_eq!(shown["paused"], Value::Null);
    assert_eq!(world.audited(SOON).await.exit_code(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_command_and_its_first_version_take_effect_once_between_them() {
    let (mut world, saga) = without_shipping(2).await;
    let shown = world.saga(saga).await;
    let payload = &step(&shown, "create-shipment")["payload"];
    let edit = json!({ "step": "create-shipment", "payload": payload });
    let answer = give(&world, saga, "edit", &edit).await.json();
    assert_eq!(answer["result"], "retrying", "{answer}");
    let retry = json!({ "step": "create-shipment" });
    let answer = give(&world, saga, "retry", &retry).await.json();
    assert_eq!(answer["result"], "retrying", "{answer}");
    let shown = world.saga(saga).await;
    let shipment = step(&shown, "create-shipment");
    assert_eq!(
        (&shipment["generation"], &shipment["attempt"]),
        (&json!(2), &json!(2))
    );

    world.start_service(ServiceName::Shipping);
    world.ended(saga, "completed").await;
    assert_eq!(world.audited(SOON).await.exit_code(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_skipped_step_keeps_its_own_reply_if_it_took_effect_before_its_fence() {
    let (mut world, saga) = without_shipping(3).await;
    let skip = json!({ "step": "create-shipment", "reply": { "ships_on": "1999-12-31" } });
    let answer = give(&world, saga, "skip", &skip).await.json();
    assert_eq!(answer["result"], "fencing", "{answer}");
    let again = give(&world, saga, "skip", &skip).await;
    again.problem(409, "order-refused");
    // Command and fence lie in partitions of their own: which takes effect is decided where they meet.
    world.start_service(ServiceName::Shipping);
    let shown = world.ended(saga, "completed").await;
    let shipment = step(&shown, "create-shipment");
    let is_substitute = shipment["reply"]["ships_on"] == "1999-12-31";
    let state = if is_substitute { "by_hand" } else { "done" };
    assert_eq!(shipment["state"], state, "{shipment}");
    // What was done by hand is in no book.
    let code = u8::from(is_substitute);
    assert_eq!(world.audited(SOON).await.exit_code(), code, "{shipment}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_was_never_sent_is_skipped_in_its_turn_and_undone_by_hand() {
    let mut world = World::without(ServiceName::Payments).await;
    let saga = world.submit(&order(4, Fate::Confirmed)).await;
    world.reaches(saga, "authorize-payment", "in_flight").await;
    let skip = json!({ "step": "create-shipment", "reply": { "ships_on": "1999-12-31" } });
    let early = give(&world, saga, "skip", &skip).await;
    let problem = early.problem(409, "order-refused");
    let detail = problem["detail"].as_str().unwrap();
    assert!(
        detail.contains("turn of this step has not come"),
        "{detail}"
    );

    give(&world, saga, "pause", &json!({})).await.json();
    world.start_service(ServiceName::Payments);
    for before in ["reserve-stock", "authorize-payment"] {
        world.reaches(saga, before, "done").await;
    }
    let answer = give(&world, saga, "skip", &skip).await.json();
    assert_eq!(answer["result"], "skipped", "{answer}");
    let resolve = json!({ "step": "create-shipment" });
    let forward = give(&world, saga, "resolve", &resolve).await;
    forward.problem(409, "order-refused");
    give(&world, saga, "cancel", &json!({})).await.json();
    give(&world, saga, "resume", &json!({})).await.json();
    let shown = world.ended(saga, "stuck").await;
    let trouble = step(&shown, "create-shipment")["trouble"].as_str().unwrap();
    assert!(trouble.contains("done by hand"), "{trouble}");
    let answer = give(&world, saga, "resolve", &resolve).await.json();
    assert_eq!(answer["result"], "resolved", "{answer}");
    world.ended(saga, "compensated").await;
    assert_eq!(world.audited(SOON).await.exit_code(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_order_under_a_used_order_id_is_refused_and_names_the_first() {
    let (world, saga) = without_shipping(6).await;
    let order_id = Uuid::now_v7();
    let pause = json!({ "order_id": order_id });
    give(&world, saga, "pause", &pause).await.json();
    let others = [
        ("resume", json!({ "order_id": order_id })),
        (
            "pause",
            json!({ "order_id": order_id, "reason": "another one" }),
        ),
        (
            "skip",
            json!({ "order_id": order_id, "step": "create-shipment", "reply": null }),
        ),
    ];
    for (name, more) in others {
        let problem = give(&world, saga, name, &more).await;
        let problem = problem.problem(422, "order-used-otherwise");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("another order: pause, at 2"), "{detail}");
        assert!(detail.contains("the customer called"), "{detail}");
    }
    assert_eq!(world.saga(saga).await["paused"]["actor"], "operator");
    let by_another = json!({ "order_id": order_id, "actor": "a colleague" });
    let again = give(&world, saga, "pause", &by_another).await.json();
    assert_eq!(again["result"], "paused");
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_that_do_not_fit_say_what_is_wrong_with_them() {
    let (world, saga) = without_shipping(5).await;
    let unknown = give(&world, saga, "paint", &json!({})).await;
    let problem = unknown.problem(404, "not-found");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("orders are cancel, pause"), "{detail}");
    for (name, more, path) in [
        ("edit", json!({ "step": "create-shipment" }), "/payload"),
        ("skip", json!({}), "/step"),
        ("resolve", json!({ "step": "paint-the-house" }), "/step"),
        ("pause", json!({ "step": "create-shipment" }), "/step"),
        (
            "edit",
            json!({ "step": "create-shipment", "payload": { "order": 7 } }),
            "/payload",
        ),
        (
            "skip",
            json!({ "step": "create-shipment", "reply": { "ships_on": 7 } }),
            "/reply",
        ),
    ] {
        let problem = give(&world, saga, name, &more)
            .await
            .problem(422, "invalid-input");
        assert_eq!(
            problem["errors"][0]["path"], path,
            "{name} {more}: {problem}"
        );
    }
    let unread = give(&world, saga, "skip", &json!({ "step": "create-shipment" })).await;
    unread.problem(409, "order-refused");
}
