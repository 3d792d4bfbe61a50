//! The consumer of replies: reads the partitions that it is told to, on a thread of its own.
//!
//! Invariant: an offset is stored only by [`ReplyConsumer::commit`], so what a crash interrupts is
//! read again. The group only keeps offsets: nobody joins it, so nothing is rebalanced, and who
//! reads what is the caller's decision. A partition that is kept across [`ReplyConsumer::assign`]
//! goes on where it is.
//!
//! The stored offsets are asked for here, and a new partition is begun at a number. librdkafka could
//! do that by itself (`Offset::Stored`), but 2.12 asks once: an answer "not coordinator", which every
//! broker gives for a while after a start, leaves the partition unread for ever.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::metadata::MetadataPartition;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use sagas::wire;
use sagas_core::record::ReplyRecord;
use sagas_log::trouble;
use tokio::sync::watch;

use super::context::Context;
use super::{Error, Settings};
use crate::cause::chain;
use crate::clock::uptime;

/// How long the thread waits for a record before it looks whether it should stop.
const POLL: Duration = Duration::from_millis(100);
/// How long the broker may take to say where to begin; reading stops meanwhile.
const OFFSETS_WITHIN: Duration = Duration::from_secs(1);
/// How long to read on before it is asked again.
const OFFSETS_RETRY: Duration = Duration::from_millis(300);
/// How old a stored offset may be. What is read again after a crash has no effect, and a request for
/// each commit of each lane makes the broker write as often as the database.
const STORE_EVERY: Duration = Duration::from_millis(200);
/// How long a stop may take; a client whose broker is gone may hang for ever.
const STOP_WITHIN: Duration = Duration::from_secs(5);
/// How long the broker may take to say something about itself.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Reads replies until it is stopped.
pub struct ReplyConsumer {
    brokers: String,
    topic: String,
    /// Gone once it is stopped.
    client: Mutex<Option<Arc<BaseConsumer<Context>>>>,
    orders: Arc<Orders>,
    /// Whether the thread has ended.
    ended: watch::Receiver<bool>,
}

/// What the thread is told, and what it has made of it.
#[derive(Default)]
struct Orders {
    partitions: Mutex<BTreeSet<i32>>,
    assigned: Mutex<BTreeSet<i32>>,
    /// Where partitions continue after a restart, as far as that is not stored yet.
    next_offsets: Mutex<BTreeMap<i32, i64>>,
    /// When each partition gave its last record.
    read_at: Mutex<BTreeMap<i32, Duration>>,
    /// Whether a record is being handed over.
    is_held: AtomicBool,
    /// Where all partitions are to be begun again.
    begin_again: Mutex<Option<Begin>>,
    is_stopping: AtomicBool,
}

/// Where a partition that was being read is begun again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// At the stored offset: nothing came although records lie there.
    Stored,
    /// At the oldest record, whatever is stored: the topic is another one.
    Oldest,
}

/// What is read at this moment.
#[derive(Debug, Clone)]
pub struct Reading {
    /// The partitions.
    pub partitions: BTreeSet<i32>,
    /// When each gave its last record, by [`uptime`].
    pub read_at: BTreeMap<i32, Duration>,
    /// Whether the reader waits until somebody takes what it has read.
    pub is_held: bool,
}

impl fmt::Debug for ReplyConsumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyConsumer")
            .field("topic", &self.topic)
            .field("partitions", &*lock(&self.orders.partitions))
            .finish_non_exhaustive()
    }
}

