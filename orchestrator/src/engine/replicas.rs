//! The heartbeat of this replica in Postgres; `sagas_core::membership` says what follows from its answers.

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sagas::Timestamp;
use sagas_core::Registry;
use sagas_core::lane::Input;
use sagas_core::membership::Replica;
use sagas_core::membership::{Assignment, Membership, SILENCE};
use sagas_core::registry::Pin;
use sagas_log::{sum_up, trouble};
use tokio::sync::watch;
use tokio::time::{sleep_until, timeout};
use uuid::Uuid;

use super::lanes::Lanes;
use super::rounds::Rounds;
use crate::bus::{Producer, ReplyConsumer};
use crate::cause::{self, Cause, chain};
use crate::clock::Clock;
use crate::store::Store;

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

/// The heartbeat of this replica.
pub(super) struct Heart {
    pub(super) own: Replica,
    pub(super) store: Store,
    pub(super) clock: Arc<Clock>,
    pub(super) consumer: Arc<ReplyConsumer>,
    /// Knows how many partitions the reply topic has by now.
    pub(super) producer: Producer,
    pub(super) lanes: Lanes,
    pub(super) membership: Membership,
    pub(super) assignment: watch::Sender<Assignment>,
    /// How many it had when last looked at; replicas may differ for a moment.
    pub(super) partitions: i32,
    /// Why the last heartbeat failed.
    pub(super) trouble: watch::Sender<Option<Cause>>,
}

impl Heart {
    /// Beats until the rounds end, then leaves.
    pub(super) async fn run(mut self, mut rounds: Rounds) {
        let began = Instant::now();
        let mut early = None;
        while rounds.next_or(reached(early)).await {
            early = self.beat(began).await;
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
    async fn beat(&mut self, began: Instant) -> Option<Instant> {
        self.count_partitions();
        let sent = Instant::now();
        let mut answer = pin!(self.store.heartbeat(&self.own));
        // Only the waiting ends early: a statement that was begun is never cancelled.
        let answer = match timeout(SILENCE, &mut answer).await {
            Ok(answer) => answer,
            Err(_) => {
                self.tell_silence();
                answer.await
            }
        };
        match answer {
            Ok((seen, database_time)) => {
                self.clock.observe(database_time, sent);
                let heard =
                    self.membership
                        .hear(&seen, database_time, began.elapsed(), self.partitions);
                self.serve(seen.len(), heard.inputs).await;
                self.tell_trouble(None);
                Some(Instant::now() + heard.beat_within?)
            }
            Err(error) => {
                self.tell_trouble(Some(cause::of(&error)));
                None
            }
        }
    }

    /// A silence is trouble of its own kind: the refusal that it may end in is logged, too. Where a
    /// refusal is known, the next silence says less.
    fn tell_silence(&self) {
        if self.trouble.borrow().is_some() {
            return;
        }
        let silence = format!("no answer within {SILENCE:?}");
        trouble!(warn, "Postgres does not answer", error = silence);
        self.trouble.send_replace(Some(Cause::ours(silence)));
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

    async fn serve(&self, replicas: usize, inputs: Vec<(usize, Input)>) {
        if inputs.is_empty() {
            return;
        }
        let assignment = self.membership.assignment();
        tracing::info!(
            replicas,
            partitions = assignment.partitions.len(),
            shards = assignment.shards.len(),
            "this replica's share has changed"
        );
        for (lane, input) in inputs {
            self.lanes.at(lane).tell(input).await;
        }
        self.consumer.assign(&assignment.partitions);
        self.assignment.send_replace(assignment.clone());
    }
}

/// Comes at that time.
async fn reached(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at.into()).await,
        None => pending().await,
    }
}
