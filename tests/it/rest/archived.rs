//! A saga that has ended long ago: in the archive, then gone.

use std::time::Duration;

use sagas::Timestamp;
use sagas_orchestrator::store::{Settings, Store};
use serde_json::json;
use shop::workload::Fate;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use super::{Answer, order, send, submission};
use crate::wait::until;
use crate::world::{SOON, World};

async fn cancel(world: &World, saga: Uuid) -> Answer {
    let body = json!({ "actor": "operator", "reason": "the customer called" });
    send(world.post(&format!("/v1/sagas/{saga}/cancel")).json(&body)).await
}

async fn number(world: &World, sql: &'static str) -> i64 {
    let mut side = PgConnection::connect(&world.urls.orchestrator)
        .await
        .unwrap();
    sqlx::query_scalar(sql).fetch_one(&mut side).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archived_saga_answers_as_before_and_a_dropped_one_says_that_it_is_gone() {
    let world = World::open().await;
    let body = submission(&order(1, Fate::Confirmed));
    let submit = || world.post("/v1/sagas").header("idempotency-key", "order-1");
    let first = send(submit().json(&body)).await;
    let saga = first.id();
    let archived = "SELECT count(*) FROM saga_archive";
    until("the saga is in the archive", SOON, || async {
        match number(&world, archived).await {
            1 => Ok(()),
            other => Err(other),
        }
    })
    .await;
    assert_eq!(number(&world, "SELECT count(*) FROM saga").await, 0);

    let shown = world.saga(saga).await;
    assert_eq!(shown["state"], "completed");
    assert_eq!(shown["steps"].as_array().unwrap().len(), 6);
    assert!(shown["history"].as_array().unwrap().len() > 6, "{shown}");
    let listed = send(world.get("/v1/sagas?state=completed")).await.json();
    assert_eq!(listed["sagas"][0]["id"], json!(saga));
    let again = send(submit().header("prefer", "wait=5").json(&body)).await;
    assert_eq!((again.status, again.id()), (200, saga));
    cancel(&world, saga).await.problem(409, "order-refused");
    assert_eq!(world.audited(SOON).await.exit_code(), 0);

    let settings = Settings {
        url: world.urls.orchestrator.clone(),
        connections_max: 1,
        commits_max: 1,
        shards: 64,
    };
    let in_40_days = Timestamp::from_micros(
        number(&world, "SELECT (extract(epoch FROM now()) * 1e6)::bigint").await,
    ) + Duration::from_secs(40 * 86_400);
    let store = Store::connect(&settings).unwrap();
    let dropped = store.drop_partitions(in_40_days).await.unwrap();
    assert!(dropped.held_up.is_none(), "{:?}", dropped.held_up);
    let gone = send(world.get(&format!("/v1/sagas/{saga}"))).await;
    let problem = gone.problem(410, "dropped");
    assert!(
        problem["detail"].as_str().unwrap().contains("new key"),
        "{problem}"
    );
    let refused = send(submit().json(&body)).await;
    refused.problem(410, "dropped");
    let sought = send(world.get("/v1/sagas?key=order-1")).await;
    sought.problem(410, "dropped");
    cancel(&world, saga).await.problem(410, "dropped");
    let other = Uuid::now_v7();
    send(world.get(&format!("/v1/sagas/{other}")))
        .await
        .problem(404, "not-found");
}
