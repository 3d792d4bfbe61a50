//! SIGKILL in the middle of a thousand running sagas.

use std::time::{Duration, Instant};

use shop::services::ServiceName;

use super::alone;
use super::books::{captured, open_and_ended, settle};
use super::shoppers::{Placed, place};
use crate::servers::Servers;
use crate::wait::until;
use crate::world::World;

const ORDERS: usize = 1_000;

#[tokio::test(flavor = "multi_thread")]
async fn the_orchestrator_is_killed_amid_a_thousand_sagas_and_every_one_ends() {
    let _alone = alone().await;
    let (mut world, placed) = amid_a_thousand().await;
    world.orchestrator(0).kill();
    let killed = Instant::now();
    let (open, ended) = open_and_ended(&world).await;
    println!("killed with {open} open and {ended} ended");
    assert!(open > 200, "killed too late: {open} open");
    world.start_orchestrator().await;
    println!("ready {:?} after the kill", killed.elapsed());
    settle(&world, &placed).await;
    println!("all ended {:?} after the kill", killed.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_participant_is_killed_amid_a_thousand_sagas_and_every_one_ends() {
    let _alone = alone().await;
    let (mut world, placed) = amid_a_thousand().await;
    world.service(ServiceName::Payments).kill();
    let killed = Instant::now();
    let (open, ended) = open_and_ended(&world).await;
    println!("killed with {open} open and {ended} ended");
    assert!(open > 200, "killed too late: {open} open");
    world.start_service(ServiceName::Payments);
    settle(&world, &placed).await;
    println!("all ended {:?} after the kill", killed.elapsed());
}

/// A thousand orders are acknowledged, and most of their sagas are running.
async fn amid_a_thousand() -> (World, Vec<Placed>) {
    let mut world = World::empty(Servers::shared().await).await;
    world.start_orchestrator().await;
    // Without payments, an order gets half-way at most; with them, services move hundreds at a time,
    // so the kill comes at the first sign that some are through.
    for name in ServiceName::ALL {
        if name != ServiceName::Payments {
            world.start_service(name);
        }
    }
    let placed = place(world.url(), ORDERS, 40).await;
    assert_eq!(placed.len(), ORDERS);
    world.start_service(ServiceName::Payments);
    until(
        "the first payments are captured",
        Duration::from_secs(60),
        async || match captured(&world).await {
            0 => Err("none"),
            _ => Ok(()),
        },
    )
    .await;
    (world, placed)
}
