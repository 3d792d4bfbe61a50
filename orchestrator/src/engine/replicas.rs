//! Which replicas live, and what this one serves: a heartbeat in Postgres, and rendezvous hashing.
//!
//! Who reads which partition is affinity. A replica that loses its database keeps what it has; two
//! replicas that read one partition for a moment do no harm.

use std::collections::BTreeSet;
use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use saga_core::Registry;
use saga_core::batch::Slots;
use saga_core::lane::Input;
use saga_core::rendezvous::{Share, owned_by};
use sagas::Timestamp;
use tokio::sync::watch;
use tokio::time::{sleep_until, timeout};
use uuid::Uuid;

use super::lanes::Lanes;
use super::rounds::Rounds;
use crate::bus::{Producer, ReplyConsumer};
use crate::cause::{self, Cause, chain};
use crate::clock::Clock;
use crate::limit::{sum_up, trouble};
use crate::store::Store;
use crate::store::definition::Pin;
use crate::store::replica::{Replica, ReplicaSeen};

/// A database that is silent for so long is away, as far as clients can tell; it is also when the
/// others take this replica for dead. Long before the statement itself is given up.
const SILENCE: Duration = Duration::from_secs(2);

/// What this replica serves at the moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Duty {
    pub(super) partitions: BTreeSet<i32>,
    /// How many partitions the reply topic has.
    pub(super) of: i32,
    pub(super) shards: Vec<u16>,
}

impl Duty {
    /// Whose events left behind this replica publishes. A slot is the number of a partition: those
    /// that no partition has, because there were more when they were written, fall to the reader of
    /// the first partition, which always exists.
    pub(super) fn slots(&self) -> Slots {
        Slots {
            own: self.partitions.iter().copied().collect(),
            from: self.partitions.contains(&0).then_some(self.of),
        }
    }
}

/// This process, new with every start. A v7 id holds the time at which it was made.
pub(super) fn introduce(name: &str, registry: &Registry) -> Replica {
    let id = Uuid::now_v7();
    let (seconds, nanos) = id.get_timestamp().map_or((0, 0), |made| made.to_unix());
    let made = Duration::new(seconds, nanos);
    Replica {
        id,
        name: name.to_owned(),
        started_at: Timestamp::default() + made,
        definitions: registry.iter().map(|known| Pin::of(known)).collect(),
    }
}

pub(super) struct Membership {
    pub(super) own: Replica,
    pub(super) store: Store,
    pub(super) clock: Arc<Clock>,
    pub(super) consumer: Arc<ReplyConsumer>,
    /// Knows how many partitions the reply topic has by now.
    pub(super) producer: Producer,
    pub(super) lanes: Lanes,
    pub(super) duty: watch::Sender<Duty>,
    /// How many it had when last looked at; replicas may differ for a moment.
    pub(super) partitions: i32,
    pub(super) shards: u16,
    /// Why the last heartbeat failed.
    pub(super) trouble: watch::Sender<Option<Cause>>,
}

impl Membership {
    /// Beats until the rounds end, then leaves.
    pub(super) async fn run(mut self, mut rounds: Rounds) {
        let mut early = None;
        while rounds.next_or(reached(early)).await {
            early = self.beat().await;
        }
        if let Err(error) = self.store.leave(self.own.id).await {
            let error = chain(&error);
            tracing::warn!(
                error,
                "could not say good-bye; the others notice within two seconds"
            );
        }
    }

    /// Says when another replica will be dead unless it beats before that: then all that are left
    /// look at once, and take its share over together.
    async fn beat(&mut self) -> Option<Instant> {
        self.count_partitions();
        let sent = Instant::now();
        let mut answer = pin!(self.store.heartbeat(&self.own));
        // Only the waiting ends early: a statement that was begun is never cancelled.
        let answer = match timeout(SILENCE, &mut answer).await {
            Ok(answer) => answer,
            Err(_) => {
                self.tell_trouble(Some(Cause::ours(format!("no answer within {SILENCE:?}"))));
                answer.await
            }
        };
        match answer {
            Ok((seen, database_time)) => {
                self.clock.observe(database_time, sent);
                let alive: Vec<Uuid> = seen.iter().map(|replica| replica.id).collect();
                self.serve(&alive).await;
                self.tell_trouble(None);
                let left = until_death(&seen, self.own.id, database_time)?;
                Some(Instant::now() + left)
            }
            Err(error) => {
                self.tell_trouble(Some(cause::of(&error)));
                None
            }
        }
    }

