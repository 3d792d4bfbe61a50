//! Makes room: what has ended moves to the archive, what has been kept for its time goes.
//!
//! ```text
//!   every day           partitions for the days to come, so that what ends finds its own
//!   every second        this replica's shards: what has ended, but found none ──► archive
//!   every ten minutes   its shards: keys;  the replica that has shard 0: partitions, dead letters
//! ```
//!
//! It yields to the sagas that run: one statement at a time, a few hundred rows each, and as long a
//! rest after each as it took. Who does it is affinity; two replicas that do the same do no harm.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::NaiveDate;
use sagas::Timestamp;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::replicas::Duty;
use super::rounds::Rounds;
use super::shell::Parts;
use crate::cause::chain;
use crate::limit::trouble;
use crate::store::partition::Dropped;
use crate::store::retention::Policy;
use crate::store::{Error, Store};

/// What has ended and was not moved is looked for this often.
const ARCHIVE_EVERY: Duration = Duration::from_secs(1);
/// Sagas that one statement moves: some ten milliseconds.
const ARCHIVED_AT_ONCE: u32 = 250;
/// What has been kept for its time is looked for this often; it goes by whole days.
const DROP_EVERY: Duration = Duration::from_secs(600);
/// Rows that one statement deletes.
const DELETED_AT_ONCE: u32 = 1_000;
/// The shard whose replica looks after what belongs to no shard.
const FIRST_SHARD: u16 = 0;

/// Starts both rounds; they end with the token.
pub(super) fn start(
    tasks: &TaskTracker,
    parts: &Parts,
    policy: &Policy,
    duty: &watch::Receiver<Duty>,
    stop: &CancellationToken,
) {
    let policy = Arc::new(policy.clone());
    let rounds = |period| Rounds::every(period, stop.clone());
    let archive = archive(
        parts.clone(),
        policy.clone(),
        duty.clone(),
        rounds(ARCHIVE_EVERY),
    );
    let drop_old = drop_old(parts.clone(), policy, duty.clone(), rounds(DROP_EVERY));
    tasks.spawn(archive);
    tasks.spawn(drop_old);
}

async fn archive(
    parts: Parts,
    policy: Arc<Policy>,
    duty: watch::Receiver<Duty>,
    mut rounds: Rounds,
) {
    let mut made_on = None;
    while rounds.next().await {
        let shards = duty.borrow().shards.clone();
        let now = parts.clock.now();
        let work = Work {
            store: &parts.store,
            policy: &policy,
            rounds: &rounds,
            now,
        };
        let begun = Instant::now();
        match work.archive(&shards, &mut made_on).await {
            Ok(0) => {}
            Ok(moved) => {
                let millis = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
                tracing::debug!(moved, millis, "moved finished sagas to the archive");
            }
            Err(error) => {
                trouble!(
                    warn,
                    "cannot archive finished sagas; trying again",
                    error = chain(&error)
                );
                made_on = None;
            }
        }
    }
}

async fn drop_old(
    parts: Parts,
    policy: Arc<Policy>,
    duty: watch::Receiver<Duty>,
    mut rounds: Rounds,
) {
    while rounds.next().await {
        let shards = duty.borrow().shards.clone();
        let work = Work {
            store: &parts.store,
            policy: &policy,
            rounds: &rounds,
            now: parts.clock.now(),
        };
        if let Err(error) = work.drop_all(&shards).await {
            trouble!(
                warn,
                "cannot drop what has been kept for its time; trying again",
                error = chain(&error)
            );
        }
    }
}

/// What a round works with.
pub(crate) struct Work<'a> {
    pub(crate) store: &'a Store,
    pub(crate) policy: &'a Policy,
    /// Where it rests, and learns that it is to stop.
    pub(crate) rounds: &'a Rounds,
    pub(crate) now: Timestamp,
}

impl Work<'_> {
    /// Makes partitions once a day, and moves what has ended in these shards and was not moved yet, a
    /// batch of each at a time. Returns how many were moved.
    ///
    /// `made_on` is the day on which partitions were last made.
    pub(crate) async fn archive(
        &self,
        shards: &[u16],
        made_on: &mut Option<NaiveDate>,
    ) -> Result<u64, Error> {
        let (store, policy, now) = (self.store, self.policy, self.now);
        let today = now.to_chrono().date_naive();
        if *made_on != Some(today) {
            store.make_partitions(policy, now).await?;
            *made_on = Some(today);
        }
        let mut due = store.shards_to_archive(shards, now).await?;
        let mut moved = 0;
        while !due.is_empty() {
            let mut with_more = Vec::new();
            for shard in due {
                let sent = Instant::now();
                let some = store.archive(shard, ARCHIVED_AT_ONCE, policy, now).await?;
                moved += some;
                if some >= u64::from(ARCHIVED_AT_ONCE) {
                    with_more.push(shard);
                }
                if !self.rounds.pause(sent.elapsed()).await {
                    return Ok(moved);
                }
            }
            due = with_more;
        }
        Ok(moved)
    }

    /// Drops what has been kept for its time: keys of these shards, and with the first of all shards
    /// what belongs to none.
    async fn drop_all(&self, shards: &[u16]) -> Result<(), Error> {
        if shards.contains(&FIRST_SHARD) {
            self.drop_partitions().await?;
            let gone = self.drop_dead_letters().await?;
            if gone > 0 {
                tracing::info!(gone, "dropped dead letters");
            }
        }
        let freed = self.free_keys(shards).await?;
        if freed > 0 {
            tracing::info!(freed, "freed idempotency keys");
        }
        Ok(())
    }

    /// Drops the partitions whose day has come, and says so in the log.
    pub(crate) async fn drop_partitions(&self) -> Result<Dropped, Error> {
        let dropped = self.store.drop_partitions(self.now).await?;
        for gone in &dropped.partitions {
            tracing::info!(day = %gone.day, bytes = gone.bytes, "dropped a partition of the archive");
        }
        if let Some(error) = &dropped.held_up {
            trouble!(
                warn,
                "a partition of the archive is still read; trying again later",
                error = chain(error)
            );
        }
        Ok(dropped)
    }

    /// Deletes the dead letters that are too old; returns how many.
    pub(crate) async fn drop_dead_letters(&self) -> Result<u64, Error> {
        let mut gone = 0;
        loop {
            let sent = Instant::now();
            let some = self
                .store
                .drop_dead_letters(DELETED_AT_ONCE, self.policy, self.now)
                .await?;
            gone += some;
            if some < u64::from(DELETED_AT_ONCE) || !self.rounds.pause(sent.elapsed()).await {
                return Ok(gone);
            }
        }
    }

    /// Frees the keys of these shards that are too old; returns how many.
    pub(crate) async fn free_keys(&self, shards: &[u16]) -> Result<u64, Error> {
        let mut freed = 0;
        let mut due = shards.to_vec();
        while !due.is_empty() {
            let mut with_more = Vec::new();
            for shard in due {
                let sent = Instant::now();
                let some = self
                    .store
                    .free_keys(shard, DELETED_AT_ONCE, self.policy, self.now)
                    .await?;
                freed += some;
                if some >= u64::from(DELETED_AT_ONCE) {
                    with_more.push(shard);
                }
                if !self.rounds.pause(sent.elapsed()).await {
                    return Ok(freed);
                }
            }
            due = with_more;
        }
        Ok(freed)
    }
}