impl ReplyConsumer {
    /// Starts the thread, with no partition assigned. `sink` gets every record; while it blocks,
    /// nothing more is read, and little more is fetched. When it says `false`, the thread ends.
    ///
    /// # Errors
    ///
    /// When librdkafka refuses a setting.
    pub fn start(
        settings: &Settings,
        sink: impl Fn(ReplyRecord) -> bool + Send + 'static,
    ) -> Result<Self, Error> {
        let config = config(settings);
        let client = config
            .create_with_context(Context)
            .map_err(Error::refused)?;
        let client: Arc<BaseConsumer<Context>> = Arc::new(client);
        let orders = Arc::new(Orders::default());
        let (end, ended) = watch::channel(false);
        let topic = wire::topics::replies(&settings.prefix);
        let reader = Reader {
            client: Arc::clone(&client),
            topic: topic.as_str().into(),
            orders: Arc::clone(&orders),
            assigned: BTreeSet::new(),
            is_anew: BTreeSet::new(),
            retry_at: Instant::now(),
            stored_at: Instant::now(),
        };
        std::thread::Builder::new()
            .name("kafka-replies".to_owned())
            .spawn(move || {
                // The reader may hold the last reference to the client; dropping that closes the
                // connections, and may take its time.
                reader.run(sink);
                end.send_replace(true);
            })
            .map_err(Error::Thread)?;
        Ok(Self {
            brokers: settings.brokers.clone(),
            topic,
            client: Mutex::new(Some(client)),
            orders,
            ended,
        })
    }

    /// Reads these partitions from now on, and no others. New ones start at the stored offset, or,
    /// without one, at the oldest record.
    ///
    /// Does not block: the thread takes and gives back partitions within a moment, and tries again
    /// until the broker says where to begin.
    pub fn assign(&self, partitions: &BTreeSet<i32>) {
        lock(&self.orders.partitions).clone_from(partitions);
    }

    /// The partitions that are read now; what [`Self::assign`] says becomes true within a moment.
    #[must_use]
    pub fn assigned(&self) -> BTreeSet<i32> {
        lock(&self.orders.assigned).clone()
    }

    /// Begins all partitions again, within a moment. What is read twice has no effect.
    pub fn begin_again(&self, from: Begin) {
        let mut order = lock(&self.orders.begin_again);
        if *order != Some(Begin::Oldest) {
            *order = Some(from);
        }
    }

    /// What is read, and when something last was.
    #[must_use]
    pub fn reading(&self) -> Reading {
        Reading {
            partitions: self.assigned(),
            read_at: lock(&self.orders.read_at).clone(),
            is_held: self.orders.is_held.load(Ordering::Acquire),
        }
    }

    /// Stores the offset that each partition continues at after a restart: in the background,
    /// within a third of a second, and before a stop ends.
    pub fn commit(&self, next_offsets: &[(i32, i64)]) {
        lock(&self.orders.next_offsets).extend(next_offsets.iter().copied());
    }

    /// How many partitions the reply topic has.
    ///
    /// # Errors
    ///
    /// When the broker does not answer, or has no such topic.
    pub async fn partitions(&self) -> Result<i32, Error> {
        let unreachable = |source| Error::Unreachable {
            brokers: self.brokers.clone(),
            source,
        };
        let client = self.client().ok_or(Error::Stopped)?;
        let topic = self.topic.clone();
        let asked =
            tokio::task::spawn_blocking(move || client.fetch_metadata(Some(&topic), ANSWER_WITHIN));
        let metadata = asked
            .await
            .map_err(|_| Error::Stopped)?
            .map_err(unreachable)?;
        let topics = metadata.topics().iter();
        match topics.map(|topic| topic.partitions().len()).sum() {
            0 => Err(Error::Missing {
                topic: self.topic.clone(),
            }),
            partitions => Ok(i32::try_from(partitions).unwrap_or(i32::MAX)),
        }
    }

    /// Ends the thread and the connections, after the offsets that are under way; within 5 s.
    pub async fn stop(&self) {
        self.orders.is_stopping.store(true, Ordering::Release);
        // The thread drops the last reference, because only it may be left behind.
        drop(lock(&self.client).take());
        let mut ended = self.ended.clone();
        let end = ended.wait_for(|ended| *ended);
        if tokio::time::timeout(STOP_WITHIN, end).await.is_err() {
            tracing::warn!("the consumer of replies does not end; it is left behind");
        }
    }

