//! Sends replies and knows when the broker has all replies of a batch.
//!
//! Invariant: a batch hears of each reply once, when all is said and done.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message as _};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};
use rdkafka::{ClientConfig, ClientContext};
use sagas::Timestamp;
use sagas::barrier::Answer;
use sagas::wire::topics::RECORD_BYTES_MAX;
use sagas::wire::{CommandMessage, ReplyMessage};
use sagas_kafka::{
    Alone, FLIGHT_MAX, FULL_WAIT, NotTaken, Outgoing, headers, hear_reports, is_refused, send_now,
};
use sagas_log::{Limit, chain, limited, trouble};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::partitions::Partitions;
use super::refused::instead_of;
use super::{client, not_made};
use crate::{Error, Settings};

/// How long the broker may take to say how many partitions a reply topic has. Before the first reply,
/// and while a command names a partition that is not there.
const ASK_WITHIN: Duration = Duration::from_secs(1);

/// How long a reply waits for a topic that the brokers do not know. It may just have been made.
const GONE_AFTER_MS: &str = "30000";

/// Each names its saga.
static GIVEN_UP: Limit = Limit::each("a reply was given up");

/// The replies of one batch that the broker does not have yet.
#[derive(Debug)]
pub(crate) struct Outstanding {
    /// One more than there are, until all were handed to the producer.
    count: AtomicUsize,
    none_left: Notify,
    /// Where they go, or most of them.
    topic: OnceLock<String>,
}

impl Outstanding {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            count: AtomicUsize::new(1),
            none_left: Notify::new(),
            topic: OnceLock::new(),
        })
    }

    /// Those of a batch that has none.
    pub(crate) fn none() -> Arc<Self> {
        let batch = Self::new();
        batch.one_less();
        batch
    }

    /// How many there are.
    pub(super) fn left(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Where they go; `None` before there are any.
    pub(super) fn topic(&self) -> Option<&str> {
        self.topic.get().map(String::as_str)
    }

    fn more(&self, replies: usize) {
        self.count.fetch_add(replies, Ordering::Relaxed);
    }

    /// One reply is acknowledged; or, once, all were handed over.
    pub(crate) fn one_less(&self) {
        if self.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.none_left.notify_waiters();
        }
    }

    /// Waits until the broker has all of them.
    pub(crate) async fn acknowledged(&self) {
        // Hears of an end that comes after it was made.
        let none_left = self.none_left.notified();
        if self.count.load(Ordering::Acquire) > 0 {
            none_left.await;
        }
    }

    /// Waits until the broker has all of them, or has been silent for [`FLIGHT_MAX`].
    pub(crate) async fn landed(&self) {
        // Late is no error: the producer holds what it has.
        let _ = tokio::time::timeout(FLIGHT_MAX, self.acknowledged()).await;
    }
}

/// Hears of each delivery.
#[derive(Clone)]
struct Deliveries {
    /// Cancelled when the producer can never send again.
    broken: CancellationToken,
    /// For a reply that is refused.
    alone: Alone,
}

impl ClientContext for Deliveries {
    fn error(&self, error: KafkaError, reason: &str) {
        let error = chain(&error);
        trouble!(warn, "the Kafka producer reports trouble", error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Arc<Outstanding>;

    fn delivery(&self, delivered: &DeliveryResult<'_>, batch: Arc<Outstanding>) {
        let Err((error, message)) = delivered else {
            return batch.one_less();
        };
        if is_refused(error) {
            return self.send_again(Outgoing::of(message), batch);
        }
        let saga = message.key().map(String::from_utf8_lossy);
        let (topic, partition) = (message.topic(), message.partition());
        self.give_up(error, topic, partition, saga.as_deref(), &batch);
    }
}

impl Deliveries {
    fn send_again(&self, reply: Outgoing, batch: Arc<Outstanding>) {
        let deliveries = self.clone();
        self.alone.send(reply, move |verdict| match verdict {
            Ok(()) => batch.one_less(),
            Err(NotTaken { record, error }) if is_refused(&error) => {
                deliveries.refuse(&record, batch, &error);
            }
            Err(NotTaken { record, error }) => {
                let Outgoing {
                    topic,
                    partition,
                    key,
                    ..
                } = record;
                deliveries.give_up(&error, &topic, partition, Some(&key), &batch);
            }
        });
    }

    /// The producer itself repeats whatever can be repeated, for ever.
    fn give_up(
        &self,
        error: &KafkaError,
        topic: &str,
        partition: i32,
        saga: Option<&str>,
        batch: &Outstanding,
    ) {
        limited!(
            GIVEN_UP,
            error,
            "a reply was given up; it is sent again when it is asked for",
            error = chain(error),
            topic,
            partition,
            saga
        );
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::Fatal) => self.broken.cancel(),
            // The service ends; its offsets stay behind this reply.
            Some(RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight) => {}
            None if *error == KafkaError::Canceled => {}
            _ => batch.one_less(),
        }
    }