    fn tell_trouble(&self, trouble: Option<Cause>) {
        sum_up(Instant::now());
        self.trouble.send_if_modified(|now| {
            let changes = *now != trouble;
            match &trouble {
                // Also when it is another one than before: a silence that becomes a refusal.
                Some(cause) if changes => {
                    trouble!(warn, "Postgres cannot be used", error = cause.chain());
                }
                None if changes => tracing::info!("Postgres can be used again"),
                _ => {}
            }
            *now = trouble;
            changes
        });
    }

    /// Takes new partitions into use: a topic may grow, and who grows it tells nobody.
    fn count_partitions(&mut self) {
        let Some(found) = self.producer.reply_partitions() else {
            return;
        };
        if found != self.partitions {
            let before = self.partitions;
            tracing::info!(
                before,
                found,
                "the reply topic has another number of partitions now"
            );
            self.partitions = found;
        }
    }

    async fn serve(&self, alive: &[Uuid]) {
        let count = u32::try_from(self.partitions).unwrap_or(0);
        let partitions = owned_by(self.own.id, alive, Share::Partitions, count);
        let shards = owned_by(self.own.id, alive, Share::Shards, u32::from(self.shards));
        let duty = Duty {
            partitions: partitions
                .filter_map(|number| i32::try_from(number).ok())
                .collect(),
            of: self.partitions,
            shards: shards
                .filter_map(|number| u16::try_from(number).ok())
                .collect(),
        };
        if *self.duty.borrow() == duty {
            return;
        }
        tracing::info!(
            replicas = alive.len(),
            partitions = duty.partitions.len(),
            shards = duty.shards.len(),
            "this replica's share has changed"
        );
        for (number, lane) in self.lanes.iter().enumerate() {
            let own = duty.partitions.iter().copied();
            let own = own.filter(|partition| self.lanes.of_partition(*partition) == number);
            let held = Input::Held {
                partitions: duty.partitions.clone(),
                of: duty.of,
            };
            lane.tell(held).await;
            lane.tell(Input::Assigned(own.collect())).await;
        }
        self.consumer.assign(&duty.partitions);
        self.duty.send_replace(duty);
    }
}

/// How long until the first of the others is dead, unless it beats before that.
fn until_death(seen: &[ReplicaSeen], own: Uuid, now: Timestamp) -> Option<Duration> {
    let others = seen.iter().filter(|replica| replica.id != own);
    let oldest = others.map(|replica| replica.heartbeat_at).min()?;
    Some(SILENCE.saturating_sub(now.since(oldest)))
}

/// Comes at that time.
async fn reached(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at.into()).await,
        None => pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_that_is_silent_for_longest_dies_first() {
        let beat = |id, seconds| ReplicaSeen {
            id: Uuid::from_u128(id),
            name: String::new(),
            started_at: Timestamp::default(),
            heartbeat_at: Timestamp::default() + Duration::from_secs(seconds),
        };
        let seen = [beat(1, 10), beat(2, 13), beat(3, 12)];
        let left = |own, now| {
            let now = Timestamp::default() + Duration::from_millis(now);
            until_death(&seen, Uuid::from_u128(own), now)
        };
        assert_eq!(left(1, 13_400), Some(Duration::from_millis(600)));
        assert_eq!(left(2, 13_400), Some(Duration::ZERO), "it is late");
        assert_eq!(
            until_death(&seen[..1], Uuid::from_u128(1), Timestamp::default()),
            None,
            "nobody else is there"
        );
    }
}
