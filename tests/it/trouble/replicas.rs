//! Two replicas, of which one is killed or frozen under load.

use std::time::Duration;

use local::process::Signal;

use super::alone;
use super::books::{now, open_and_ended, settle, stillness_after};
use super::shoppers::Shoppers;
use crate::servers::Servers;
use crate::wait::until;
use crate::world::World;

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
    // What it knew was old: it noticed, by losing, or by looking.
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
