//! What REST shows: lists in pages, one saga in full, definitions, health and the page.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use shop::workload::{Fate, Workload};
use uuid::Uuid;

use super::{order, send};
use crate::wait::until;
use crate::world::{SOON, World};

fn ids(sagas: &[Value]) -> Vec<Uuid> {
    sagas
        .iter()
        .map(|saga| saga["id"].as_str().unwrap().parse().unwrap())
        .collect()
}

/// All pages of a list, one after the other.
async fn pages(world: &World, query: &str, limit: usize) -> Vec<Vec<Value>> {
    let mut pages = Vec::new();
    let mut path = format!("/v1/sagas?limit={limit}&{query}");
    loop {
        let answer = send(world.get(&path)).await.json();
        pages.push(answer["sagas"].as_array().unwrap().clone());
        let Some(cursor) = answer["next"].as_str() else {
            return pages;
        };
        path = format!("/v1/sagas?limit={limit}&{query}&cursor={cursor}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_a_list_show_every_saga_once_newest_first_and_filters_part_them() {
    let world = World::open().await;
    let planned: Vec<_> = Workload::new(5, 40).take(23).collect();
    let (mut confirmed, mut refused) = (BTreeSet::new(), BTreeSet::new());
    for planned in &planned {
        let id = world.submit(&planned.order).await;
        let ends = if planned.fate == Fate::Confirmed {
            &mut confirmed
        } else {
            &mut refused
        };
        ends.insert(id);
    }
    for id in &confirmed {
        world.ended(*id, "completed").await;
    }
    for id in &refused {
        world.ended(*id, "compensated").await;
    }

    let all = pages(&world, "", 5).await;
    let lengths: Vec<_> = all.iter().map(Vec::len).collect();
    assert_eq!(lengths, [5, 5, 5, 5, 3]);
    let all = all.concat();
    let started = all.iter().map(|saga| saga["started_at"].as_str().unwrap());
    assert!(started.is_sorted_by(|one, next| one >= next), "{all:?}");
    let shown: BTreeSet<_> = ids(&all).into_iter().collect();
    let everyone: BTreeSet<_> = confirmed.union(&refused).copied().collect();
    assert_eq!((all.len(), &shown), (23, &everyone));
    for saga in &all {
        assert_eq!(saga["saga"], "place-order", "{saga}");
        assert!(saga["finished_at"].is_string(), "{saga}");
        assert_eq!(saga["attention"], Value::Null, "{saga}");
    }

    for (query, expected) in [
        ("state=completed", &confirmed),
        ("state=compensated", &refused),
        ("state=completed,compensated", &everyone),
        ("state=running,compensating,stuck", &BTreeSet::new()),
        ("definition=place-order", &everyone),
        ("definition=place-order&state=compensated", &refused),
        ("definition=other", &BTreeSet::new()),
    ] {
        let found = pages(&world, query, 4).await.concat();
        assert_eq!(found.len(), expected.len(), "{query}");
        let found: BTreeSet<_> = ids(&found).into_iter().collect();
        assert_eq!(&found, expected, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sagas_that_start_meanwhile_do_not_shift_the_pages() {
    let world = World::without_services().await;
    let mut orders = Workload::new(6, 0).map(|planned| planned.order);
    let mut before = Vec::new();
    for order in orders.by_ref().take(10) {
        before.push(world.submit(&order).await);
    }
    let first = send(world.get("/v1/sagas?limit=4")).await.json();
    let mut seen = ids(first["sagas"].as_array().unwrap());
    let mut next = first["next"].clone();
    while let Some(cursor) = next.as_str() {
        world.submit(&orders.next().unwrap()).await;
        let page = send(world.get(&format!("/v1/sagas?limit=4&cursor={cursor}")))
            .await
            .json();
        seen.extend(ids(page["sagas"].as_array().unwrap()));
        next = page["next"].clone();
    }
    // Times come from estimates of the database's clock, so neighbours may be told the other way.
    seen.retain(|id| before.contains(id));
    seen.sort_unstable();
    before.sort_unstable();
    assert_eq!(seen, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_saga_is_shown_with_its_steps_and_its_history() {
    let world = World::open().await;
    let placed = order(7, Fate::Confirmed);
    let id = world.submit(&placed).await;
    let saga = world.ended(id, "completed").await;
    assert_eq!(saga["input"], json!(placed));
    let steps = saga["steps"].as_array().unwrap();
    let told: Vec<_> = steps
        .iter()
        .map(|step| {
            assert_eq!(step["state"], "done", "{step}");
            assert_eq!(step["attempt"], 1, "{step}");
            assert!(
                step["sent_at"].is_string() && step["ended_at"].is_string(),
                "{step}"
            );
            assert!(step["payload"]["order"].is_string(), "{step}");
            (
                step["name"].as_str().unwrap(),
                step["kind"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("create-order", "compensatable"),
            ("reserve-stock", "compensatable"),
            ("authorize-payment", "compensatable"),
            ("create-shipment", "compensatable"),
            ("capture-payment", "pivot"),
            ("confirm-order", "retriable"),
        ]
    );
    assert_eq!(steps[0]["reply"]["number"], saga["output"]["number"]);
    assert_eq!(
        steps[3]["needs"],
        json!(["reserve-stock", "authorize-payment"])
    );
    // One transition for the start, and one per reply.
    let history = saga["history"].as_array().unwrap();
    let revisions: Vec<_> = history
        .iter()
        .map(|line| line["revision"].as_u64().unwrap())
        .collect();
    assert_eq!(revisions, [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(saga["revision"], 7);
    assert_eq!(history[0]["event"], "started");
    assert_eq!(
        history[1]["sent"],
        json!(["reserve-stock", "authorize-payment"])
    );
    assert_eq!(history[6]["state"], "completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saga_is_sent_again_only_when_it_has_changed_and_without_payloads_if_so_wanted() {
    let world = World::open().await;
    let id = world.submit(&order(10, Fate::Confirmed)).await;
    world.ended(id, "completed").await;
    let path = format!("/v1/sagas/{id}");
    let first = send(world.get(&path)).await;
    let tag = first.header("etag");
    let again = world.get(&path).header("if-none-match", tag);
    let again = send(again).await;
    assert_eq!((again.status, again.text.as_str()), (304, ""), "{again:?}");
    assert_eq!(again.header("etag"), tag);
    let other = world.get(&path).header("if-none-match", "\"other\"");
    assert_eq!(send(other).await.json(), first.json());

    let light = send(world.get(&format!("{path}?payloads=false"))).await;
    assert_ne!(light.header("etag"), tag);
    let light = light.json();
    assert_eq!(light["history"], first.json()["history"]);
    for hidden in [light.get("input"), light["steps"][0].get("payload")] {
        assert_eq!(hidden, None, "{light}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_saga_is_shown_with_its_reason_and_what_was_undone() {
    let world = World::open().await;
    let id = world.submit(&order(8, Fate::CaptureDeclined)).await;
    let saga = world.ended(id, "compensated").await;
    let reason = &saga["reason"];
    assert_eq!(reason["kind"], "rejected");
    assert_eq!(reason["step"], "capture-payment");
    assert_eq!(reason["code"], "capture-declined");
    assert_eq!(saga["output"], Value::Null);
    let states = saga["steps"].as_array().unwrap().iter();
    let states: Vec<_> = states.map(|step| step["state"].as_str().unwrap()).collect();
    assert_eq!(
        states,
        [
            "compensated",
            "compensated",
            "compensated",
            "compensated",
            "rejected",
            "idle"
        ]
    );
    assert_eq!(saga["steps"][4]["rejection"]["code"], "capture-declined");
    let undone = saga["history"].as_array().unwrap().iter();
    let undone = undone.filter(|line| line["direction"] == "compensate");
    let undone: Vec<_> = undone.map(|line| line["step"].as_str().unwrap()).collect();
    assert_eq!(undone.len(), 4);
    assert_eq!((undone[0], undone[3]), ("create-shipment", "create-order"));
}

#[tokio::test(flavor = "multi_thread")]
async fn definitions_health_and_counts_are_shown() {
    let world = World::without_services().await;
    let list = send(world.get("/v1/definitions")).await.json();
    let shown = &list["definitions"][0];
    assert_eq!(shown["name"], "place-order");
    assert_eq!(shown["version"], 1);
    assert_eq!(shown["steps"], 6);
    let one = send(world.get("/v1/definitions/place-order")).await.json();
    assert_eq!(one["fingerprint"], shown["fingerprint"]);
    assert_eq!(
        one["input_schema"]["required"],
        json!(["order", "customer", "lines", "cents"])
    );
    assert_eq!(
        one["output_schema"]["required"],
        json!(["number", "ships_on"])
    );
    assert_eq!(one["steps"][4]["command"], "capture-payment");
    assert_eq!(one["steps"][2]["compensation"], "void-payment");

    let health = send(world.get("/healthz")).await;
    assert_eq!((health.status, health.text.as_str()), (200, "ok"));
    let ready = send(world.get("/readyz")).await.json();
    assert_eq!(
        ready,
        json!({ "ready": true, "postgres": "ok", "kafka": "ok" })
    );

    world.submit(&order(9, Fate::Confirmed)).await;
    until("the count has the saga", SOON, async || {
        let summary = send(world.get("/v1/summary")).await.json();
        if summary["states"]["running"] == 1 {
            Ok(())
        } else {
            Err(summary)
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_comes_with_a_strict_policy() {
    let world = World::without_services().await;
    let page = send(world.get("/")).await;
    assert_eq!(page.status, 200, "{page:?}");
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let policy = page.header("content-security-policy");
    let parts: Vec<_> = policy.split(';').map(str::trim).collect();
    for part in [
        "default-src 'none'",
        "script-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ] {
        assert!(parts.contains(&part), "{policy}");
    }
    assert!(
        !policy.contains("unsafe") && !policy.contains("http"),
        "{policy}"
    );
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    // Everything that the page loads is here, and nothing is in it that the policy forbids.
    let html = page.text.to_ascii_lowercase();
    assert!(html.starts_with("<!doctype html>"), "{html}");
    assert!(
        !html.contains("src=\"http") && !html.contains(" style="),
        "{html}"
    );
    let loaded = page
        .text
        .split(['"', '\''])
        .filter(|text| text.starts_with("/assets/"));
    for path in loaded {
        assert_eq!(send(world.get(path)).await.status, 200, "{path}");
    }
}
