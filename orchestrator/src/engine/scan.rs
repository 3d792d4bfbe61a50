//! Polls for work that no message triggers: wakes that are due, wakes that the shard's own replica cannot
//! serve, and sagas that end on another replica while a client waits for them here.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use saga_core::batch::{OutboxId, Outgoing};
use saga_core::lane::Input;
use saga_core::membership::Assignment;
use saga_core::registry::Pin;
use saga_core::schedule::{OUTBOX_AGE, OUTBOX_MAX, WAKES_MAX};
use saga_core::unsent;
use tokio::sync::watch;
use tokio::time::Instant;

use super::lanes::Lanes;
use super::rounds::Rounds;
use super::shell::Parts;
use crate::cause::chain;
use crate::limit::trouble;
use crate::store::Due;

/// Wakes that nobody serves are looked for this often, in all shards.
pub(super) const LATE_EVERY: Duration = Duration::from_secs(3);
/// A wake that is so late is not being served by the replica that its shard hangs on: while a deploy
/// is under way, that one may lack the saga's definition. Some rounds and commits fit in before.
const LATE_BY: Duration = Duration::from_secs(5);
/// Such wakes taken at a time: little enough that replicas which all fall behind do not make each
/// other's work many times over.
const LATE_MAX: u32 = 200;

/// Looks for due wakes of this replica's shards, those that it has just got at once.
pub(super) async fn wakes(
    parts: Parts,
    lanes: Lanes,
    definitions: Arc<[Pin]>,
    mut assignment: watch::Receiver<Assignment>,
    mut rounds: Rounds,
) {
    while rounds.next_or(changed(&mut assignment)).await {
        let shards = assignment.borrow_and_update().shards.clone();
        if shards.is_empty() {
            continue;
        }
        let due = Due {
            shards: &shards,
            definitions: &definitions,
            late_by: Duration::ZERO,
            limit: WAKES_MAX,
            of_each: share(WAKES_MAX, shards.len()),
        };
        wake(&parts, &lanes, &due).await;
    }
}

/// Comes when there is another share; there is none any more once the engine stops.
async fn changed(assignment: &mut watch::Receiver<Assignment>) {
    if assignment.changed().await.is_err() {
        pending().await
    }
}

/// How many of one shard a look takes that takes so many of all: twice its part, because they are never
/// quite even.
fn share(limit: u32, shards: usize) -> u32 {
    let shards = u32::try_from(shards).unwrap_or(u32::MAX).max(1);
    limit.min((2 * limit).div_ceil(shards))
}

/// Looks for wakes of any shard that nobody serves. Two replicas that wake one saga do no harm.
pub(super) async fn late(parts: Parts, lanes: Lanes, definitions: Arc<[Pin]>, mut rounds: Rounds) {
    let shards: Vec<u16> = (0..parts.store.shards()).collect();
    while rounds.next().await {
        let due = Due {
            shards: &shards,
            definitions: &definitions,
            late_by: LATE_BY,
            limit: LATE_MAX,
            of_each: share(LATE_MAX, shards.len()),
        };
        wake(&parts, &lanes, &due).await;
    }
}

async fn wake(parts: &Parts, lanes: &Lanes, due: &Due<'_>) {
    match parts.store.due(due).await {
        Ok(due) => {
            for saga in due {
                lanes.of(saga).offer(Input::wake(saga));
            }
        }
        Err(error) => trouble!(warn, "cannot look for wakes", error = chain(&error)),
    }
}

/// Looks up the sagas that clients wait for.
pub(super) async fn waiters(
    parts: Parts,
    mut assignment: watch::Receiver<Assignment>,
    mut rounds: Rounds,
) {
    while rounds.next().await {
        if assignment.has_changed().unwrap_or(false) {
            assignment.mark_unchanged();
            parts.waiters.scatter(Instant::now());
        }
        let waiting = parts.waiters.to_look_for(Instant::now());
        if waiting.is_empty() {
            continue;
        }
        match parts.store.ended(&waiting).await {
            Ok(ended) => ended
                .into_iter()
                .for_each(|saga| parts.waiters.ended(saga, None)),
            Err(error) => {
                let error = chain(&error);
                trouble!(warn, "cannot look up sagas that clients wait for", error);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_look_takes_much_more_than_it_may_give() {
        assert_eq!(share(1000, 64), 32);
        assert_eq!(share(1000, 1), 1000);
        assert_eq!(share(1000, 0), 1000);
        assert_eq!(share(200, 64), 7);
        assert_eq!(share(200, 10_000), 1);
    }
}
