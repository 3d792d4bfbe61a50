//! Kafka stops in the middle of running orders, and is killed.

use std::time::{Duration, Instant};

use super::books::{open_and_ended, settle};
use super::outage::{OUTAGE, Watched, assert_come_back_later, noticed, order_once};
use super::shoppers::{Placed, Shoppers, place};
use super::{alone, blocking};
use crate::servers::Servers;
use crate::wait::until;
use crate::world::World;

/// Refused at once where the outage is known.
const REFUSED_WITHIN: Duration = Duration::from_secs(8);

#[tokio::test(flavor = "multi_thread")]
async fn kafka_stops_and_is_killed_and_every_order_ends_as_promised() {
    let _alone = alone().await;
    let mut world = World::on(Servers::own().await).await;
    let mut placed = place(world.url(), 20, 4).await;
    placed.extend(
        outage(&mut world, "stopped", |servers| {
            servers.kafka().stop().unwrap()
        })
        .await,
    );
    placed.extend(
        outage(&mut world, "killed", |servers| {
            servers.kafka().kill().unwrap()
        })
        .await,
    );
    settle(&world, &placed).await;
}

/// Takes Kafka away from customers at work; gives what they have placed when it is back.
async fn outage(world: &mut World, how: &str, take_away: fn(Servers)) -> Vec<Placed> {
    let (_, ended_before) = open_and_ended(world).await;
    let seeds = if how == "stopped" { 0..20 } else { 100..120 };
    let shoppers = Shoppers::open(&[world.url()], seeds);
    until("orders run", Duration::from_secs(60), async || {
        let (_, ended) = open_and_ended(world).await;
        if ended > ended_before + 60 {
            Ok(())
        } else {
            Err(ended)
        }
    })
    .await;

    let servers = world.servers.clone();
    blocking(move || take_away(servers)).await;
    let gone = Instant::now();
    noticed(world, "kafka", "postgres").await;
    let watched = Watched::begin(world);
    assert_come_back_later(order_once(world, 1_000, REFUSED_WITHIN).await).await;
    // The rest of the outage: its length is what is tested.
    tokio::time::sleep(OUTAGE.saturating_sub(gone.elapsed())).await;
    watched.assert_idle();
    assert!(shoppers.refusals.count() > 0, "no customer noticed");

    let servers = world.servers.clone();
    blocking(move || servers.kafka().start_again().unwrap()).await;
    let back = Instant::now();
    world.ready(0).await;
    println!("ready {:?} after Kafka, {how}, was back", back.elapsed());
    let placed = shoppers.close().await;
    until(
        "all end",
        super::ALL_ENDED_WITHIN,
        async || match open_and_ended(world).await {
            (0, _) => Ok(()),
            (open, _) => Err(open),
        },
    )
    .await;
    println!(
        "all orders ended {:?} after Kafka, {how}, was back",
        back.elapsed()
    );
    placed
}