    /// The reply is refused for what it is: `failed` goes in its place.
    fn refuse(&self, reply: &Outgoing, batch: Arc<Outstanding>, error: &KafkaError) {
        let (saga, topic, bytes) = (&reply.key, &reply.topic, reply.value.len());
        let code = error.rdkafka_error_code();
        let error = chain(error);
        if let Some(instead) = instead_of(reply, code) {
            limited!(
                GIVEN_UP,
                error,
                "the reply topic does not take a reply; its command is answered failed",
                saga,
                topic,
                bytes,
                error
            );
            return self.send_again(instead, batch);
        }
        limited!(
            GIVEN_UP,
            error,
            "the reply topic does not take a reply; its command stays without an answer",
            saga,
            topic,
            bytes,
            error
        );
        batch.one_less();
    }

    /// Hands a reply to librdkafka, for this partition or for the one that its key says.
    fn hand_over(
        &self,
        producer: &BaseProducer<Self>,
        reply: &Outgoing,
        partition: Option<i32>,
        batch: &Arc<Outstanding>,
    ) {
        let topic = &*reply.topic;
        let mut record = BaseRecord::with_opaque_to(topic, Arc::clone(batch))
            .key(&reply.key)
            .payload(&*reply.value)
            .headers(headers());
        record.partition = partition;
        while let Err((error, returned)) = producer.send(record) {
            match error.rdkafka_error_code() {
                Some(RDKafkaErrorCode::QueueFull) => {
                    std::thread::sleep(FULL_WAIT);
                    record = returned;
                    continue;
                }
                _ if is_refused(&error) => self.refuse(reply, Arc::clone(batch), &error),
                code => {
                    limited!(
                        GIVEN_UP,
                        error,
                        "a reply cannot be sent; it is sent again when it is asked for",
                        saga = reply.key,
                        error = chain(&error),
                        topic,
                        partition
                    );
                    match code {
                        Some(RDKafkaErrorCode::Fatal) => self.broken.cancel(),
                        _ => batch.one_less(),
                    }
                }
            }
            return;
        }
    }
}

/// The replies of one batch, ready for the producer.
struct Flight {
    replies: Vec<Outgoing>,
    batch: Arc<Outstanding>,
}

/// The producer of replies: one thread hands them over, another hears of their delivery.
pub(crate) struct Replies {
    flights: Sender<Flight>,
}

impl Replies {
    /// `broken` is cancelled when the producer can never send again.
    pub(crate) fn new(settings: &Settings, broken: CancellationToken) -> Result<Self, Error> {
        let config = config(settings);
        let alone = Alone::start(config.clone()).map_err(|source| Error::Thread { source })?;
        let created = config.create_with_context(Deliveries { broken, alone });
        let producer: BaseProducer<_> = created.map_err(not_made("create the Kafka producer"))?;
        let producer = Arc::new(producer);
        let polled = Arc::clone(&producer);
        spawn("saga-replies", move || hear_reports(&polled))?;
        let (flights, to_send) = channel();
        let pump = Pump { producer };
        spawn("saga-pump", move || pump.run(&to_send))?;
        Ok(Self { flights })
    }

