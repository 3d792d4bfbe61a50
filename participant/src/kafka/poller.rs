//! The thread that reads commands, and the offsets of those that are done with.
//!
//! It polls for as long as the service lives, also while the database is away: otherwise a
//! rebalance would have to wait for this instance. What it reads waits in a channel; when that is
//! long, the partitions are paused.
//!
//! Invariant: only offsets that [`Offsets::done`] was told are committed, and none for a partition
//! that this instance has lost: librdkafka refuses to store those.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{ClientContext, TopicPartitionList};
use sagas::wire::{CommandMessage, topics};
use sagas_log::{Limit, chain, limited, trouble};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::membership::Membership;
use super::{client, not_made};
use crate::batch::Job;
use crate::health::{HEARD_EVERY, Health};
use crate::{Error, Settings};

/// How long one poll waits where nothing comes; a stop is noticed after it.
const POLL: Duration = Duration::from_millis(50);
/// The same while the buffer is full and room may appear at any time.
const POLL_FULL: Duration = Duration::from_millis(2);
/// How long the buffer may be full before the partitions are paused: short beside the time that a
/// rebalance may take, long beside a batch.
const PATIENCE: Duration = Duration::from_secs(1);
/// How much may come again after a crash; it is answered from the inbox.
const COMMIT_EVERY: Duration = Duration::from_millis(200);

/// Somebody else's records may come by the thousand.
static UNREADABLE: Limit = Limit::each("an unreadable record is skipped");

/// A record, read. It is done with when its offset may be committed.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    /// `None`: unreadable, nobody can be answered.
    pub(crate) job: Option<Job>,
}

struct Context {
    health: Health,
}

/// Of librdkafka's statistics, what tells whether commands can come.
#[derive(Deserialize)]
struct Statistics {
    cgrp: Group,
}

#[derive(Deserialize)]
struct Group {
    /// `up` while there is a connection to the group's coordinator.
    state: String,
}

impl ClientContext for Context {
    fn error(&self, error: KafkaError, reason: &str) {
        let error = chain(&error);
        trouble!(warn, "the Kafka consumer reports trouble", error, reason);
    }

    /// Called by `poll` only: a poller that hangs is not heard of.
    fn stats_raw(&self, statistics: &[u8]) {
        match serde_json::from_slice(statistics) {
            Ok(Statistics { cgrp }) if cgrp.state == "up" => self.health.broker(Ok(())),
            Ok(_) => self
                .health
                .broker(Err("the group's coordinator is out of reach")),
            Err(_) => self
                .health
                .broker(Err("the consumer's state is not readable")),
        };
    }
}

impl ConsumerContext for Context {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        tracing::info!(?rebalance, "command partitions move");
        // What is done with need not come again at the next owner.
        if matches!(rebalance, Rebalance::Revoke(_)) {
            commit(consumer, CommitMode::Sync);
        }
    }
}

fn commit(consumer: &BaseConsumer<Context>, mode: CommitMode) {
    match consumer.commit_consumer_state(mode) {
        Ok(()) | Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::NoOffset)) => {}
        Err(error) => {
            let error = chain(&error);
            trouble!(
                warn,
                "offsets were not committed; commands come again",
                error
            );
        }
    }
}

/// Takes note of what is done with. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Offsets {
    consumer: Arc<BaseConsumer<Context>>,
    topic: Arc<str>,
    changed: Arc<AtomicBool>,
}

impl Offsets {
    /// Everything up to and including `offset` is done with.
    pub(crate) fn done(&self, partition: i32, offset: i64) {
        match self.consumer.store_offset(&self.topic, partition, offset) {
            Ok(()) => self.changed.store(true, Ordering::Release),
            // Part of every rebalance.
            Err(error) => {
                tracing::debug!(
                    error = chain(&error),
                    partition,
                    "the partition has moved on"
                );
            }
        }
    }
}

/// Reads commands until told to finish.
pub(crate) struct Poller {
    consumer: Arc<BaseConsumer<Context>>,
    membership: Membership,
    health: Health,
    changed: Arc<AtomicBool>,
    pub(crate) records: mpsc::UnboundedSender<Record>,
    /// How many records were handed on and are not done with.
    pub(crate) waiting: Arc<AtomicUsize>,
    pub(crate) unreadable: Arc<AtomicU64>,
    /// No more records are handed on.
    pub(crate) stopping: CancellationToken,
    /// Nobody will call [`Offsets::done`] any more.
    pub(crate) finished: Arc<AtomicBool>,
    waiting_max: usize,
    full_since: Option<Instant>,
    paused: bool,
    committed_at: Instant,
}

