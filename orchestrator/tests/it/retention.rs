//! What has ended moves to the archive, is found there, and is dropped when its day has come.

mod dropping;
mod ending;
mod moving;
mod size;

use std::time::Duration;

use sagas::{Outcome, Timestamp};
use sagas_core::batch::Batch;
use sagas_orchestrator::store::Store;
use sagas_orchestrator::store::archive::Part;
use sagas_orchestrator::store::retention::Policy;

use crate::database::SHARDS;
use crate::sample::{self, NOON};

pub(crate) const DAY: Duration = Duration::from_secs(86_400);

/// Two hours after everything that the tests did at noon.
pub(crate) fn later() -> Timestamp {
    NOON + Duration::from_secs(7_200)
}

/// Moves everything that can be moved in these shards; returns how many sagas.
async fn archive(store: &Store, shards: &[u16], policy: &Policy, now: Timestamp) -> u64 {
    store.make_partitions(policy, now).await.unwrap();
    let mut moved = 0;
    for shard in store.shards_to_archive(shards, now).await.unwrap() {
        moved += store
            .archive(shard, first(1_000), policy, now)
            .await
            .unwrap();
    }
    moved
}

/// The first so many sagas that have ended.
pub(crate) fn first(limit: u32) -> Part {
    Part { skip: 0, limit }
}

pub(crate) async fn archive_all(store: &Store, now: Timestamp) -> u64 {
    let shards: Vec<u16> = (0..SHARDS).collect();
    archive(store, &shards, &Policy::default(), now).await
}

/// Sagas `from..=to` under a key, of three steps one after the other, completed at noon.
pub(crate) async fn completed(store: &Store, numbers: std::ops::RangeInclusive<u128>) {
    let definition = sample::chain();
    let mut sagas = Vec::new();
    let mut batch = Batch::default();
    for number in numbers {
        let (saga, start) = sample::start(&definition, sample::id(number), "a");
        sagas.push(saga);
        batch.starts.push(sample::keyed(start, 1));
    }
    store.commit(&batch).await.unwrap();
    for step in 0..3 {
        let mut batch = Batch::default();
        for saga in &mut sagas {
            let (next, update) = sample::reply(&definition, saga, step, Outcome::Succeeded);
            *saga = next;
            batch.updates.push(update);
        }
        let committed = store.commit(&batch).await.unwrap();
        assert!(committed.updates.iter().all(|won| *won));
    }
}
