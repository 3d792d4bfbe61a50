//! A release changes a definition and keeps its version. It is refused with what to do, and once it
//! has run nevertheless, the next release has all that its sagas need.

use serde_json::Value;
use shop::services::ServiceName;
use shop::workload::{Fate, Workload};
use uuid::Uuid;

use super::alone;
use crate::process::binary;
use crate::servers::Servers;
use crate::world::{SOON, World};

/// What `serve` ends with when a check has found something.
const FOUND: i32 = 4;

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_changed_in_place_is_refused_and_its_sagas_have_a_way_out() {
    let _alone = alone().await;
    let mut world = World::empty(Servers::shared().await).await;
    let first = started(&mut world, "first", false).await;
    let of_the_first = submitted(&world, 1).await;
    stop(&mut world, first);

    // The mistake is refused, and found before it is tried.
    let changed =
        "definition place-order version 1 was changed in place: 1 open saga pins the graph";
    let log = refused(&mut world, "mistaken");
    assert!(
        log.contains(changed) && log.contains("Registry::retired(…)"),
        "{log}"
    );
    let (code, text) = checked(&world, "mistaken");
    assert_eq!(code, Some(FOUND), "{text}");
    assert!(text.contains("another graph"), "{text}");

    // A release that lacks a version starts and says so: in a rollout, others still have it.
    let forgetful = started(&mut world, "forgetful", false).await;
    let log = world.log_of(forgetful);
    assert!(
        log.contains("is not in this binary: 1 open saga pins it"),
        "{log}"
    );
    stop(&mut world, forgetful);
    assert_eq!(checked(&world, "forgetful").0, Some(FOUND));

    // Somebody insists. Now each of the two is a changed one to the other.
    let mistaken = started(&mut world, "mistaken", true).await;
    assert!(world.log_of(mistaken).contains(changed));
    let of_the_mistaken = submitted(&world, 2).await;
    stop(&mut world, mistaken);
    refused(&mut world, "first");

    // The way out: version 2, and both graphs of version 1.
    let (code, text) = checked(&world, "corrected");
    assert_eq!(code, Some(0), "{text}");
    let corrected = started(&mut world, "corrected", false).await;
    let log = world.log_of(corrected);
    assert!(!log.contains("open saga pins"), "{log}");
    world.start_service(ServiceName::Orders);
    world.start_service(ServiceName::Inventory);
    let of_the_corrected = submitted(&world, 3).await;
    for (saga, version, steps) in [
        (of_the_first, 1, 1),
        (of_the_mistaken, 1, 2),
        (of_the_corrected, 2, 2),
    ] {
        let ended = world.ended(saga, "completed").await;
        assert_eq!(ended["version"], version, "{ended}");
        assert_eq!(
            ended["steps"].as_array().map(Vec::len),
            Some(steps),
            "{ended}"
        );
        assert_eq!(ended["attention"], Value::Null, "{ended}");
    }
}

/// Starts a release, and waits until it is ready.
async fn started(world: &mut World, release: &str, is_change_allowed: bool) -> usize {
    let number = world.launch("releases", |command| {
        command.env("RELEASE", release);
        command.env(
            "SAGA_ALLOW_CHANGED_DEFINITIONS",
            is_change_allowed.to_string(),
        );
    });
    world.ready(number).await;
    number
}

fn stop(world: &mut World, number: usize) {
    tokio::task::block_in_place(|| world.orchestrator(number).terminate(SOON));
}

/// Starts a release that ends by itself before it is ready; gives what it says.
fn refused(world: &mut World, release: &str) -> String {
    let number = world.launch("releases", |command| {
        command.env("RELEASE", release);
    });
    let process = &mut world.orchestrator(number).process;
    let status = tokio::task::block_in_place(|| process.wait(SOON)).unwrap();
    let log = world.log_of(number);
    assert_eq!(
        status.and_then(|status| status.code()),
        Some(FOUND),
        "{log}"
    );
    log
}

/// What `definitions check` of a release says, with its exit code.
fn checked(world: &World, release: &str) -> (Option<i32>, String) {
    let mut command = binary("releases");
    command
        .args(["definitions", "check"])
        .env("RELEASE", release);
    command.env("SAGA_DATABASE_URL", &world.urls.orchestrator);
    let output = tokio::task::block_in_place(|| command.output()).unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

async fn submitted(world: &World, seed: u64) -> Uuid {
    let planned = Workload::new(seed, 0).find(|planned| planned.fate == Fate::Confirmed);
    world.submit(&planned.unwrap().order).await
}