    /// Sends the replies, as some of `batch`. Does not block: what it may hold is bounded by who waits
    /// for `batch`.
    pub(crate) fn send(&self, replies: Vec<Outgoing>, batch: &Arc<Outstanding>) {
        batch.more(replies.len());
        if let Some(reply) = replies.first() {
            batch.topic.get_or_init(|| reply.topic.clone());
        }
        let batch = Arc::clone(batch);
        // The thread ends with this channel.
        let _ = self.flights.send(Flight { replies, batch });
    }
}

fn config(settings: &Settings) -> ClientConfig {
    let record_bytes_max = RECORD_BYTES_MAX.to_string();
    let own = [
        ("enable.idempotence", "true"),
        // `send_now` ends the wait when a batch is complete.
        ("linger.ms", "50"),
        ("message.timeout.ms", "0"),
        // Without a time limit, but for a topic that is gone: one of those must not hold a partition of
        // commands for good.
        ("topic.metadata.propagation.max.ms", GONE_AFTER_MS),
        ("queue.buffering.max.messages", "1000000"),
        // What is stored is sent, whatever the bound was when it was stored.
        ("message.max.bytes", record_bytes_max.as_str()),
    ];
    client(settings, &own)
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    let thread = std::thread::Builder::new().name(name.to_owned());
    let spawned = thread.spawn(run);
    spawned.map(drop).map_err(|source| Error::Thread { source })
}

/// Hands replies to librdkafka.
struct Pump {
    producer: Arc<BaseProducer<Deliveries>>,
}

impl Pump {
    /// Runs until nobody has replies any more.
    fn run(&self, flights: &Receiver<Flight>) {
        let mut partitions = Partitions::default();
        while let Ok(flight) = flights.recv() {
            for flight in std::iter::once(flight).chain(flights.try_iter()) {
                for reply in &flight.replies {
                    let partition = self.partition_of(reply, &mut partitions);
                    let context = self.producer.context();
                    context.hand_over(&self.producer, reply, partition, &flight.batch);
                }
            }
            send_now(self.producer.client(), FLIGHT_MAX);
        }
    }

    /// The partition that its command names, unless the topic does not have it.
    fn partition_of(&self, reply: &Outgoing, partitions: &mut Partitions) -> Option<i32> {
        let (topic, named) = (&*reply.topic, reply.partition);
        let ask = || {
            let client = self.producer.client();
            let metadata = client.fetch_metadata(Some(topic), ASK_WITHIN).ok()?;
            let count = metadata.topics().first()?.partitions().len();
            i32::try_from(count).ok().filter(|count| *count > 0)
        };
        let partition = partitions.of(topic, named, Instant::now(), ask);
        if partition.is_none() {
            tracing::debug!(topic, named, "there is no such partition; the key decides");
        }
        partition
    }
}

/// The record that tells `command` its answer.
pub(crate) fn reply(
    command: &CommandMessage<'static>,
    answer: Answer,
    time: Timestamp,
) -> Outgoing {
    let reply = ReplyMessage::to(command, answer, time);
    let to = &command.reply_to;
    Outgoing {
        topic: (*to.topic).to_owned(),
        partition: to.partition,
        key: reply.key(),
        value: reply.value(),
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    #[test]
    fn a_batch_is_acknowledged_by_its_last_reply_and_not_before_all_are_handed_over() {
        let batch = Outstanding::new();
        let mut acknowledged = pin!(batch.acknowledged());
        let mut context = Context::from_waker(Waker::noop());
        let mut is_ready = || acknowledged.as_mut().poll(&mut context) == Poll::Ready(());
        batch.more(1);
        batch.one_less();
        assert!(!is_ready(), "more may be handed over");
        batch.more(1);
        batch.one_less();
        batch.more(1);
        batch.one_less();
        assert!(!is_ready());
        batch.more(1);
        // All are handed over; one is on its way.
        batch.one_less();
        assert!(!is_ready());
        batch.one_less();
        assert!(is_ready());
    }
}
