//! What nobody brings by itself: wakes that are due, events that a dead replica left behind, and
//! sagas that ended on another replica while somebody waits for them here.

use std::time::Duration;

use tokio::sync::watch;

use super::Lanes;
use super::lane::Input;
use super::replicas::Duty;
use super::rounds::Rounds;
use super::shell::Parts;
use crate::store::batch::{OutboxId, Outgoing};

/// Wakes are looked for this often: a wake is at most so much late.
pub const WAKES_EVERY: Duration = Duration::from_millis(500);
/// Wakes taken at a time, over all shards of this replica.
pub const WAKES_MAX: u32 = 2000;
/// Outbox rows are looked for this often.
pub const OUTBOX_EVERY: Duration = Duration::from_secs(3);
/// An outbox row of this age is not being published by the lane that wrote it.
pub const OUTBOX_AGE: Duration = Duration::from_secs(5);
/// Outbox rows taken at a time.
pub const OUTBOX_MAX: u32 = 200;
/// Sagas that clients wait for are looked up this often, all at once.
pub(super) const WAITERS_EVERY: Duration = Duration::from_millis(200);

/// Looks for due wakes.
pub(super) async fn wakes(
    parts: Parts,
    lanes: Lanes,
    duty: watch::Receiver<Duty>,
    mut rounds: Rounds,
) {
    while rounds.next().await {
        let shards = duty.borrow().shards.clone();
        if shards.is_empty() {
            continue;
        }
        match parts.store.due(&shards, WAKES_MAX).await {
            Ok(due) => {
                for saga in due {
                    lanes.of(saga).offer(Input::Due(saga));
                }
            }
            Err(error) => tracing::debug!(%error, "cannot look for wakes"),
        }
    }
}

/// Publishes lifecycle events that their lane did not.
pub(super) async fn outbox(parts: Parts, duty: watch::Receiver<Duty>, mut rounds: Rounds) {
    while rounds.next().await {
        let slots: Vec<i32> = duty.borrow().partitions.iter().copied().collect();
        if slots.is_empty() {
            continue;
        }
        match parts.store.outbox(&slots, OUTBOX_AGE, OUTBOX_MAX).await {
            Ok(rows) => {
                for (row, events) in rows {
                    publish_again(&parts, row, &events);
                }
            }
            Err(error) => tracing::debug!(%error, "cannot look for events left behind"),
        }
    }
}

fn publish_again(parts: &Parts, row: OutboxId, events: &[Outgoing]) {
    let records = events
        .iter()
        .map(|event| parts.topics.outgoing(event))
        .collect();
    let store = parts.store.clone();
    let runtime = tokio::runtime::Handle::current();
    parts.producer.publish(records, move |result| {
        if result.is_ok() {
            // What is not deleted is published once more.
            runtime.spawn(async move { store.delivered(&[row]).await });
        }
    });
}

/// Looks up the sagas that clients wait for.
pub(super) async fn waiters(parts: Parts, mut rounds: Rounds) {
    while rounds.next().await {
        let waiting = parts.waiters.sagas();
        if waiting.is_empty() {
            continue;
        }
        match parts.store.ended(&waiting).await {
            Ok(ended) => ended.into_iter().for_each(|saga| parts.waiters.ended(saga)),
            Err(error) => tracing::debug!(%error, "cannot look up sagas that clients wait for"),
        }
    }
}
