//! SIGTERM under load: a rolling deployment.

use std::time::{Duration, Instant};

use local::process::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::books::{now, open_and_ended, settle, stillness_after};
use super::shoppers::Shoppers;
use super::{alone, blocking};
use crate::servers::Servers;
use crate::wait::until;
use crate::world::World;

/// The default of `--drain-limit`.
const DRAIN_LIMIT: Duration = Duration::from_secs(25);
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
    // A load balancer's connection that is there already.
    let address = world.url_of(0).trim_start_matches("http://").to_owned();
    let mut balancer = TcpStream::connect(address).await.unwrap();

    let ended_at = now(&world).await;
    let asked = Instant::now();
    world
        .orchestrator(0)
        .process
        .signal(Signal::Terminate)
        .unwrap();
    until("it says that it ends", Duration::from_secs(5), async || {
        let log = world.log_of(0);
        if log.contains("stopping; send it again") {
            Ok(())
        } else {
            Err(log)
        }
    })
    .await;
    let request = b"GET /readyz HTTP/1.1\r\nhost: it\r\n\r\n";
    balancer.write_all(request).await.unwrap();
    let mut answer = String::new();
    balancer.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.contains("\"phase\":\"stopping\""), "{answer}");

    let (world, status) = blocking(move || {
        let status = world.orchestrator(0).process.wait(DRAIN_LIMIT).unwrap();
        (world, status)
    })
    .await;
    assert_eq!(status.and_then(|status| status.code()), Some(0));
    println!("ended {:?} after SIGTERM", asked.elapsed());
    settle(&world, &shoppers.close().await).await;
    let still = stillness_after(&world, &ended_at).await;
    println!(
        "asked to end with {} open; the longest stood still for {:?}",
        still.sagas, still.longest
    );
    assert!(still.longest < MOVES_WITHIN, "{still:?}");
}
