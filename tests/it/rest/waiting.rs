//! `Prefer: wait`: a client that waits is told the end, on whichever replica the saga ends.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use shop::services::ServiceName;
use shop::workload::Fate;

use super::{Answer, order, send, submission};
use crate::world::World;

/// A submission at replica `number` by a client that waits.
async fn waited(world: &World, number: usize, body: &Value, seconds: u32) -> Answer {
    let request = world
        .http
        .post(format!("{}/v1/sagas", world.url_of(number)));
    let request = request.header("prefer", format!("wait={seconds}"));
    let key = body["input"]["order"].as_str().unwrap();
    send(request.header("idempotency-key", key).json(body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_is_told_how_the_saga_ended() {
    let world = World::open().await;
    let completed = waited(&world, 0, &submission(&order(1, Fate::Confirmed)), 30).await;
    let shown = completed.json();
    assert_eq!(completed.status, 201, "{shown}");
    let location = format!("/v1/sagas/{}", completed.id());
    assert_eq!(completed.header("location"), location);
    assert_eq!(completed.header("preference-applied"), "wait=30");
    assert_eq!(shown["state"], "completed");
    assert_eq!(shown["reason"], Value::Null);
    assert!(shown["output"]["number"].is_i64(), "{shown}");
    assert!(shown["output"]["ships_on"].is_string(), "{shown}");
    // Whoever asks afterwards reads the same.
    let saga = world.saga(completed.id()).await;
    assert_eq!(saga["output"], shown["output"]);

    let compensated = waited(&world, 0, &submission(&order(2, Fate::NoCapacity)), 30).await;
    let shown = compensated.json();
    assert_eq!(compensated.status, 201, "{shown}");
    assert_eq!(shown["state"], "compensated");
    assert_eq!(shown["output"], Value::Null);
    let reason = &shown["reason"];
    assert_eq!(reason["kind"], "rejected", "{reason}");
    assert_eq!(reason["step"], "create-shipment", "{reason}");
    assert!(
        reason["code"].is_string() && reason["message"].is_string(),
        "{reason}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_at_one_replica_is_told_of_a_saga_that_another_one_drives() {
    let mut world = World::without(ServiceName::Shipping).await;
    let driver = 0;
    let other = world.start_orchestrator().await;
    let body = submission(&order(3, Fate::Confirmed));
    // Its commands ask for replies where the replica that took it reads them.
    let taken = waited(&world, driver, &body, 0).await;
    assert_eq!(taken.status, 201);
    let id = taken.id();
    world.reaches(id, "create-shipment", "in_flight").await;
    world.start_service(ServiceName::Shipping);
    let told = waited(&world, other, &body, 30).await;
    assert_eq!((told.status, told.id()), (200, id), "{told:?}");
    assert_eq!(told.json()["state"], "completed");
    assert!(told.json()["output"]["number"].is_i64(), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_in_vain_is_told_so_when_the_time_is_up() {
    let world = World::without_services().await;
    let begun = Instant::now();
    let answer = waited(&world, 0, &submission(&order(4, Fate::Confirmed)), 1).await;
    assert_eq!(answer.status, 201);
    assert!(
        begun.elapsed() >= Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(answer.header("preference-applied"), "wait=1");
    let shown = answer.json();
    assert_eq!(shown["state"], "running");
    assert_eq!(shown["output"], Value::Null);
    assert_eq!(
        answer.header("location"),
        format!("/v1/sagas/{}", answer.id())
    );
    assert_eq!(
        world.saga(answer.id()).await["input"]["order"],
        json!(order(4, Fate::Confirmed).order)
    );
}
