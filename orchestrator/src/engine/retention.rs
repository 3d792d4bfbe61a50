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

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::NaiveDate;
use sagas::Timestamp;
use sagas_core::membership::Assignment;
use sagas_log::{Limit, limited, trouble};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::rounds::Rounds;
use super::shell::Parts;
use crate::cause::chain;
use crate::store::archive::Part;
use crate::store::partition::Dropped;
use crate::store::retention::Policy;
use crate::store::{Error, Store};

/// What has ended and was not moved is looked for this often.
const ARCHIVE_EVERY: Duration = Duration::from_secs(1);
/// Sagas that one statement moves: some ten milliseconds.
const ARCHIVED_AT_ONCE: u32 = 250;
/// Sagas of a shard that are passed by because they cannot be moved. Where there are more, the fault is
/// not theirs.
const SKIPPED_MAX: u32 = 10;
/// Time after which they are tried again.
const SKIPPED_FOR: Duration = Duration::from_secs(600);
/// What has been kept for its time is looked for this often; it goes by whole days.
const DROP_EVERY: Duration = Duration::from_secs(600);
/// Rows that one statement deletes.
const DELETED_AT_ONCE: u32 = 1_000;
/// The shard whose replica looks after what belongs to no shard.
const FIRST_SHARD: u16 = 0;
/// Rounds are for what repeats; what is done once only rests between its statements.
const NEVER_AGAIN: Duration = Duration::from_secs(3_600);

/// Each names its saga.
static UNMOVED: Limit = Limit::each("a saga cannot be moved to the archive");

/// Work of one run over all shards.
#[derive(Debug)]
pub struct Done {
    /// Sagas that were moved to the archive.
    pub moved: u64,
    /// Partitions of the archive that are gone, and why others are not.
    pub dropped: Dropped,
    /// Idempotency keys that were freed.
    pub keys: u64,
    /// Dead letters that were deleted.
    pub dead_letters: u64,
}

/// Moves and drops once what is due at `now`, database time, in all shards, without an engine.
///
/// Replicas that run do the same beside it, without harm. What was done before an error stays done.
///
/// # Errors
///
/// When the database is away, or refuses more than single sagas.
pub async fn run_once(store: &Store, policy: &Policy, now: Timestamp) -> Result<Done, Error> {
    let rounds = Rounds::every(NEVER_AGAIN, CancellationToken::new());
    let shards: Vec<u16> = (0..store.shards()).collect();
    let work = Work {
        store,
        policy,
        rounds: &rounds,
        now,
    };
    Ok(Done {
        moved: work.archive(&shards, &mut Moves::default()).await?,
        dropped: work.drop_partitions().await?,
        keys: work.free_keys(&shards).await?,
        dead_letters: work.drop_dead_letters().await?,
    })
}

/// Starts both rounds; they end with the token.
pub(super) fn start(
    tasks: &TaskTracker,
    parts: &Parts,
    policy: &Policy,
    assignment: &watch::Receiver<Assignment>,
    stop: &CancellationToken,
) {
    let policy = Arc::new(policy.clone());
    let rounds = |period| Rounds::every(period, stop.clone());
    let archive = archive(
        parts.clone(),
        policy.clone(),
        assignment.clone(),
        rounds(ARCHIVE_EVERY),
    );
    let drop_old = drop_old(
        parts.clone(),
        policy,
        assignment.clone(),
        rounds(DROP_EVERY),
    );
    tasks.spawn(archive);
    tasks.spawn(drop_old);
}

async fn archive(
    parts: Parts,
    policy: Arc<Policy>,
    assignment: watch::Receiver<Assignment>,
    mut rounds: Rounds,
) {
    let mut moves = Moves::default();
    while rounds.next().await {
        let shards = assignment.borrow().shards.clone();
        let now = parts.clock.now();
        let work = Work {
            store: &parts.store,
            policy: &policy,
            rounds: &rounds,
            now,
        };
        let begun = Instant::now();
        match work.archive(&shards, &mut moves).await {
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
                moves.made_on = None;
            }
        }
    }
}

async fn drop_old(
    parts: Parts,
    policy: Arc<Policy>,
    assignment: watch::Receiver<Assignment>,
    mut rounds: Rounds,
) {
    while rounds.next().await {
        let shards = assignment.borrow().shards.clone();
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

/// What is remembered from round to round.
#[derive(Debug, Default)]
struct Moves {
    /// Day on which partitions were last made.
    made_on: Option<NaiveDate>,
    /// Sagas of each shard that could not be moved; they stand first among those that have ended.
    skipped: BTreeMap<u16, u32>,
    since: Option<Instant>,
}

impl Moves {
    /// Forgets now and then what could not be moved: its fault may have been mended.
    fn try_all_again(&mut self, now: Instant) {
        let since = *self.since.get_or_insert(now);
        if now.duration_since(since) >= SKIPPED_FOR {
            self.skipped.clear();
            self.since = Some(now);
        }
    }
}

/// What a round works with.
struct Work<'a> {
    store: &'a Store,
    policy: &'a Policy,
    /// Where it rests, and learns that it is to stop.
    rounds: &'a Rounds,
    now: Timestamp,
}

impl Work<'_> {
    /// Makes partitions once a day, and moves what has ended in these shards and was not moved yet, a
    /// batch of each at a time. Returns how many were moved.
    async fn archive(&self, shards: &[u16], moves: &mut Moves) -> Result<u64, Error> {
        let (store, policy, now) = (self.store, self.policy, self.now);
        let today = now.to_chrono().date_naive();
        if moves.made_on != Some(today) {
            store.make_partitions(policy, now).await?;
            moves.made_on = Some(today);
        }
        moves.try_all_again(Instant::now());
        let mut due = store.shards_to_archive(shards, now).await?;
        let mut moved = 0;
        while !due.is_empty() {
            let mut with_more = Vec::new();
            for shard in due {
                let sent = Instant::now();
                let skip = moves.skipped.entry(shard).or_default();
                let (some, has_more) = self.archive_some(shard, skip).await?;
                moved += some;
                if has_more {
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

    /// Moves a batch of a shard, fewer at a time where Postgres refuses it, and passes by a saga that
    /// cannot be moved alone. Returns how many it moved, and whether there are more.
    async fn archive_some(&self, shard: u16, skip: &mut u32) -> Result<(u64, bool), Error> {
        let (store, policy, now) = (self.store, self.policy, self.now);
        let mut limit = ARCHIVED_AT_ONCE;
        loop {
            let part = Part { skip: *skip, limit };
            let refused = match store.archive(shard, part, policy, now).await {
                Ok(moved) => return Ok((moved, moved >= u64::from(limit))),
                Err(error @ Error::Refused(_)) => error,
                Err(error) => return Err(error),
            };
            if limit > 1 {
                limit = limit.div_ceil(4);
                continue;
            }
            if *skip >= SKIPPED_MAX {
                // It is not about single sagas.
                return Err(refused);
            }
            let saga = store.next_to_archive(shard, *skip, now).await?;
            let saga = saga.map_or_else(|| "unknown".to_owned(), |saga| saga.to_string());
            let error = chain(&refused);
            limited!(UNMOVED, error, "a saga cannot be moved to the archive", %saga, shard, error);
            *skip += 1;
            return Ok((0, true));
        }
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
    async fn drop_partitions(&self) -> Result<Dropped, Error> {
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
    async fn drop_dead_letters(&self) -> Result<u64, Error> {
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
    async fn free_keys(&self, shards: &[u16]) -> Result<u64, Error> {
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
