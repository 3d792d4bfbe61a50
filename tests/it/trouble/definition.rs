//! A deploy takes a definition away that sagas still pin: nobody moves them, it is shown, and they
//! go on once a binary has it again.

use serde_json::Value;
use shop::services::ServiceName;
use shop::workload::{Fate, Workload};
use sqlx::PgPool;

use super::alone;
use crate::wait::until;
use crate::world::{SOON, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_saga_whose_definition_nobody_has_is_shown_and_goes_on_once_somebody_has_it() {
    let _alone = alone().await;
    let mut world = World::without_services().await;
    let planned = Workload::new(31, 0).find(|planned| planned.fate == Fate::Confirmed);
    let saga = world.submit(&planned.unwrap().order).await;
    world.reaches(saga, "create-order", "in_flight").await;

    // The binary that has no definitions takes the place of the shop's.
    tokio::task::block_in_place(|| world.orchestrator(0).terminate(SOON));
    let bare = world.launch("saga", |_| ());
    world.ready(bare).await;
    for name in ServiceName::ALL {
        world.start_service(name);
    }
    assert_eq!(world.saga(saga).await["attention"], Value::Null);
    assert_eq!(
        ask(&world, "/v1/sagas?attention=true").await["sagas"],
        Value::Array(vec![])
    );

    // Half a minute later.
    let pool = PgPool::connect(&world.urls.orchestrator).await.unwrap();
    let ago = "UPDATE definition_seen SET seen_at = seen_at - interval '40 s'";
    sqlx::query(ago).execute(&pool).await.unwrap();
    let expected = "no live replica has definition place-order version 1 (fingerprint ";
    let shown = world.saga(saga).await;
    let text = shown["attention"]["text"].as_str().unwrap_or_default();
    assert!(text.starts_with(expected), "{shown}");
    assert_eq!(shown["state"], "running", "{shown}");
    let list = ask(&world, "/v1/sagas?attention=true").await;
    assert_eq!(list["sagas"][0]["id"], shown["id"], "{list}");
    assert_eq!(list["sagas"][0]["attention"], shown["attention"], "{list}");
    until("the counts have it", SOON, async || {
        let summary = ask(&world, "/v1/summary").await;
        let missing = &summary["missing"][0];
        if summary["attention"] == 1 && missing["name"] == "place-order" && missing["sagas"] == 1 {
            Ok(())
        } else {
            Err(summary)
        }
    })
    .await;
    let letters = ask(&world, "/v1/dead-letters").await;
    assert_eq!(letters["dead_letters"], Value::Array(vec![]));

    // Back again.
    world.start_orchestrator().await;
    let ended = world.ended(saga, "completed").await;
    assert_eq!(ended["attention"], Value::Null);
    assert_eq!(world.audited(SOON).await.exit_code(), 0);
}

async fn ask(world: &World, path: &str) -> Value {
    let url = format!("{}{path}", world.url());
    let answer = world.http.get(&url).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{url}");
    answer.json().await.unwrap()
}
