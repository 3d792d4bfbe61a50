//! Polls for work that no message triggers: wakes that are due, wakes that the shard's own replica cannot
//! serve, and sagas that end on another replica while a client waits for them here.

use std::future::pending;
use std::sync::Arc;

use sagas_core::lane::Input;
use sagas_core::look::Look;
use sagas_core::membership::Assignment;
use sagas_core::registry::Pin;
use sagas_log::trouble;
use tokio::sync::watch;

use super::lanes::Lanes;
use super::rounds::Rounds;
use super::shell::Parts;
use crate::cause::chain;
use crate::store::Due;

/// Looks for due wakes of this replica's shards, those that it has just got at once.
pub(super) async fn wakes(
    parts: Parts,
    lanes: Lanes,
    definitions: Arc<[Pin]>,
    mut assignment: watch::Receiver<Assignment>,
    mut rounds: Rounds,
) {
    while rounds.next_or(changed(&mut assignment)).await {
        let look = Look::own(&assignment.borrow_and_update());
        if let Some(look) = look {
            wake(&parts, &lanes, &Due::of(&look, &definitions)).await;
        }
    }
}

/// Comes when there is another share; there is none any more once the engine stops.
async fn changed(assignment: &mut watch::Receiver<Assignment>) {
    if assignment.changed().await.is_err() {
        pending().await
    }
}

/// Looks for wakes of any shard that nobody serves. Two replicas that wake one saga do no harm.
pub(super) async fn late(parts: Parts, lanes: Lanes, definitions: Arc<[Pin]>, mut rounds: Rounds) {
    let Some(look) = Look::late(parts.store.shards()) else {
        return;
    };
    while rounds.next().await {
        wake(&parts, &lanes, &Due::of(&look, &definitions)).await;
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
            parts.waiters.scatter();
        }
        let waiting = parts.waiters.to_look_for();
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
