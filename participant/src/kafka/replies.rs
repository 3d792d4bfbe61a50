//! Sends replies and knows when the broker has all replies of a batch.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message as _};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};
use saga_kafka::{FLIGHT_MAX, FULL_WAIT, headers, hear_reports, send_now};
use saga_log::{Limit, chain, limited, trouble};
use sagas::Timestamp;
use sagas::barrier::Answer;
use sagas::wire::topics::RECORD_BYTES_MAX;
use sagas::wire::{CommandMessage, ReplyMessage, ReplyTo};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::alone::{self, Again};
use super::partitions::Partitions;
use super::{client, not_made};
use crate::{Error, Settings};

/// How long the broker may take to say how many partitions a reply topic has. Before the first reply,
/// and while a command names a partition that is not there.
const ASK_WITHIN: Duration = Duration::from_secs(1);

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
pub(super) struct Deliveries {
    /// Cancelled when the producer can never send again.
    broken: CancellationToken,
    /// Where a reply goes that is refused.
    again: Arc<Sender<Again>>,
    /// Whether each request carries one reply, so that a refusal is about it.
    is_alone: bool,
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
        if alone::is_refused(error) {
            let reply = alone::reply(message);
            if self.is_alone {
                return self.refuse(&reply, batch, error);
            }
            return self.send_again(reply, batch);
        }
        // The producer itself repeats whatever can be repeated, for ever.
        limited!(
            GIVEN_UP,
            error,
            "a reply was given up; it is sent again when it is asked for",
            error = chain(error),
            topic = message.topic(),
            partition = message.partition(),
            saga = message.key().map(String::from_utf8_lossy).as_deref()
        );
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::Fatal) => self.broken.cancel(),
            // The service ends; its offsets stay behind this reply.
            Some(RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight) => {}
            _ => batch.one_less(),
        }
    }
}

impl Deliveries {
    fn send_again(&self, reply: Outgoing, batch: Arc<Outstanding>) {
        if let Err(unsent) = self.again.send(Again { reply, batch }) {
            unsent.0.batch.one_less();
        }
    }

    /// The reply is refused for what it is: `failed` goes in its place.
    fn refuse(&self, reply: &Outgoing, batch: Arc<Outstanding>, error: &KafkaError) {
        let (saga, topic, bytes) = (&reply.key, &*reply.to.topic, reply.value.len());
        let code = error.rdkafka_error_code();
        let error = chain(error);
        if let Some(instead) = alone::instead_of(reply, code) {
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
    pub(super) fn hand_over(
        &self,
        producer: &BaseProducer<Self>,
        reply: &Outgoing,
        partition: Option<i32>,
        batch: &Arc<Outstanding>,
    ) {
        let topic = &*reply.to.topic;
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
                _ if alone::is_refused(&error) => self.refuse(reply, Arc::clone(batch), &error),
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
        let (again, refused) = channel();
        // The thread that reads it ends with the producer, so it does not keep the other end itself.
        let again = Arc::new(again);
        let to_alone = Arc::downgrade(&again);
        let producer = connect(settings, broken.clone(), again, false)?;
        let producer = Arc::new(producer);
        let polled = Arc::clone(&producer);
        spawn("saga-replies", move || hear_reports(&polled))?;
        let settings = settings.clone();
        spawn("saga-alone", move || {
            alone::run(&refused, || {
                let client = connect(&settings, broken.clone(), to_alone.upgrade()?, true);
                client
                    .inspect_err(|error| {
                        tracing::error!(error = chain(error), "no reply is sent again")
                    })
                    .ok()
            });
        })?;
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
            batch.topic.get_or_init(|| reply.to.topic.to_string());
        }
        let batch = Arc::clone(batch);
        // The thread ends with this channel.
        let _ = self.flights.send(Flight { replies, batch });
    }
}

fn connect(
    settings: &Settings,
    broken: CancellationToken,
    again: Arc<Sender<Again>>,
    is_alone: bool,
) -> Result<BaseProducer<Deliveries>, Error> {
    let record_bytes_max = RECORD_BYTES_MAX.to_string();
    let own = [
        ("enable.idempotence", "true"),
        // `send_now` ends the wait when a batch is complete.
        ("linger.ms", if is_alone { "0" } else { "50" }),
        ("message.timeout.ms", "0"),
        ("queue.buffering.max.messages", "1000000"),
        // What is stored is sent, whatever the bound was when it was stored.
        ("message.max.bytes", record_bytes_max.as_str()),
    ];
    let mut config = client(settings, &own);
    if is_alone {
        // Not for anybody to set otherwise: more than one, and the answer is not about the reply.
        config.set("batch.num.messages", "1");
    }
    let context = Deliveries {
        broken,
        again,
        is_alone,
    };
    let created = config.create_with_context(context);
    created.map_err(not_made("create the Kafka producer"))
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
        let (topic, named) = (&*reply.to.topic, reply.to.partition);
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

/// A reply as a record.
pub(crate) struct Outgoing {
    pub(super) to: ReplyTo<'static>,
    pub(super) key: String,
    pub(super) value: Vec<u8>,
}

impl Outgoing {
    /// What `command` is told.
    pub(crate) fn to(command: &CommandMessage<'static>, answer: Answer, time: Timestamp) -> Self {
        let reply = ReplyMessage::to(command, answer, time);
        Self {
            to: command.reply_to.clone(),
            key: reply.key(),
            value: reply.value(),
        }
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
