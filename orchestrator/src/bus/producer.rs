//! The producer: batches of records, and one call back for each batch.
//!
//! ```text
//!   publish ──► queue ──► pump (thread) ──► librdkafka ──► broker
//!                                               │
//!   done  ◄── Countdown, one per batch ◄── delivery reports (thread)
//!                        ▲                      │ refused in company
//!                        └──── Alone (thread) ◄──┘
//! ```
//!
//! Invariant: `done` is called exactly once for every batch, after the last of its records was
//! acknowledged by all in-sync replicas or refused for good. A record is refused for what it is, never
//! for what was in the request beside it. Nothing expires: while the broker is away, records wait.
//! `publish` never blocks; beyond a bound in bytes it says so at once.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use sagas::SagaId;
use sagas::wire::topics;
use sagas_core::readiness::Topic;
use sagas_core::record::{OutgoingRecord, Refusal, Refused};
use sagas_kafka::{
    Alone, FLIGHT_MAX, FULL_WAIT, Outgoing, TopicId, headers, hear_reports, send_now,
};
use sagas_log::trouble;
use uuid::Uuid;

use super::context::ProducerContext;
use super::debts::Debts;
use super::delivery::{Countdown, Delivery, Done, refusal};
use super::outstanding::Outstanding;
use super::spread::Spread;
use super::watch::Watch;
use super::{Error, RECORD_BYTES_MAX, Settings};
use crate::cause::{Cause, chain};
use crate::clock::uptime;

mod gathering;
mod limits;

use gathering::Gathering;
pub use limits::Limits;

/// What may wait before librdkafka's own queue, which holds as much again.
const WAITING_BYTES_MAX: usize = 64 << 20;

struct Batch {
    records: Vec<OutgoingRecord>,
    /// Where they go; without it, [`Spread`] says so.
    partition: Option<i32>,
    bytes: usize,
    done: Done,
}

impl Batch {
    fn is_for(&self, topic: &str) -> bool {
        self.records.iter().any(|record| *record.topic == *topic)
    }
}

/// Publishes batches. Clones share one connection; it ends with the last of them.
#[derive(Clone)]
pub struct Producer {
    shared: Arc<Shared>,
}

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting_bytes = self.shared.state.waiting_bytes.load(Ordering::Relaxed);
        f.debug_struct("Producer")
            .field("waiting_bytes", &waiting_bytes)
            .finish_non_exhaustive()
    }
}

struct Shared {
    queue: Sender<Vec<Batch>>,
    state: Arc<State>,
    watch: Watch,
    limits: Arc<Limits>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.state.is_stopping.store(true, Ordering::Release);
    }
}

/// What the pump and its clients share.
struct State {
    settings: Settings,
    client: RwLock<Client>,
    /// For a record that was refused in company.
    alone: Alone,
    /// In the queue, not yet in librdkafka's.
    waiting_bytes: AtomicUsize,
    outstanding: Arc<Outstanding>,
    debts: Debts,
    is_stopping: AtomicBool,
}

