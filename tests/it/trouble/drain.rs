//! SIGTERM under load: a rolling deployment.

use std::time::{Duration, Instant};

use sagas_local::process::Signal;
use serde_json::json;
use shop::workload::Workload;
use sqlx::{Connection as _, PgConnection};

use super::books::{now, open_and_ended, settle, stillness_after};
use super::outage::{assert_come_back_later, order_once, readiness};
use super::postgres::signal_all;
use super::shoppers::Shoppers;
use super::{alone, blocking};
use crate::servers::Servers;
use crate::wait::until;
use crate::world::World;

/// The default of `--drain-limit`.
const DRAIN_LIMIT: Duration = Duration::from_secs(25);
/// A statement that waits for a lock is given up after 5 s.
const GOODBYE_MAX: Duration = Duration::from_secs(4);
/// Its sagas wait for nobody's silence: the others know at their next heartbeat.
const MOVES_WITHIN: Duration = Duration::from_secs(6);

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_asked_to_end_is_not_ready_first_and_loses_nothing() {
    let _alone = alone().await;
    let mut world = World::on(Servers::shared().await).await;
    world.start_orchestrator().await;
    let shoppers = Shoppers::open(&[world.url_of(0), world.url_of(1)], 0..30);
    until(
        "orders run",
        Duration::from_secs(60),
        async || match open_and_ended(&world).await {
            (_, ended) if ended > 100 => Ok(()),
            other => Err(other),
        },
    )
    .await;

    let stopped_at = now(&world).await;
    let goodbye = hold_the_goodbye(&world).await;
    let asked = Instant::now();
    let orchestrator = world.orchestrator(0);
    orchestrator.process.signal(Signal::Terminate).unwrap();
    until("it is not ready any more", GOODBYE_MAX, async || {
        let (status, body) = readiness(&world, 0).await?;
        if status == 503 && body["phase"] == "stopping" {
            Ok(())
        } else {
            Err(format!("{status} {body}"))
        }
    })
    .await;
    assert_come_back_later(order_once(&world, 1_000, GOODBYE_MAX).await).await;
    goodbye.close().await.unwrap();

    let (world, status) = blocking(move || {
        let status = world.orchestrator(0).process.wait(DRAIN_LIMIT).unwrap();
        (world, status)
    })
    .await;
    assert_eq!(status.and_then(|status| status.code()), Some(0));
    println!("ended {:?} after SIGTERM", asked.elapsed());
    settle(&world, &shoppers.close().await).await;
    let still = stillness_after(&world, &stopped_at).await;
    println!(
        "asked to end with {} open; the longest stood still for {:?}",
        still.sagas, still.longest
    );
    assert!(still.longest < MOVES_WITHIN, "{still:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_leaves_takes_work_until_load_balancers_have_noticed() {
    let mut world = World::empty(Servers::shared().await).await;
    let number = world.launch_orchestrator(|command| {
        command.args(["--drain-delay", "10s"]);
    });
    world.ready(number).await;
    let orchestrator = world.orchestrator(number);
    orchestrator.process.signal(Signal::Terminate).unwrap();
    until("it is not ready any more", GOODBYE_MAX, async || {
        let (status, body) = readiness(&world, number).await?;
        let is_leaving = status == 503 && body["phase"] == "stopping";
        is_leaving
            .then_some(())
            .ok_or_else(|| format!("{status} {body}"))
    })
    .await;
    let answer = order_once(&world, 1_001, GOODBYE_MAX).await;
    assert_eq!(answer.status(), 201);
    let (_world, status) = blocking(move || {
        let status = world
            .orchestrator(number)
            .process
            .wait(DRAIN_LIMIT)
            .unwrap();
        (world, status)
    })
    .await;
    assert_eq!(status.and_then(|status| status.code()), Some(0));
}

/// Of a replica that is to end although its database hangs.
const SHORT_LIMIT: &str = "6s";
/// The same, and the start and the end of a process on a busy machine.
const SHORT_LIMIT_PASSED: Duration = Duration::from_secs(9);

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_takes_no_longer_than_its_bound_when_a_lane_cannot_load() {
    let _alone = alone().await;
    let mut world = World::empty(Servers::with_postgres(&[]).await).await;
    let first = world.start_orchestrator().await;
    let order = Workload::new(1, 0).next().unwrap().order;
    let saga = world.submit(&order).await;
    world.orchestrator(first).terminate(DRAIN_LIMIT);
    // It has no state of the saga in memory.
    let second = world.launch_orchestrator(|command| {
        command.args(["--drain-limit", SHORT_LIMIT]);
    });
    world.ready(second).await;
    signal_all(&world, Signal::Stop);
    let url = format!("{}/v1/sagas/{saga}/cancel", world.url());
    let body = json!({ "actor": "operator", "reason": "the customer called" });
    let request = world.http.post(url).json(&body).send();
    let asked = tokio::spawn(request);
    until("the lane waits", GOODBYE_MAX, async || {
        let (_, body) = readiness(&world, second).await?;
        (body["ready"] == false)
            .then_some(())
            .ok_or_else(|| body.to_string())
    })
    .await;
    let (world, status) = blocking(move || {
        let orchestrator = &mut world.orchestrator(second).process;
        orchestrator.signal(Signal::Terminate).unwrap();
        let asked = Instant::now();
        let status = orchestrator.wait(SHORT_LIMIT_PASSED).unwrap();
        println!("ended {:?} after SIGTERM, {status:?}", asked.elapsed());
        (world, status)
    })
    .await;
    signal_all(&world, Signal::Continue);
    assert_eq!(
        status.and_then(|status| status.code()),
        Some(1),
        "{}",
        world.log_of(second)
    );
    drop(asked);
}

/// Locks the older replica's row: while the connection lives, that replica cannot leave the list,
/// and its end is under way for as long as the test looks at it.
async fn hold_the_goodbye(world: &World) -> PgConnection {
    let mut connection = PgConnection::connect(&world.urls.orchestrator)
        .await
        .unwrap();
    let lock = "BEGIN; SELECT id FROM replica WHERE started_at =
                (SELECT min(started_at) FROM replica) FOR UPDATE";
    sqlx::raw_sql(lock).execute(&mut connection).await.unwrap();
    connection
}
