//! Postgres stops in the middle of running orders: the orchestrator's database and those of all
//! four services at once.

use std::time::{Duration, Instant};

use super::books::settle;
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
async fn postgres_stops_for_ten_seconds_and_every_order_ends_as_promised() {
    let _alone = alone().await;
    let mut world = World::on(Servers::own().await).await;
    let before = place(world.url(), 20, 4).await;
    let shoppers = Shoppers::open(&[world.url()], 0..20);
    until("orders run", Duration::from_secs(60), async || {
        let (_, ended) = super::books::open_and_ended(&world).await;
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
    assert!(refused > 0, "the outage was not noticed by any customer");
    let servers = world.servers.clone();
    blocking(move || servers.postgres().start_again().unwrap()).await;
    let back = Instant::now();
    world.ready(0).await;
    println!("ready {:?} after Postgres was back", back.elapsed());
    let first = place(world.url(), 1, 1).await;
    println!(
        "an order is taken {:?} after Postgres was back",
        back.elapsed()
    );
    let mut placed = [before, first, shoppers.close().await].concat();
    println!(
        "customers are served {:?} after Postgres was back",
        back.elapsed()
    );
    placed.sort_by_key(|one| one.order);
    settle(&world, &placed).await;
    println!(
        "all {} orders ended {:?} after Postgres was back",
        placed.len(),
        back.elapsed()
    );
}