    fn client(&self) -> Option<Arc<BaseConsumer<Context>>> {
        lock(&self.client).clone()
    }
}

impl Drop for ReplyConsumer {
    fn drop(&mut self) {
        self.orders.is_stopping.store(true, Ordering::Release);
    }
}

fn config(settings: &Settings) -> rdkafka::ClientConfig {
    let group = format!("{}.orchestrator", settings.prefix);
    settings.client(&[
        ("group.id", &group),
        ("enable.auto.commit", "false"),
        ("enable.auto.offset.store", "false"),
        ("auto.offset.reset", "earliest"),
        ("allow.auto.create.topics", "false"),
        ("check.crcs", "true"),
        // Else a transaction that somebody leaves open holds up all replies behind its records.
        ("isolation.level", "read_uncommitted"),
        // A full local queue is looked at again after this time; the default is a second.
        ("fetch.queue.backoff.ms", "5"),
        // What is read ahead while `sink` blocks; the default is 64 MiB.
        ("queued.max.messages.kbytes", "16384"),
        ("queued.min.messages", "20000"),
    ])
}

/// What the thread owns.
struct Reader {
    client: Arc<BaseConsumer<Context>>,
    topic: Arc<str>,
    orders: Arc<Orders>,
    assigned: BTreeSet<i32>,
    /// Partitions of a topic that was made anew, whose stored offsets may be those of its predecessor.
    is_anew: BTreeSet<i32>,
    /// Not before then is the broker asked again where to begin.
    retry_at: Instant,
    stored_at: Instant,
}

impl Reader {
    fn run(mut self, sink: impl Fn(ReplyRecord) -> bool) {
        let mut cluster: Arc<str> = "".into();
        while !self.orders.is_stopping.load(Ordering::Acquire) {
            self.follow_orders();
            if self.stored_at.elapsed() >= STORE_EVERY {
                self.store_offsets();
                self.stored_at = Instant::now();
            }
            let record = match self.client.poll(POLL) {
                None => continue,
                Some(Ok(record)) => record,
                Some(Err(error)) => {
                    // librdkafka goes on by itself.
                    trouble!(warn, "replies cannot be read now", error = chain(&error));
                    continue;
                }
            };
            if cluster.is_empty() {
                // Known to librdkafka since it connected.
                let known = self.client.client().fetch_cluster_id(POLL);
                cluster = known.unwrap_or_default().into();
            }
            lock(&self.orders.read_at).insert(record.partition(), uptime());
            self.orders.is_held.store(true, Ordering::Release);
            let is_taken = sink(own(&record, &cluster, &self.topic));
            self.orders.is_held.store(false, Ordering::Release);
            if !is_taken {
                break;
            }
        }
        self.store_offsets();
    }

    fn store_offsets(&self) {
        let next_offsets = std::mem::take(&mut *lock(&self.orders.next_offsets));
        if next_offsets.is_empty() {
            return;
        }
        let mut list = TopicPartitionList::new();
        for (partition, offset) in next_offsets {
            let offset = Offset::Offset(offset);
            if let Err(error) = list.add_partition_offset(&self.topic, partition, offset) {
                let error = chain(&error);
                tracing::error!(error, partition, "this is no offset");
            }
        }
        if let Err(error) = self.client.commit(&list, CommitMode::Async) {
            trouble!(
                warn,
                "offsets of replies were not stored",
                error = chain(&error)
            );
        }
    }

    fn begin_again(&mut self) {
        let Some(from) = lock(&self.orders.begin_again).take() else {
            return;
        };
        if from == Begin::Oldest {
            // Offsets of the topic that is gone.
            lock(&self.orders.next_offsets).clear();
            self.is_anew.clone_from(&self.assigned);
        }
        let all = self.assigned.clone();
        if let Err(error) = self.give_back(&all) {
            let error = chain(&error);
            trouble!(error, "cannot give reply partitions back", error, ?all);
            // They may be read no more by now; what is assigned twice is refused, which is harmless.
        }
        self.assigned.clear();
        self.retry_at = Instant::now();
    }

