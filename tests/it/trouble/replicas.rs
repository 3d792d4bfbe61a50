//! Two replicas, of which one is killed or frozen under load.

use std::time::Duration;

use sagas_local::process::Signal;
use serde_json::Value;
use sqlx::{Connection as _, PgConnection};

use super::alone;
use super::books::{now, open_and_ended, settle, stillness_after};
use super::shoppers::Shoppers;
use crate::servers::Servers;
use crate::wait::until;
use crate::world::{SOON, World};

/// The promise is 5 s; the rest is for a machine that does other things, too.
const MOVES_WITHIN: Duration = Duration::from_secs(8);
/// How long a replica is frozen: three times what makes the others take it for dead.
const FROZEN_FOR: Duration = Duration::from_secs(6);
/// Enough that many are in flight at any instant.
const CUSTOMERS: u64 = 40;

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_is_killed_under_load_and_its_sagas_move_on_the_other() {
    let _alone = alone().await;
    let (mut world, shoppers) = two_under_load().await;
    let killed_at = now(&world).await;
    world.orchestrator(0).kill();
    let (_, ended) = open_and_ended(&world).await;
    ended_so_many(&world, ended + 200).await;
    settle(&world, &shoppers.close().await).await;

    let still = stillness_after(&world, &killed_at).await;
    println!(
        "killed with {} open; the longest stood still for {:?}",
        still.sagas, still.longest
    );
    assert!(still.sagas >= 5, "too few to tell: {still:?}");
    assert!(still.longest < MOVES_WITHIN, "{still:?}");
}

/// The database's clock was an hour ahead while a replica beat for the last time.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_replica_whose_heartbeat_is_ahead_of_the_clock_keeps_no_share() {
    let world = World::without_services().await;
    let mut side = PgConnection::connect(&world.urls.orchestrator)
        .await
        .unwrap();
    let dead = "INSERT INTO replica (id, name, started_at, heartbeat_at)
        VALUES (gen_random_uuid(), 'dead', now(), now() + interval '1 hour')";
    sqlx::query(dead).execute(&mut side).await.unwrap();
    let log = || {
        world
            .log_of(0)
            .matches("this replica's share has changed")
            .count()
    };
    until(
        "it takes the dead one for alive, then the whole",
        SOON,
        async || {
            // At its start, with the dead one, and without it.
            (log() == 3).then_some(()).ok_or_else(|| world.log_of(0))
        },
    )
    .await;
    let summary = world.http.get(format!("{}/v1/summary", world.url()));
    let summary: Value = summary.send().await.unwrap().json().await.unwrap();
    let replicas = summary["replicas"].as_array().unwrap();
    assert_eq!(replicas.len(), 1, "{summary}");
    assert_eq!(replicas[0]["partitions"], 8, "{summary}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_was_frozen_wakes_up_and_nothing_happens_twice() {
    let _alone = alone().await;
    let (mut world, shoppers) = two_under_load().await;
    let frozen_at = now(&world).await;
    world.orchestrator(0).process.signal(Signal::Stop).unwrap();
    // Its length is what is tested: the other replica takes over, and goes on for a while.
    tokio::time::sleep(FROZEN_FOR).await;
    let still = stillness_after(&world, &frozen_at).await;
    let woken_at = now(&world).await;
    let (lost, dropped) = out_of_date(&world);
    world
        .orchestrator(0)
        .process
        .signal(Signal::Continue)
        .unwrap();
    let (_, ended) = open_and_ended(&world).await;
    ended_so_many(&world, ended + 200).await;
    settle(&world, &shoppers.close().await).await;

    println!(
        "frozen with {} that moved on meanwhile; the longest stood still for {:?}",
        still.sagas, still.longest
    );
    assert!(still.sagas >= 5, "too few to tell: {still:?}");
    let after = stillness_after(&world, &woken_at).await;
    println!(
        "after it woke up, the longest stood still for {:?}",
        after.longest
    );
    assert!(after.longest < MOVES_WITHIN, "{after:?}");
    let (lost_now, dropped_now) = out_of_date(&world);
    let (lost, dropped) = (lost_now - lost, dropped_now - dropped);
    println!("on what it knew from before, {lost} commits were lost and {dropped} replies dropped");
    assert!(lost + dropped > 0, "it did nothing that was out of date");
    world.ready(0).await;
}

/// Two replicas and all services, with customers at both replicas.
async fn two_under_load() -> (World, Shoppers) {
    let mut world = World::on(Servers::shared().await).await;
    world.start_orchestrator().await;
    let shoppers = Shoppers::open(&[world.url_of(0), world.url_of(1)], 0..CUSTOMERS);
    ended_so_many(&world, 150).await;
    (world, shoppers)
}

async fn ended_so_many(world: &World, count: i64) {
    until("so many orders end", Duration::from_secs(60), async || {
        let (open, ended) = open_and_ended(world).await;
        if ended >= count {
            Ok(())
        } else {
            Err((open, ended))
        }
    })
    .await;
}

/// What the first replica did that came too late: commits that lost, replies without effect.
fn out_of_date(world: &World) -> (usize, usize) {
    let log = world.log_of(0);
    let count = |text: &str| log.matches(text).count();
    (
        count("another replica moved it"),
        count("a reply without effect"),
    )
}
