//! One Kafka for all tests, a prefix of its own for each; and a reader of replies to look through.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use sagas_core::record::{OutgoingRecord, ReplyRecord};
use sagas_local::{Kafka, KafkaOptions};
use sagas_orchestrator::bus::{self, Delivery, Error, Producer, ReplyConsumer, topics};

use crate::sample::id;

/// Longer than anything here takes on a loaded machine.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// Settings for the shared broker, with topics of their own that do not exist yet.
pub(crate) fn settings() -> bus::Settings {
    static BROKER: OnceLock<Kafka> = OnceLock::new();
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let broker = BROKER.get_or_init(|| Kafka::start(KafkaOptions::default()).unwrap());
    bus::Settings {
        brokers: broker.bootstrap(),
        prefix: format!("test-{}", NEXT.fetch_add(1, Ordering::Relaxed)),
        reply_partitions: 4,
        command_partitions: 2,
        event_partitions: 3,
        ..bus::Settings::default()
    }
}

/// As [`settings`], with topics.
pub(crate) async fn ready() -> bus::Settings {
    let settings = tokio::task::spawn_blocking(settings).await.unwrap();
    assert_eq!(topics::ensure(&settings, &["rooms"]).await.unwrap(), []);
    settings
}

/// A record for the reply topic that carries `number`.
pub(crate) fn record(settings: &bus::Settings, number: u32) -> OutgoingRecord {
    OutgoingRecord {
        topic: sagas::wire::topics::replies(&settings.prefix).into(),
        key: id(u128::from(number)),
        value: number.to_string().into_bytes(),
    }
}

/// Publishes, and waits until all has arrived.
pub(crate) fn publish(producer: &Producer, records: Vec<OutgoingRecord>) -> Result<(), Error> {
    let delivery = deliver(producer, records);
    assert!(
        delivery.refused.is_empty(),
        "{} are refused",
        delivery.refused.len()
    );
    delivery.failure.map_or(Ok(()), Err)
}

/// Publishes, and waits for the verdict.
pub(crate) fn deliver(producer: &Producer, records: Vec<OutgoingRecord>) -> Delivery {
    let (tell, told) = channel();
    producer.publish(records, move |delivery| tell.send(delivery).unwrap());
    told.recv_timeout(SOON).unwrap()
}

/// A consumer and what it has read.
pub(crate) struct Reader {
    pub(crate) consumer: ReplyConsumer,
    records: Receiver<ReplyRecord>,
}

impl Reader {
    pub(crate) fn start(
        settings: &bus::Settings,
        partitions: impl IntoIterator<Item = i32>,
    ) -> Self {
        let (tell, records) = channel();
        let consumer = ReplyConsumer::start(settings, move |record| tell.send(record).is_ok());
        let reader = Self {
            consumer: consumer.unwrap(),
            records,
        };
        reader.assign(partitions);
        reader
    }

    pub(crate) fn assign(&self, partitions: impl IntoIterator<Item = i32>) {
        self.consumer.assign(&partitions.into_iter().collect());
    }

    /// The next `count` records.
    pub(crate) fn next(&self, count: usize) -> Vec<ReplyRecord> {
        let deadline = Instant::now() + SOON;
        let left = || deadline.saturating_duration_since(Instant::now());
        let next = |_| self.records.recv_timeout(left()).unwrap();
        (0..count).map(next).collect()
    }

    /// What has come, without waiting.
    pub(crate) fn rest(&self) -> Vec<ReplyRecord> {
        self.records.try_iter().collect()
    }
}

pub(crate) fn number(record: &ReplyRecord) -> u32 {
    serde_json::from_slice(record.value.as_deref().unwrap()).unwrap()
}

pub(crate) fn numbers(records: &[ReplyRecord]) -> BTreeSet<u32> {
    records.iter().map(number).collect()
}

/// The offset after the last record of each partition.
pub(crate) fn next_offsets(records: &[ReplyRecord]) -> Vec<(i32, i64)> {
    let mut next = BTreeMap::new();
    for record in records {
        next.insert(record.partition, record.offset + 1);
    }
    next.into_iter().collect()
}

/// Counts how often each of many batches was answered, and how.
#[derive(Default)]
pub(crate) struct Answers {
    pub(crate) good: AtomicU32,
    pub(crate) bad: AtomicU32,
}

impl Answers {
    pub(crate) fn taker(self: &Arc<Self>) -> impl FnOnce(Delivery) + Send + 'static {
        let answers = Arc::clone(self);
        move |delivery| {
            let counter = if delivery.is_complete() {
                &answers.good
            } else {
                &answers.bad
            };
            counter.fetch_add(1, Ordering::SeqCst);
        }
    }

    pub(crate) fn count(&self) -> (u32, u32) {
        (
            self.good.load(Ordering::SeqCst),
            self.bad.load(Ordering::SeqCst),
        )
    }
}

/// Waits until the condition holds.
#[track_caller]
pub(crate) fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + SOON;
    while !condition() {
        assert!(Instant::now() < deadline, "{what} does not come true");
        std::thread::sleep(Duration::from_millis(5));
    }
}
