//! A participant that is away while orders come.

use std::time::{Duration, Instant};

use sagas_local::process::usage;
use shop::services::ServiceName;

use super::alone;
use super::books::{open_and_ended, settle};
use super::shoppers::place;
use crate::servers::Servers;
use crate::world::World;

const ORDERS: usize = 500;
/// How long the participant is away.
const AWAY: Duration = Duration::from_secs(20);
/// What the service promises for its memory.
const RSS_BYTES_MAX: u64 = 150 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn orders_that_come_while_a_participant_is_away_end_when_it_is_back() {
    let _alone = alone().await;
    let mut world = World::on(Servers::shared().await).await;
    let mut placed = place(world.url(), 10, 2).await;
    world.service(ServiceName::Payments).kill();
    let away = Instant::now();
    placed.extend(place(world.url(), ORDERS, 20).await);
    // The rest of its absence: its length is what is tested.
    tokio::time::sleep(AWAY.saturating_sub(away.elapsed())).await;
    let (open, _) = open_and_ended(&world).await;
    assert!(open > 400, "only {open} wait");
    let rss_bytes = usage(world.orchestrator(0).pid()).unwrap().rss_bytes;
    println!(
        "{open} sagas wait; resident memory is {} MB",
        rss_bytes >> 20
    );
    assert!(rss_bytes < RSS_BYTES_MAX, "{rss_bytes} bytes");
    world.start_service(ServiceName::Payments);
    let back = Instant::now();
    settle(&world, &placed).await;
    println!("all ended {:?} after it was back", back.elapsed());
    let rss_bytes = usage(world.orchestrator(0).pid()).unwrap().rss_bytes;
    assert!(rss_bytes < RSS_BYTES_MAX, "{rss_bytes} bytes");
}
