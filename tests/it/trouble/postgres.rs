//! Postgres stops in the middle of running orders: the orchestrator's database and those of all
//! four services at once.

use std::time::{Duration, Instant};

use sagas_local::process::{Signal, descendants, signal};

use super::books::{open_and_ended, settle};
use super::outage::{OUTAGE, Watched, assert_come_back_later, noticed, order_once};
use super::shoppers::{Placed, Shoppers, place};
use super::{alone, blocking};
use crate::servers::Servers;
use crate::wait::until;
use crate::world::World;

/// A request is refused at once where the outage is known, and otherwise after the time that a
/// connection may take, 3 s; on a busy machine a little later.
const REFUSED_WITHIN: Duration = Duration::from_secs(8);

#[tokio::test(flavor = "multi_thread")]
async fn postgres_stops_freezes_and_is_killed_and_every_order_ends_as_promised() {
    let _alone = alone().await;
    let mut world = World::on(Servers::own().await).await;
    let mut placed = place(world.url(), 20, 4).await;
    let shoppers = Shoppers::open(&[world.url()], 0..20);
    orders_end_again(&world).await;

    stop_for_a_while(&mut world, &placed).await;
    let refused = shoppers.refusals.count();
    assert!(refused > 0, "no customer noticed the outage");
    back_again(&world, "stopped").await;

    // A server that takes everything and answers nothing.
    signal_all(&world, Signal::Stop);
    noticed(&world, "postgres", "kafka").await;
    assert_come_back_later(order_once(&world, 1_000, REFUSED_WITHIN).await).await;
    signal_all(&world, Signal::Continue);
    back_again(&world, "frozen").await;

    // Commits are under way; a kill leaves the outcome of some of them unknown.
    let servers = world.servers.clone();
    blocking(move || servers.postgres().kill().unwrap()).await;
    noticed(&world, "postgres", "kafka").await;
    back_again(&world, "killed").await;

    placed.extend(shoppers.close().await);
    settle(&world, &placed).await;
}

/// The whole outage: what is noticed, what is answered, and that nobody is busy meanwhile.
async fn stop_for_a_while(world: &mut World, placed: &[Placed]) {
    let servers = world.servers.clone();
    blocking(move || servers.postgres().stop().unwrap()).await;
    let stopped = Instant::now();
    noticed(world, "postgres", "kafka").await;
    let watched = Watched::begin(world);
    assert_come_back_later(order_once(world, 1_000, REFUSED_WITHIN).await).await;
    let known = format!("{}/v1/sagas/{}", world.url(), placed[0].saga);
    assert_come_back_later(world.http.get(known).send().await.unwrap()).await;
    // The rest of the outage: its length is what is tested.
    tokio::time::sleep(OUTAGE.saturating_sub(stopped.elapsed())).await;
    watched.assert_idle();
}

/// Starts Postgres if it does not run, and waits until the world goes on.
async fn back_again(world: &World, how: &str) {
    let servers = world.servers.clone();
    blocking(move || servers.postgres().start_again().unwrap()).await;
    let back = Instant::now();
    world.ready(0).await;
    println!("ready {:?} after Postgres, {how}, was back", back.elapsed());
    orders_end_again(world).await;
    println!(
        "40 orders ended {:?} after Postgres, {how}, was back",
        back.elapsed()
    );
}

async fn orders_end_again(world: &World) {
    let (_, before) = open_and_ended(world).await;
    until("orders end again", Duration::from_secs(60), async || {
        let (_, ended) = open_and_ended(world).await;
        if ended >= before + 40 {
            Ok(())
        } else {
            Err(ended)
        }
    })
    .await;
}

/// To the server and all its backends.
pub(super) fn signal_all(world: &World, what: Signal) {
    let server = world.servers.postgres().pid().expect("it runs");
    // The server first: frozen, it starts no further backend.
    signal(server, what).unwrap();
    for backend in descendants(server).unwrap() {
        // It may have ended just now.
        let _ = signal(backend, what);
    }
}
