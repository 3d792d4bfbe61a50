//! What nobody brings by itself: wakes that are due, events that a dead replica left behind, and
//! sagas that ended on another replica while somebody waits for them here.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::Lanes;
use super::lane::Input;
use super::replicas::Duty;
use super::shell::Parts;

/// Wakes are looked for this often: a wake is at most so much late.
const WAKES_EVERY: Duration = Duration::from_millis(500);
/// Wakes taken at a time, over all shards of this replica.
const WAKES_MAX: i64 = 2000;
/// Outbox rows are looked for this often.
const OUTBOX_EVERY: Duration = Duration::from_secs(3);
/// An outbox row of this age is not being published by the lane that wrote it.
const OUTBOX_AGE: Duration = Duration::from_secs(5);
const OUTBOX_MAX: i64 = 200;
/// Sagas that clients wait for are looked up this often, all at once.
const WAITERS_EVERY: Duration = Duration::from_millis(200);

/// Looks for due wakes until `stop`.
pub(super) async fn wakes(
    parts: Parts,
    lanes: Lanes,
    duty: watch::Receiver<Duty>,
    stop: CancellationToken,
) {
    every(WAKES_EVERY, &stop, async || {
        let shards = duty.borrow().shards.clone();
        if shards.is_empty() {
            return;
        }
        match parts.store.due(&shards, WAKES_MAX).await {
            Ok(due) => {
                for saga in due {
                    lanes.of(saga).offer(Input::Due(saga));
                }
            }
            Err(error) => tracing::debug!(%error, "cannot look for wakes"),
        }
    })
    .await;
}

/// Publishes lifecycle events that their lane did not, until `stop`.
pub(super) async fn outbox(parts: Parts, duty: watch::Receiver<Duty>, stop: CancellationToken) {
    every(OUTBOX_EVERY, &stop, async || {
        let slots: Vec<i32> = duty.borrow().partitions.iter().copied().collect();
        if slots.is_empty() {
            return;
        }
        match parts.store.outbox(&slots, OUTBOX_AGE, OUTBOX_MAX).await {
            Ok(rows) => {
                for (id, events) in rows {
                    let records = events.into_iter().map(|event| parts.topics.event(event));
                    let store = parts.store.clone();
                    let runtime = tokio::runtime::Handle::current();
                    parts.producer.publish(records.collect(), move |result| {
                        if result.is_ok() {
                            runtime.spawn(async move { store.delivered(&[id]).await });
                        }
                    });
                }
            }
            Err(error) => tracing::debug!(%error, "cannot look for events left behind"),
        }
    })
    .await;
}

/// Looks up the sagas that clients wait for, until `stop`.
pub(super) async fn waiters(parts: Parts, stop: CancellationToken) {
    every(WAITERS_EVERY, &stop, async || {
        let waiting = parts.waiters.sagas();
        if waiting.is_empty() {
            return;
        }
        match parts.store.ended(&waiting).await {
            Ok(ended) => ended.into_iter().for_each(|saga| parts.waiters.ended(saga)),
            Err(error) => tracing::debug!(%error, "cannot look up sagas that clients wait for"),
        }
    })
    .await;
}

/// Runs `work` at an interval until `stop`; only the waiting is cancelled, never the work.
async fn every(period: Duration, stop: &CancellationToken, work: impl AsyncFn()) {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = ticks.tick() => {}
        }
        work().await;
    }
}
