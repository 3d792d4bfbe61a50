//! Postgres stops in the middle of running orders: the orchestrator's database and those of all
//! four services at once.

use std::time::{Duration, Instant};

use super::books::{open_and_ended, settle};
use super::outage::{OUTAGE, Watched, assert_come_back_later, noticed, order_once};
use super::shoppers::{Shoppers, place};
use super::{alone, blocking};
use crate::servers::Servers;
use crate::wait::until;
use crate::world::World;

/// A request is refused at once where the outage is known, and otherwise after the time that a
/// connection may take, 3 s; on a busy machine a little later.
const REFUSED_WITHIN: Duration = Duration::from_secs(8);

#[tokio::test(flavor = "multi_thread")]
async fn postgres_stops_and_is_killed_and_every_order_ends_as_promised() {
    let _alone = alone().await;
    let mut world = World::on(Servers::own().await).await;
    let before = place(world.url(), 20, 4).await;
    let shoppers = Shoppers::open(&[world.url()], 0..20);
    until("orders run", Duration::from_secs(60), async || {
        let (_, ended) = open_and_ended(&world).await;
        if ended > 60 { Ok(()) } else { Err(ended) }
    })
    .await;

    let servers = world.servers.clone();
    blocking(move || servers.postgres().stop().unwrap()).await;
    let stopped = Instant::now();
    noticed(&world, "postgres", "kafka").await;
    let watched = Watched::begin(&mut world);
    assert_come_back_later(order_once(&world, 1_000, REFUSED_WITHIN).await).await;
    let known = format!("{}/v1/sagas/{}", world.url(), before[0].saga);
    assert_come_back_later(world.http.get(known).send().await.unwrap()).await;
    // The rest of the outage: its length is what is tested.
    tokio::time::sleep(OUTAGE.saturating_sub(stopped.elapsed())).await;
    watched.assert_idle();
    let refused = shoppers.refusals.count();
    assert!(refused > 0, "no customer noticed the outage");
    back_again(&world, "stopped").await;

    // Commits are under way again; a kill leaves the outcome of some of them unknown.
    let (_, ended) = open_and_ended(&world).await;
    until("orders run again", Duration::from_secs(60), async || {
        let (_, ended_now) = open_and_ended(&world).await;
        if ended_now > ended + 40 {
            Ok(())
        } else {
            Err(ended_now)
        }
    })
    .await;
    let servers = world.servers.clone();
    blocking(move || servers.postgres().kill().unwrap()).await;
    noticed(&world, "postgres", "kafka").await;
    back_again(&world, "killed").await;
    let mut placed = before;
    placed.extend(shoppers.close().await);
    settle(&world, &placed).await;
}

async fn back_again(world: &World, how: &str) {
    let servers = world.servers.clone();
    blocking(move || servers.postgres().start_again().unwrap()).await;
    let back = Instant::now();
    world.ready(0).await;
    println!("ready {:?} after Postgres, {how}, was back", back.elapsed());
    let (_, ended) = open_and_ended(world).await;
    until("orders end again", Duration::from_secs(60), async || {
        let (_, ended_now) = open_and_ended(world).await;
        if ended_now > ended {
            Ok(())
        } else {
            Err(ended_now)
        }
    })
    .await;
    println!(
        "orders end {:?} after Postgres, {how}, was back",
        back.elapsed()
    );
}
