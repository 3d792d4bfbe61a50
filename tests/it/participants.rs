//! Participants that are away, slow, answer twice, answer late, or answer nonsense: the saga waits,
//! tries again and ends right, and what comes too often or too late has no effect.

mod stand_in;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use sagas::{Direction, Outcome};
use serde_json::{Map, Value, json};
use shop::place_order::PlaceOrder;
use shop::services::ServiceName;
use shop::workload::Workload;
use uuid::Uuid;

use crate::wait::until;
use crate::world::{SOON, World, told_by_replies};
use stand_in::StandIn;

const STEP: &str = "create-shipment";

fn order(seed: u64) -> PlaceOrder {
    Workload::new(seed, 0).next().unwrap().order
}

/// How often a reply to `step`, in this direction, moved the saga.
fn replies_to(saga: &Value, step: &str, direction: &str) -> usize {
    let history = saga["history"].as_array().unwrap().iter();
    let replies = history.filter(|line| line["event"] == "reply");
    replies
        .filter(|line| line["step"] == step && line["direction"] == direction)
        .count()
}

/// A saga that waits for shipping, which the test plays.
async fn played() -> (World, StandIn, Uuid) {
    let world = World::without(ServiceName::Shipping).await;
    let shipping = StandIn::for_shipping(&world).await;
    let saga = world.submit(&order(1)).await;
    (world, shipping, saga)
}

