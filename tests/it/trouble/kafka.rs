//! Kafka stops in the middle of running orders, and is killed.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use shop::workload::Workload;
use uuid::Uuid;

use super::books::{open_and_ended, sent_again, settle};
use super::outage::{OUTAGE, Watched, assert_come_back_later, noticed, order_once};
use super::shoppers::{Placed, Shoppers, place};
use super::{alone, blocking};
use crate::servers::Servers;
use crate::wait::until;
use crate::world::World;

/// Refused at once where the outage is known.
const REFUSED_WITHIN: Duration = Duration::from_secs(8);
/// Participants that are silent for 10 s are asked again, and until their group has them back that
/// may be twice. What waits for the broker is not sent again meanwhile.
const SENT_AGAIN_MAX: i64 = 3;

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
    let (total, most) = sent_again(&world).await;
    println!("{total} commands were sent again, at most {most} of one saga");
    assert!(most <= SENT_AGAIN_MAX, "{most} of one saga");
}

/// A saga that was cancelled before its pivot, by this order, and the answer. What it places on the way is
/// added to `placed`.
async fn cancelled_one(
    world: &World,
    seed: u64,
    placed: &mut Vec<Placed>,
) -> ((Uuid, Uuid), (u16, Value)) {
    for planned in Workload::new(seed, 0).take(20) {
        let saga = world.submit(&planned.order).await;
        let order = planned.order.order;
        placed.push(Placed { order, saga });
        let cancelled = (saga, Uuid::now_v7());
        let answer = cancel_once(world, cancelled).await;
        if answer.0 == 200 {
            return (cancelled, answer);
        }
    }
    panic!("each saga was past its pivot");
}

/// Gives the saga the order to cancel, under this id; status and body of the answer.
async fn cancel_once(world: &World, (saga, id): (Uuid, Uuid)) -> (u16, Value) {
    let body = json!({ "order_id": id, "actor": "operator", "reason": "the customer called" });
    let url = format!("{}/v1/sagas/{saga}/cancel", world.url());
    let answer = world.http.post(url).json(&body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// Takes Kafka away from customers at work; gives what they have placed when it is back.
async fn outage(world: &mut World, how: &str, take_away: fn(Servers)) -> Vec<Placed> {
    let (_, ended_before) = open_and_ended(world).await;
    let (seeds, seeds_of_cancelled) = match how {
        "stopped" => (0..20, 2_000),
        _ => (100..120, 3_000),
    };
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

    let mut extra = Vec::new();
    let (cancelled, before) = cancelled_one(world, seeds_of_cancelled, &mut extra).await;
    let servers = world.servers.clone();
    blocking(move || take_away(servers)).await;
    let gone = Instant::now();
    noticed(world, "kafka", "postgres").await;
    let watched = Watched::begin(world);
    assert_come_back_later(order_once(world, 1_000, REFUSED_WITHIN).await).await;
    let again = cancel_once(world, cancelled).await;
    assert_eq!(again, before, "what came of it is stored");
    let other = cancel_once(world, (cancelled.0, Uuid::now_v7())).await;
    assert_eq!(other.0, 503, "{other:?}");
    // The rest of the outage: its length is what is tested.
    tokio::time::sleep(OUTAGE.saturating_sub(gone.elapsed())).await;
    watched.assert_idle();
    assert!(shoppers.refusals.count() > 0, "no customer noticed");

    let servers = world.servers.clone();
    blocking(move || servers.kafka().start_again().unwrap()).await;
    let back = Instant::now();
    world.ready(0).await;
    println!("ready {:?} after Kafka, {how}, was back", back.elapsed());
    let mut placed = shoppers.close().await;
    placed.extend(extra);
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
