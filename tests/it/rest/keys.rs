//! Idempotency keys: one key is one saga, however often and wherever it is submitted.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::{Value, json};
use shop::workload::Fate;
use uuid::Uuid;

use super::{Answer, order, send, submission};
use crate::wait::until;
use crate::world::{SOON, World};

/// A submission under `key` at replica `number`.
async fn submit(world: &World, number: usize, key: &str, body: &Value) -> Answer {
    let request = world
        .http
        .post(format!("{}/v1/sagas", world.url_of(number)));
    send(request.header("idempotency-key", key).json(body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_names_its_saga_for_ever_and_no_other_submission() {
    let world = World::open().await;
    let body = submission(&order(1, Fate::Confirmed));
    let first = submit(&world, 0, "order-1", &body).await;
    assert_eq!(
        (first.status, first.header("idempotency-replayed")),
        (201, "")
    );
    let id = first.id();
    assert_eq!(first.header("location"), format!("/v1/sagas/{id}"));
    assert_eq!(first.json()["location"], format!("/v1/sagas/{id}"));
    assert_eq!(first.json()["saga"], "place-order");

    // The same values in another order, with other spaces.
    let Value::Object(fields) = &body["input"] else {
        panic!("{body}")
    };
    let fields = fields.iter().rev();
    let fields: Vec<_> = fields
        .map(|(name, value)| format!("\"{name}\" :\t{value}"))
        .collect();
    let text = format!(
        "{{\"input\": {{ {} }},\n\"saga\": \"place-order\"}}",
        fields.join(" , ")
    );
    let again = world.post_text(text).header("idempotency-key", "order-1");
    assert_eq!(send(again).await.id(), id);

    world.ended(id, "completed").await;
    let after_its_end = submit(&world, 0, "order-1", &body).await;
    assert_eq!((after_its_end.status, after_its_end.id()), (200, id));
    assert_eq!(after_its_end.header("idempotency-replayed"), "true");
    let shown = after_its_end.json();
    assert_eq!(shown["state"], "completed");
    assert!(shown["output"]["number"].is_i64(), "{shown}");
    assert_eq!(shown["reason"], Value::Null);

    let mut other = body.clone();
    other["input"]["customer"] = json!(7);
    let refused = submit(&world, 0, "order-1", &other).await;
    let problem = refused.problem(422, "key-used-otherwise");
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains(&id.to_string())
    );

    let quoted = submit(&world, 0, "\"order-1\"", &body).await;
    assert_eq!((quoted.status, quoted.id()), (200, id));
    let malformed = submit(&world, 0, "\"order-1", &body).await;
    malformed.problem(400, "bad-idempotency-key");
    for (key, expected) in [
        ("order-1", json!([id])),
        ("%22order-1%22", json!([id])),
        ("order-2", json!([])),
    ] {
        let found = send(world.get(&format!("/v1/sagas?key={key}")))
            .await
            .json();
        let ids = found["sagas"].as_array().unwrap().iter();
        let ids: Value = ids.map(|saga| saga["id"].clone()).collect();
        assert_eq!((ids, &found["next"]), (expected, &Value::Null), "{key}");
    }

    let other_key = submit(&world, 0, "order-2", &other).await;
    assert_ne!(other_key.id(), id);
    assert_eq!(world.sagas().await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_stays_accepted_whatever_would_refuse_it_now() {
    let mut world = World::open().await;
    let body = submission(&order(5, Fate::Confirmed));
    let id = submit(&world, 0, "order-1", &body).await.id();
    world.ended(id, "completed").await;
    let without_kafka = world.launch_orchestrator(leave_kafka);
    let health = format!("{}/healthz", world.url_of(without_kafka));
    until("it listens", SOON, async || {
        let answer = world.http.get(&health).send().await;
        answer.map(drop)
    })
    .await;
    until("it has found Postgres", SOON, async || {
        let again = submit(&world, without_kafka, "order-1", &body).await;
        if again.status == 200 {
            Ok(())
        } else {
            Err(again)
        }
    })
    .await;
    let again = submit(&world, without_kafka, "order-1", &body).await;
    assert_eq!(
        (again.id(), &again.json()["state"]),
        (id, &json!("completed"))
    );
    let new = submit(&world, without_kafka, "order-2", &body).await;
    new.problem(503, "unavailable");

    let mut other = body.clone();
    other["input"]["customer"] = json!(7);
    let conflict = submit(&world, without_kafka, "order-1", &other).await;
    conflict.problem(422, "key-used-otherwise");
    // Before anything is said of it, the key is known to be another submission's.
    other["input"] = json!({ "customer": "seven" });
    let refused = submit(&world, 0, "order-1", &other).await;
    refused.problem(422, "key-used-otherwise");
    submit(&world, 0, "order-3", &other)
        .await
        .problem(422, "invalid-input");
    other["saga"] = json!("place-ordr");
    let refused = submit(&world, 0, "order-1", &other).await;
    refused.problem(422, "key-used-otherwise");
    submit(&world, 0, "order-3", &other)
        .await
        .problem(404, "unknown-saga");
    assert_eq!(world.sagas().await, 1);
}

/// Makes a replica look for Kafka where nothing listens.
fn leave_kafka(command: &mut Command) {
    let mut other = Command::new(command.get_program());
    let mut is_address = false;
    for argument in command.get_args() {
        let nowhere = std::mem::replace(&mut is_address, argument == "--brokers");
        other.arg(if nowhere {
            "127.0.0.1:1".as_ref()
        } else {
            argument
        });
    }
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            other.env(name, value);
        }
    }
    *command = other;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_submissions_of_one_key_at_two_replicas_start_one_saga() {
    let mut world = World::without_services().await;
    world.start_orchestrator().await;
    let body = submission(&order(2, Fate::Confirmed));
    let answers = at_once(&world, 50, |_| &body).await;
    let ids: BTreeSet<_> = answers.iter().map(Answer::id).collect();
    let made = answers.iter().filter(|answer| answer.status == 201);
    assert_eq!(made.count(), 1, "{answers:?}");
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        let replayed = answer.header("idempotency-replayed");
        assert_eq!((answer.status, replayed), (202, "true"), "{answer:?}");
    }
    assert_eq!(ids.len(), 1, "{ids:?}");
    assert_eq!(world.sagas().await, 1);
    let saga = world.saga(*ids.first().unwrap()).await;
    assert_eq!(saga["revision"], 1);
    assert_eq!(saga["history"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_submissions_that_race_for_a_key_one_is_taken_and_the_other_is_told_so() {
    let mut world = World::without_services().await;
    world.start_orchestrator().await;
    let bodies = [3, 4].map(|seed| submission(&order(seed, Fate::Confirmed)));
    // Every replica gets both.
    let answers = at_once(&world, 48, |number| &bodies[number / 2 % 2]).await;
    let taken: Vec<_> = answers.iter().map(|answer| answer.status < 300).collect();
    let first_won = taken[0];
    for (number, answer) in answers.iter().enumerate() {
        if (number / 2 % 2 == 0) == first_won {
            assert!(matches!(answer.status, 201 | 202), "{answer:?}");
        } else {
            answer.problem(422, "key-used-otherwise");
        }
    }
    assert_eq!(world.sagas().await, 1);
}

/// Submits under one key, at two replicas in turn, all at once.
async fn at_once<'a>(
    world: &World,
    count: usize,
    body: impl Fn(usize) -> &'a Value,
) -> Vec<Answer> {
    let key = Uuid::now_v7().to_string();
    let requests: Vec<_> = (0..count)
        .map(|number| {
            let url = format!("{}/v1/sagas", world.url_of(number % 2));
            let request = world.http.post(url).header("idempotency-key", &key);
            tokio::spawn(send(request.json(body(number))))
        })
        .collect();
    let mut answers = Vec::new();
    for request in requests {
        answers.push(request.await.unwrap());
    }
    answers
}