#[tokio::test(flavor = "multi_thread")]
async fn sagas_wait_for_a_participant_that_is_away_and_go_on_when_it_comes() {
    let mut world = World::without(ServiceName::Shipping).await;
    let mut sagas = Vec::new();
    for planned in Workload::new(1, 0).take(5) {
        sagas.push(world.submit(&planned.order).await);
    }
    for saga in &sagas {
        let waiting = world.reaches(*saga, STEP, "in_flight").await;
        assert_eq!(waiting["state"], "running");
        let waits = waiting["steps"][3]["waits"].as_str().unwrap();
        assert!(
            waits.starts_with("waits for shipping to answer attempt"),
            "{waits}"
        );
        // Whoever only needs it waits for it, by name.
        let waits = waiting["steps"][4]["waits"].as_str().unwrap();
        assert_eq!(waits, "waits for create-shipment to be done");
    }
    // Silence is no refusal: it is asked again.
    until("a second attempt", SOON, async || {
        let saga = world.saga(sagas[0]).await;
        let attempt = saga["steps"][3]["attempt"].as_u64().unwrap();
        if attempt >= 2 { Ok(()) } else { Err(saga) }
    })
    .await;
    world.start_service(ServiceName::Shipping);
    for saga in &sagas {
        let ended = world.ended(*saga, "completed").await;
        assert_eq!(replies_to(&ended, STEP, "forward"), 1, "{ended}");
    }
    assert_eq!(world.audited(SOON).await.exit_code(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_participant_is_asked_again_by_the_same_message_and_its_second_answer_is_ignored() {
    let (world, shipping, saga) = played().await;
    let first = shipping.next();
    assert_eq!((first.attempt, first.saga.0), (1, saga));
    let second = shipping.attempt(2);
    assert_eq!((second.id, second.generation), (first.id, first.generation));
    assert_eq!(second.payload, first.payload);
    let reply = shipping.plan(&first).await;
    // The answer to an attempt that is over counts: the effect is the same.
    shipping.answer(&first, Outcome::Succeeded, &reply).await;
    let completed = world.ended(saga, "completed").await;
    let place = shipping.answer(&second, Outcome::Succeeded, &reply).await;
    shipping.heard(&place).await;
    let after = world.saga(saga).await;
    assert_eq!(after["history"], completed["history"]);
    assert_eq!(replies_to(&after, STEP, "forward"), 1);
    assert_eq!(world.audited(SOON).await.exit_code(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_comes_twice_counts_once() {
    let (world, shipping, saga) = played().await;
    let command = shipping.next();
    let reply = shipping.plan(&command).await;
    let refusal = json!({ "code": "no-capacity", "message": "changed its mind" });
    shipping.answer(&command, Outcome::Succeeded, &reply).await;
    shipping.answer(&command, Outcome::Succeeded, &reply).await;
    shipping.answer(&command, Outcome::Rejected, &refusal).await;
    let last = shipping.answer(&command, Outcome::Succeeded, &reply).await;
    shipping.heard(&last).await;
    let ended = world.ended(saga, "completed").await;
    assert_eq!(replies_to(&ended, STEP, "forward"), 1, "{ended}");
    assert_eq!(ended["output"]["ships_on"], reply["ships_on"]);
    assert_eq!(world.audited(SOON).await.exit_code(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_comes_after_the_saga_has_turned_back_changes_nothing() {
    let (world, shipping, saga) = played().await;
    let forward = shipping.next();
    world.reaches(saga, STEP, "in_flight").await;
    let cancel = json!({ "actor": "operator", "reason": "nobody ships" });
    let url = format!("{}/v1/sagas/{saga}/cancel", world.url());
    let answer = world.http.post(url).json(&cancel).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    // Whether it took effect is unknown, so it is undone.
    let undo = shipping.next_of(Direction::Compensate);
    assert_eq!(undo.command, "cancel-shipment");
    shipping
        .answer(&undo, Outcome::Succeeded, &Value::Null)
        .await;
    let compensated = world.ended(saga, "compensated").await;
    let late = json!({ "ships_on": "2030-01-01" });
    shipping.answer(&forward, Outcome::Succeeded, &late).await;
    let last = shipping
        .answer(&undo, Outcome::Succeeded, &Value::Null)
        .await;
    shipping.heard(&last).await;
    let after = world.saga(saga).await;
    assert_eq!(after["history"], compensated["history"]);
    assert_eq!(after["state"], "compensated");
    assert_eq!(replies_to(&after, STEP, "forward"), 0);
    assert_eq!(replies_to(&after, STEP, "compensate"), 1);
    assert_eq!(world.audited(SOON).await.exit_code(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_participant_that_fails_is_asked_again_and_a_failure_counts_for_its_attempt_only() {
    let (world, shipping, saga) = played().await;
    let first = shipping.next();
    let failure = json!({ "code": "busy", "message": "try later" });
    shipping.answer(&first, Outcome::Failed, &failure).await;
    let second = shipping.attempt(2);
    assert_eq!(second.payload, first.payload);
    // The failure of the first attempt again: the second one is under way, and goes on.
    let place = shipping.answer(&first, Outcome::Failed, &failure).await;
    shipping.heard(&place).await;
    let waiting = world.saga(saga).await;
    assert_eq!(waiting["steps"][3]["attempt"], 2);
    assert_eq!(waiting["steps"][3]["state"], "in_flight");
    let reply = shipping.plan(&second).await;
    shipping.answer(&second, Outcome::Succeeded, &reply).await;
    let ended = world.ended(saga, "completed").await;
    let told = told_by_replies(&ended);
    let failed = told.iter().filter(|line| {
        line.as_str().unwrap() == "create-shipment failed on attempt 1: busy: try later."
    });
    assert_eq!(failed.count(), 1, "{told:?}");
    assert_eq!(world.audited(SOON).await.exit_code(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_escaped_nul_in_an_answer_or_an_order_is_text_like_any_other() {
    let (world, shipping, saga) = played().await;
    let refusal = json!({ "code": "odd\0", "message": "a\0b" });
    let command = shipping.next();
    shipping.answer(&command, Outcome::Rejected, &refusal).await;
    let compensated = world.ended(saga, "compensated").await;
    assert_eq!(compensated["reason"]["message"], "a\0b", "{compensated}");
    let url = format!("{}/v1/sagas?state=compensated", world.url());
    let answer = world.http.get(url).send().await.unwrap();
    let list: Value = answer.json().await.unwrap();
    assert_eq!(list["sagas"][0]["id"], saga.to_string(), "{list}");

    let next = world.submit(&order(2)).await;
    let command = shipping.next_for(next);
    for action in ["pause", "resume"] {
        let body = json!({ "actor": "c\0", "reason": "d\0e" });
        let url = format!("{}/v1/sagas/{next}/{action}", world.url());
        let answer = world.http.post(url).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }
    let mut reply = shipping.plan(&command).await;
    reply["note"] = json!("f\0g");
    shipping.answer(&command, Outcome::Succeeded, &reply).await;
    let ended = world.ended(next, "completed").await;
    assert_eq!(ended["steps"][3]["reply"]["note"], "f\0g", "{ended}");
    assert_eq!(world.audited(SOON).await.exit_code(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_cannot_be_used_is_a_failure_with_its_reason_and_the_next_one_counts() {
    let (world, shipping, saga) = played().await;
    let first = shipping.next();
    let reply = shipping.plan(&first).await;
    let done = Outcome::Succeeded;
    let maybe =
        |reply: &mut Map<String, Value>| drop(reply.insert("outcome".into(), json!("maybe")));
    shipping.answer_changed(&first, done, &reply, maybe).await;
    let second = shipping.attempt(2);
    let unsaid = |reply: &mut Map<String, Value>| drop(reply.remove("effective"));
    shipping.answer_changed(&second, done, &reply, unsaid).await;
    let third = shipping.attempt(3);
    let in_base64 = |message: &mut Map<String, Value>| {
        message.remove("data");
        let day = reply["ships_on"].as_str().unwrap();
        let json = format!(r#"{{"ships_on":"{day}"}}"#);
        message.insert("data_base64".into(), json!(BASE64_STANDARD.encode(json)));
    };
    shipping
        .answer_changed(&third, done, &reply, in_base64)
        .await;
    let ended = world.ended(saga, "completed").await;
    let told = told_by_replies(&ended);
    for line in [
        "create-shipment failed on attempt 1: unreadable-reply: attribute outcome is \"maybe\", not a known outcome.",
        "create-shipment failed on attempt 2: unreadable-reply: attribute effective is missing.",
    ] {
        assert!(told.iter().any(|told| told == line), "{told:?}");
    }
    assert_eq!(ended["output"]["ships_on"], reply["ships_on"]);
    assert_eq!(world.audited(SOON).await.exit_code(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_of_another_shape_stops_its_own_saga_and_no_other() {
    let (world, shipping, saga) = played().await;
    let command = shipping.next();
    let nonsense = json!({ "ships_on": 7 });
    shipping
        .answer(&command, Outcome::Succeeded, &nonsense)
        .await;
    let stuck = world.ended(saga, "stuck").await;
    assert!(stuck["attention"]["text"].is_string(), "{stuck}");
    assert!(stuck["steps"][3]["trouble"].is_string(), "{stuck}");
    let next = world.submit(&order(2)).await;
    let command = shipping.next_for(next);
    let reply = shipping.plan(&command).await;
    shipping.answer(&command, Outcome::Succeeded, &reply).await;
    world.ended(next, "completed").await;
    assert_eq!(world.saga(saga).await["state"], "stuck");
}