    fn follow_orders(&mut self) {
        self.begin_again();
        let wanted = lock(&self.orders.partitions);
        if *wanted == self.assigned {
            return;
        }
        let gone: BTreeSet<i32> = self.assigned.difference(&wanted).copied().collect();
        let new: BTreeSet<i32> = wanted.difference(&self.assigned).copied().collect();
        drop(wanted);
        if !gone.is_empty() {
            match self.give_back(&gone) {
                Ok(()) => self.assigned.retain(|partition| !gone.contains(partition)),
                Err(error) => {
                    let error = chain(&error);
                    trouble!(error, "cannot give reply partitions back", error, ?gone);
                }
            }
        }
        if !new.is_empty() && self.retry_at <= Instant::now() {
            let taken = self.take(&new).unwrap_or_else(|error| {
                let error = chain(&error);
                trouble!(
                    warn,
                    "the broker does not say where to go on reading replies",
                    error
                );
                BTreeSet::new()
            });
            if taken.len() < new.len() {
                self.retry_at = Instant::now() + OFFSETS_RETRY;
            }
            self.is_anew.retain(|partition| !taken.contains(partition));
            self.assigned.extend(taken);
        }
        lock(&self.orders.assigned).clone_from(&self.assigned);
    }

    fn give_back(&self, partitions: &BTreeSet<i32>) -> Result<(), KafkaError> {
        // Later they might go back behind those of the next reader.
        self.store_offsets();
        let list = self.list(partitions)?;
        self.client.incremental_unassign(&list)
    }

    /// Begins to read those of the partitions that the broker has. Left alone, librdkafka hears of one that was
    /// made meanwhile at its next look at the topic, which may be minutes away.
    fn take(&self, partitions: &BTreeSet<i32>) -> Result<BTreeSet<i32>, KafkaError> {
        let known = self
            .client
            .fetch_metadata(Some(&self.topic), OFFSETS_WITHIN)?;
        let known = known.topics().iter().flat_map(|topic| topic.partitions());
        let known: BTreeSet<i32> = known.map(MetadataPartition::id).collect();
        let partitions: BTreeSet<i32> = partitions.intersection(&known).copied().collect();
        if partitions.is_empty() {
            return Ok(partitions);
        }
        let stored = self.list(&partitions)?;
        let stored = self.client.committed_offsets(stored, OFFSETS_WITHIN)?;
        let mut list = TopicPartitionList::new();
        for partition in stored.elements() {
            partition.error()?;
            let is_anew = self.is_anew.contains(&partition.partition());
            let offset = match partition.offset() {
                stored @ Offset::Offset(_) if !is_anew => stored,
                _ => Offset::Beginning,
            };
            list.add_partition_offset(&self.topic, partition.partition(), offset)?;
        }
        self.client.incremental_assign(&list)?;
        Ok(partitions)
    }

    fn list(&self, partitions: &BTreeSet<i32>) -> Result<TopicPartitionList, KafkaError> {
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            list.add_partition_offset(&self.topic, *partition, Offset::Invalid)?;
        }
        Ok(list)
    }
}

fn own(record: &BorrowedMessage<'_>, cluster: &Arc<str>, topic: &Arc<str>) -> ReplyRecord {
    let headers = record.headers();
    let headers = headers.into_iter().flat_map(|headers| headers.iter());
    ReplyRecord {
        cluster: Arc::clone(cluster),
        topic: Arc::clone(topic),
        partition: record.partition(),
        offset: record.offset(),
        key: record.key().map(<[u8]>::to_vec),
        headers: headers
            .map(|header| (header.key, header.value.unwrap_or_default()))
            .collect(),
        value: record.payload().map(<[u8]>::to_vec),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
