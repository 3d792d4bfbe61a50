//! Lifecycle events, as whoever listens to `<prefix>.events` gets them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use shop::workload::{Fate, Workload};
use sqlx::PgPool;
use uuid::Uuid;

use crate::broker::{Broker, Record};
use crate::wait::until;
use crate::world::{SOON, World};

/// Type, revision, number and payload.
type Told = (String, u64, u64, Value);

/// What an event says whose envelope is complete.
fn checked(record: &Record, saga: Uuid) -> Told {
    assert_eq!(record.key, Some(saga.to_string().into_bytes()));
    let media_type = b"application/cloudevents+json".to_vec();
    assert_eq!(record.headers, [("content-type".to_owned(), media_type)]);
    let mut event = record.object();
    for (name, expected) in [
        ("specversion", "1.0"),
        ("wire", "3"),
        ("source", "/sagas/place-order"),
        ("subject", &saga.to_string()),
    ] {
        assert_eq!(event[name], expected, "{event}");
    }
    let kind = event["type"].as_str().unwrap().strip_prefix("saga.");
    let kind = kind.unwrap().to_owned();
    let revision = event["revision"].as_u64().unwrap();
    let id = Uuid::new_v5(&saga, format!("event/{revision}/{kind}").as_bytes());
    assert_eq!(event["id"], id.to_string());
    let time = event["time"].as_str().unwrap();
    assert!(time.len() == 24 && time.ends_with('Z'), "{time}");
    let payload = event["data"].take();
    assert_eq!(payload["revision"], revision, "{payload}");
    assert_eq!(payload["saga"], saga.to_string(), "{payload}");
    (kind, revision, event["sequence"].as_u64().unwrap(), payload)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_saga_tells_how_it_starts_turns_and_ends_in_order() {
    let world = World::open().await;
    let mut sagas = BTreeMap::new();
    for planned in Workload::new(3, 50).take(12) {
        sagas.insert(world.submit(&planned.order).await, planned.fate);
    }
    assert_eq!(world.audited(SOON).await.exit_code(), 0);
    let pool = PgPool::connect(&world.urls.orchestrator).await.unwrap();
    until("the outbox is empty", SOON, async || {
        let count = sqlx::query_scalar("SELECT count(*) FROM event_outbox");
        let waiting: i64 = count.fetch_one(&pool).await.unwrap();
        if waiting == 0 { Ok(()) } else { Err(waiting) }
    })
    .await;

    let records = Broker::of(&world).events();
    let mut by_saga: BTreeMap<Uuid, Vec<&Record>> = BTreeMap::new();
    for record in &records {
        let subject = record.object()["subject"].take();
        let saga = subject.as_str().unwrap().parse().unwrap();
        by_saga.entry(saga).or_default().push(record);
    }
    let heard: BTreeSet<_> = by_saga.keys().collect();
    assert_eq!(heard, sagas.keys().collect());
    for (saga, fate) in sagas {
        // A repeat is the same event: revision, id and payload.
        let mut told: Vec<Told> = Vec::new();
        for record in &by_saga[&saga] {
            let event = checked(record, saga);
            if !told.contains(&event) {
                told.push(event);
            }
        }
        let kinds: Vec<_> = told.iter().map(|(kind, ..)| kind.as_str()).collect();
        let shown = world.saga(saga).await;
        let (_, last, _, payload) = told.last().unwrap();
        assert_eq!(shown["revision"], *last);
        assert!(
            told.is_sorted_by(|(_, one, ..), (_, next, ..)| one < next),
            "{told:?}"
        );
        let mut numbered = (1..).zip(&told);
        assert!(numbered.all(|(number, told)| told.2 == number), "{told:?}");
        if fate == Fate::Confirmed {
            assert_eq!(kinds, ["started", "completed"]);
            assert_eq!(payload["output"], shown["output"]);
            assert_eq!(payload["reason"], Value::Null);
        } else {
            assert_eq!(kinds.first(), Some(&"started"), "{fate:?}: {kinds:?}");
            assert_eq!(kinds.last(), Some(&"compensated"), "{fate:?}: {kinds:?}");
            let turned = kinds.contains(&"compensating");
            // Where the first step is refused, there is nothing to undo.
            assert_eq!(turned, fate != Fate::PriceChanged, "{fate:?}: {kinds:?}");
            assert_eq!(payload["state"], "compensated");
            assert_ne!(payload["reason"], Value::Null);
        }
    }
}