impl Poller {
    pub(crate) fn new(
        settings: &Settings,
        participant: &str,
        partitions: i32,
        records: mpsc::UnboundedSender<Record>,
        stopping: CancellationToken,
        health: Health,
    ) -> Result<(Self, Offsets), Error> {
        let topic = topics::commands(&settings.prefix, participant);
        let group = topics::group(&settings.prefix, participant);
        let heard_every = HEARD_EVERY.as_millis().to_string();
        let own = [
            ("group.id", group.as_str()),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("auto.offset.reset", "earliest"),
            ("check.crcs", "true"),
            // Else a transaction that somebody leaves open holds up all commands behind its records.
            ("isolation.level", "read_uncommitted"),
            ("partition.assignment.strategy", "cooperative-sticky"),
            ("fetch.queue.backoff.ms", "5"),
            ("topic.metadata.refresh.interval.ms", "1000"),
            // A killed instance's partitions move after this; the least that brokers allow.
            ("session.timeout.ms", "6000"),
            ("heartbeat.interval.ms", "1000"),
            // `Context::stats_raw` gets the state of the group.
            ("statistics.interval.ms", &heard_every),
        ];
        let consumer: BaseConsumer<Context> = client(settings, &own)
            .create_with_context(Context {
                health: health.clone(),
            })
            .map_err(not_made("create the Kafka consumer"))?;
        let membership = Membership::new(&topic, &group, partitions);
        let consumer = Arc::new(consumer);
        let changed = Arc::new(AtomicBool::new(false));
        let offsets = Offsets {
            consumer: Arc::clone(&consumer),
            topic: topic.into(),
            changed: Arc::clone(&changed),
        };
        let poller = Self {
            consumer,
            membership,
            health,
            changed,
            records,
            waiting: Arc::default(),
            unreadable: Arc::default(),
            stopping,
            finished: Arc::default(),
            waiting_max: settings.batch_max * 8,
            full_since: None,
            paused: false,
            committed_at: Instant::now(),
        };
        Ok((poller, offsets))
    }

    /// The thread's whole life. Leaves the group at its end.
    pub(crate) fn run(mut self) -> Result<(), Error> {
        let mut last_error = None;
        while !self.finished.load(Ordering::Acquire) {
            self.commit_if_due();
            if !self.stopping.is_cancelled() {
                self.membership
                    .look_after(&self.consumer, &self.health)
                    .map_err(|source| Error::Kafka {
                        doing: "subscribe to the command topic",
                        source,
                    })?;
            }
            if self.is_full_for_the_moment() {
                std::thread::sleep(POLL_FULL);
                continue;
            }
            let wait = if self.paused { POLL_FULL } else { POLL };
            // The borrow of the message ends before the state changes.
            let polled = self
                .consumer
                .poll(wait)
                .map(|polled| polled.map(|message| self.take(&message)));
            match polled {
                None => {}
                Some(Ok(())) => last_error = None,
                Some(Err(error)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal) => {
                    return Err(Error::Kafka {
                        doing: "read commands",
                        source: error,
                    });
                }
                Some(Err(error)) if last_error.as_ref() == Some(&error) => {}
                Some(Err(error)) => {
                    tracing::warn!(
                        error = chain(&error),
                        "commands cannot be read at the moment"
                    );
                    last_error = Some(error);
                }
            }
        }
        commit(&self.consumer, CommitMode::Sync);
        Ok(())
    }

    /// Whether the buffer is full only for the moment: room is waited for without polling, because
    /// pausing throws away what librdkafka has fetched. After a second the partitions are paused
    /// and polling goes on.
    fn is_full_for_the_moment(&mut self) -> bool {
        let waiting = self.waiting.load(Ordering::Acquire);
        let stopping = self.stopping.is_cancelled();
        let full = stopping || waiting >= self.waiting_max;
        if !full {
            self.full_since = None;
        }
        if full && !self.paused {
            let since = *self.full_since.get_or_insert_with(Instant::now);
            if since.elapsed() < PATIENCE && !stopping {
                return true;
            }
            self.with_assignment("pause", |assigned| self.consumer.pause(assigned));
            self.paused = true;
        } else if self.paused && !stopping && waiting < self.waiting_max / 2 {
            self.with_assignment("resume", |assigned| self.consumer.resume(assigned));
            self.paused = false;
        }
        false
    }

    fn with_assignment(
        &self,
        what: &str,
        act: impl FnOnce(&TopicPartitionList) -> Result<(), KafkaError>,
    ) {
        if let Err(error) = self
            .consumer
            .assignment()
            .and_then(|assigned| act(&assigned))
        {
            trouble!(
                warn,
                "the assignment was not changed",
                error = chain(&error),
                what
            );
        }
    }

    fn take(&self, message: &BorrowedMessage<'_>) {
        if self.stopping.is_cancelled() {
            return;
        }
        let (partition, offset) = (message.partition(), message.offset());
        let job = match read(message) {
            Ok(command) => Some(Job::new(command)),
            Err(reason) => {
                self.unreadable.fetch_add(1, Ordering::Relaxed);
                let topic = message.topic();
                let reason = chain(&reason);
                limited!(
                    UNREADABLE,
                    error,
                    "an unreadable record is skipped",
                    topic,
                    partition,
                    offset,
                    reason
                );
                None
            }
        };
        self.waiting.fetch_add(1, Ordering::AcqRel);
        if self.paused {
            // A rebalance brought partitions that are not paused yet.
            self.with_assignment("pause", |assigned| self.consumer.pause(assigned));
        }
        // Nobody listens only at the end; then the record comes again.
        let _ = self.records.send(Record {
            partition,
            offset,
            job,
        });
    }

    fn commit_if_due(&mut self) {
        if self.committed_at.elapsed() >= COMMIT_EVERY && self.changed.swap(false, Ordering::AcqRel)
        {
            commit(&self.consumer, CommitMode::Async);
            self.committed_at = Instant::now();
        }
    }
}

fn read(message: &BorrowedMessage<'_>) -> Result<CommandMessage<'static>, sagas::wire::Error> {
    CommandMessage::parse(message.key(), message.payload()).map(CommandMessage::into_owned)
}