impl Producer {
    /// A producer that connects in the background; a broker that is away shows in [`Self::trouble`].
    ///
    /// # Errors
    ///
    /// When librdkafka refuses a setting.
    pub fn new(settings: &Settings) -> Result<Self, Error> {
        let alone = Alone::start(config(settings)).map_err(Error::Thread)?;
        let state = Arc::new(State {
            settings: settings.clone(),
            client: RwLock::new(connect(settings, alone.clone())?),
            alone,
            waiting_bytes: AtomicUsize::new(0),
            outstanding: Arc::default(),
            debts: Debts::default(),
            is_stopping: AtomicBool::new(false),
        });
        let (queue, batches) = channel();
        let pump = Arc::clone(&state);
        std::thread::Builder::new()
            .name("kafka-pump".to_owned())
            .spawn(move || pump.run(&batches))
            .map_err(Error::Thread)?;
        let watch = Watch::start(settings, Arc::clone(&state.outstanding))?;
        let shared = Shared {
            queue,
            state,
            watch,
            limits: Arc::new(Limits::new(settings.clone())),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Publishes the records, in order, and calls `done` once: when each of them has arrived or was
    /// refused for good. Never blocks. One that the broker refuses in company comes after the others.
    ///
    /// `done` runs on a thread of the producer and must not block. It gets [`Error::Overloaded`] at
    /// once, and nothing is published, when too much waits for the broker already.
    pub fn publish(
        &self,
        records: Vec<OutgoingRecord>,
        done: impl FnOnce(Delivery) + Send + 'static,
    ) {
        self.publish_together([(records, Box::new(done) as Done)]);
    }

    /// Publishes one record to this partition of its topic; otherwise as [`Self::publish`].
    pub fn publish_to(
        &self,
        partition: i32,
        record: OutgoingRecord,
        done: impl FnOnce(Delivery) + Send + 'static,
    ) {
        let batch = self.batch(vec![record], Some(partition), Box::new(done));
        self.enqueue(batch.into_iter().collect());
    }

    /// Publishes several batches in one flight, each with a verdict of its own. Handed over one by one, the
    /// second waits until the broker has answered for the first.
    pub fn publish_together(&self, batches: impl IntoIterator<Item = (Vec<OutgoingRecord>, Done)>) {
        let batches = batches.into_iter();
        let batches = batches.filter_map(|(records, done)| self.batch(records, None, done));
        self.enqueue(batches.collect());
    }

    fn enqueue(&self, batches: Vec<Batch>) {
        if batches.is_empty() {
            return;
        }
        if let Err(unsent) = self.shared.queue.send(batches) {
            for batch in unsent.0 {
                (batch.done)(failed(Error::Stopped));
            }
        }
    }

    /// A batch that waits from now on; `None` where it has its verdict already.
    fn batch(
        &self,
        records: Vec<OutgoingRecord>,
        partition: Option<i32>,
        done: Done,
    ) -> Option<Batch> {
        if records.is_empty() {
            done(Delivery::default());
            return None;
        }
        let bytes = records.iter().map(|record| record.value.len()).sum();
        let waiting = &self.shared.state.waiting_bytes;
        let before = waiting.fetch_add(bytes, Ordering::AcqRel);
        // A batch that is larger than the bound still passes an empty queue.
        if before > 0 && before + bytes > WAITING_BYTES_MAX {
            waiting.fetch_sub(bytes, Ordering::AcqRel);
            done(failed(Error::Overloaded { bytes: before }));
            return None;
        }
        Some(Batch {
            records,
            partition,
            bytes,
            done,
        })
    }

    /// What the topics take; it outlives the producer, and keeps nothing of it alive.
    #[must_use]
    pub fn limits(&self) -> Arc<Limits> {
        Arc::clone(&self.shared.limits)
    }

    /// What is wrong with the broker, if it did not answer when it was last asked, at most a few seconds
    /// ago.
    #[must_use]
    pub fn trouble(&self) -> Option<Cause> {
        let client = self.shared.state.client();
        if let Some((code, _)) = client.client().fatal_error() {
            let text = format!("the producer has failed and is being replaced: Kafka says {code}");
            return Some(Cause::ours(text));
        }
        self.shared.watch.trouble()
    }

    /// The topics that owe an answer for too long, or refuse.
    #[must_use]
    pub fn topics_in_trouble(&self) -> Vec<Topic> {
        let state = &self.shared.state;
        let prefix = &state.settings.prefix;
        let shared = [topics::replies(prefix), topics::events(prefix)];
        let troubles = state.debts.troubles(uptime()).into_iter();
        let troubles = troubles.map(|(name, trouble)| Topic {
            is_shared: shared.iter().any(|shared| **shared == *name),
            why: self.shared.watch.why_late(&name),
            name,
            trouble,
        });
        troubles.collect()
    }

    /// Whether it is long ago that this topic has taken a record.
    #[must_use]
    pub fn is_quiet(&self, topic: &str) -> bool {
        self.shared.state.debts.is_quiet(topic, uptime())
    }

    /// Whether this topic has taken a record within the last two seconds.
    #[must_use]
    pub fn is_flowing(&self, topic: &str) -> bool {
        self.shared.state.debts.is_flowing(topic, uptime())
    }

    /// How many partitions the reply topic has, as the broker said within the last seconds; `None`
    /// before it has said so.
    #[must_use]
    pub fn reply_partitions(&self) -> Option<i32> {
        self.shared.watch.reply_partitions()
    }

    /// The same of the topic of lifecycle events.
    #[must_use]
    pub fn event_partitions(&self) -> Option<i32> {
        self.shared.watch.event_partitions()
    }

    /// The id of the reply topic, as the broker said within the last seconds: another one, where it was
    /// deleted and made again. `None` before it has said so.
    #[must_use]
    pub fn reply_topic_id(&self) -> Option<TopicId> {
        self.shared.watch.topic_id()
    }

    /// Waits until the broker has everything that was published, or until time is up.
    pub async fn flush(&self, within: Duration) {
        let state = Arc::clone(&self.shared.state);
        let flushed = tokio::task::spawn_blocking(move || {
            let deadline = Instant::now() + within;
            while state.waiting_bytes.load(Ordering::Acquire) > 0 && Instant::now() < deadline {
                std::thread::sleep(FULL_WAIT);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if let Err(error) = state.client().flush(left) {
                tracing::warn!(
                    error = chain(&error),
                    "not everything was published in time"
                );
            }
        });
        // It does not panic, and a runtime that ends has nobody who waits.
        let _ = flushed.await;
    }
}

impl State {
    fn client(&self) -> Client {
        self.client
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Hands batches over until the last producer is gone.
    fn run(&self, batches: &Receiver<Vec<Batch>>) {
        let events_topic = topics::events(&self.settings.prefix);
        let mut events = Gathering::default();
        loop {
            let now = Instant::now();
            let first = match events.due(now) {
                None => batches.recv().map_err(RecvTimeoutError::from),
                Some(due) => batches.recv_timeout(due.saturating_duration_since(now)),
            };
            let is_over = matches!(first, Err(RecvTimeoutError::Disconnected));
            self.renew_if_failed();
            let client = self.client();
            let mut is_new = true;
            for batch in first.into_iter().chain(batches.try_iter()).flatten() {
                let is_spread = batch.partition.is_none();
                if is_spread && batch.is_for(&events_topic) {
                    events.add(batch);
                    continue;
                }
                // What says where it goes does not move on what is spread.
                if is_spread && std::mem::take(&mut is_new) {
                    client.context().spread.next_flight();
                }
                self.hand_over(&client, batch);
            }
            let gathered = if is_over {
                events.take_all()
            } else {
                events.take(Instant::now())
            };
            for batch in gathered {
                self.hand_over(&client, batch);
            }
            send_now(client.client(), FLIGHT_MAX);
            if is_over {
                return;
            }
        }
    }

    fn hand_over(&self, client: &Client, batch: Batch) {
        let countdown = Countdown::new(&batch.records, batch.done, &self.debts);
        let countdown = Arc::new(countdown);
        self.outstanding.add(&countdown, Instant::now());
        for record in &batch.records {
            self.send(client, record, batch.partition, &countdown);
        }
        self.waiting_bytes.fetch_sub(batch.bytes, Ordering::AcqRel);
    }

    fn send(
        &self,
        client: &Client,
        record: &OutgoingRecord,
        partition: Option<i32>,
        countdown: &Arc<Countdown>,
    ) {
        let key = record.key.to_string();
        loop {
            let mut outgoing = BaseRecord::with_opaque_to(&record.topic, Arc::clone(countdown))
                .key(&key)
                .payload(&record.value)
                .headers(headers());
            outgoing.partition = partition;
            let Err((error, _)) = client.send(outgoing) else {
                return;
            };
            if error != KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) {
                let why = refusal(&error).map(|why| self.own_limit(why));
                return match why {
                    Some(why) => countdown.refuse(Refused {
                        record: record.clone(),
                        why,
                    }),
                    None => countdown.settle(&record.topic, Err(not_accepted(record, error))),
                };
            }
            if self.is_stopping.load(Ordering::Acquire) {
                return countdown.settle(&record.topic, Err(Error::Stopped));
            }
            std::thread::sleep(FULL_WAIT);
        }
    }

    /// What the client itself refuses is refused for its own limit.
    fn own_limit(&self, why: Refusal) -> Refusal {
        let Refusal::TooLarge { .. } = why else {
            return why;
        };
        let set = self.settings.extra.get("message.max.bytes");
        let set = set.and_then(|bytes| bytes.parse().ok());
        let limit = set.or_else(|| Some(RECORD_BYTES_MAX.into()));
        Refusal::TooLarge { limit }
    }

    /// An idempotent producer that the broker has lost count of accepts nothing any more. What it
    /// still holds ends with an error when its thread drops it, and is published again by its owners.
    fn renew_if_failed(&self) {
        let Some((code, reason)) = self.client().client().fatal_error() else {
            return;
        };
        tracing::error!(%code, reason, "the Kafka producer has failed; a new one takes over");
        match connect(&self.settings, self.alone.clone()) {
            Ok(new) => {
                let mut client = self.client.write().unwrap_or_else(PoisonError::into_inner);
                let failed = std::mem::replace(&mut *client, new);
                drop(client);
                drop(failed);
            }
            Err(error) => {
                let error = chain(&error);
                trouble!(error, "there is no new Kafka producer", error);
            }
        }
    }
}

fn failed(failure: Error) -> Delivery {
    Delivery {
        failure: Some(failure),
        ..Delivery::default()
    }
}

/// The verdict of the broker on a record that came alone, or of the client on any.
pub(super) fn give_up(record: OutgoingRecord, error: KafkaError, countdown: &Countdown) {
    match refusal(&error) {
        Some(why) => countdown.refuse(Refused { record, why }),
        None => countdown.settle(&record.topic, Err(not_accepted(&record, error))),
    }
}

/// The record of a delivery report as it was published.
pub(super) fn record(reported: Outgoing) -> OutgoingRecord {
    OutgoingRecord {
        topic: reported.topic.into(),
        key: reported.key.parse().unwrap_or(SagaId(Uuid::nil())),
        value: reported.value,
    }
}

fn not_accepted(record: &OutgoingRecord, error: KafkaError) -> Error {
    match error {
        KafkaError::Canceled => Error::Stopped,
        KafkaError::ClientConfig(..) | KafkaError::ClientCreation(_) => Error::Settings(error),
        source => Error::NotAccepted {
            topic: record.topic.to_string(),
            saga: record.key,
            source,
        },
    }
}

/// librdkafka's producer, shared with the thread that polls it.
type Client = Arc<BaseProducer<ProducerContext, Spread>>;

fn connect(settings: &Settings, alone: Alone) -> Result<Client, Error> {
    let context = ProducerContext {
        spread: Spread::new(topics::events(&settings.prefix)),
        alone,
    };
    let client: BaseProducer<ProducerContext, Spread> = config(settings)
        .create_with_context(context)
        .map_err(Error::refused)?;
    let client = Arc::new(client);
    let polled = Arc::clone(&client);
    std::thread::Builder::new()
        .name("kafka-reports".to_owned())
        .spawn(move || hear_reports(&polled))
        .map_err(Error::Thread)?;
    Ok(client)
}

fn config(settings: &Settings) -> ClientConfig {
    settings.client(&[
        // Implies acks=all and endless retries, and keeps the order.
        ("enable.idempotence", "true"),
        // A record that expired alone would leave a gap among its saga's records.
        ("message.timeout.ms", "0"),
        // `send_now` ends the wait when a flight is complete; one that is taken apart takes longer.
        ("linger.ms", "50"),
        ("queue.buffering.max.messages", "100000"),
        ("queue.buffering.max.kbytes", "131072"),
        ("message.max.bytes", &RECORD_BYTES_MAX.to_string()),
    ])
}
