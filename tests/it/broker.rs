//! What tests write to Kafka and read from it by themselves, past every program of ours.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{BorrowedMessage, Header, Headers as _, Message as _, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use sagas::wire::{CONTENT_TYPE, ReplyMessage, is_probe, topics};
use serde_json::Value;

use crate::wait::until;
use crate::world::{SOON, World};

/// How long the broker may take to answer.
const WITHIN: Duration = Duration::from_secs(30);

/// A record as it lies in a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) partition: i32,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) value: Option<Vec<u8>>,
}

impl Record {
    /// `reply`, as a participant writes it.
    pub(crate) fn of(reply: &ReplyMessage<'_>) -> Self {
        let (name, media_type) = CONTENT_TYPE;
        Self {
            partition: 0,
            key: Some(reply.key().into_bytes()),
            headers: vec![(name.to_owned(), media_type.into())],
            value: Some(reply.value()),
        }
    }

    /// The object in its value.
    pub(crate) fn object(&self) -> Value {
        serde_json::from_slice(self.value.as_deref().unwrap()).unwrap()
    }

    pub(crate) fn from(message: &BorrowedMessage<'_>) -> Self {
        let headers = message.headers().map(|headers| {
            let headers = headers.iter();
            headers
                .map(|header| (header.key.to_owned(), header.value.unwrap().to_vec()))
                .collect()
        });
        Self {
            partition: message.partition(),
            key: message.key().map(<[u8]>::to_vec),
            headers: headers.unwrap_or_default(),
            value: message.payload().map(<[u8]>::to_vec),
        }
    }
}

/// A world's topics.
pub(crate) struct Broker {
    prefix: String,
    client: ClientConfig,
    producer: FutureProducer,
}

impl Broker {
    pub(crate) fn of(world: &World) -> Self {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", world.servers.brokers());
        client.set("fetch.queue.backoff.ms", "5");
        Self {
            prefix: world.servers.prefix().to_owned(),
            producer: client.clone().set("linger.ms", "0").create().unwrap(),
            client,
        }
    }

    /// A reader of every partition of `topic` from its first record on.
    fn reader(&self, topic: &str) -> BaseConsumer {
        let mut config = self.client.clone();
        let reader: BaseConsumer = config.set("group.id", "nobody").create().unwrap();
        let mut list = TopicPartitionList::new();
        for partition in self.partitions(topic) {
            list.add_partition_offset(topic, partition, Offset::Beginning)
                .unwrap();
        }
        reader.assign(&list).unwrap();
        reader
    }

    fn partitions(&self, topic: &str) -> Vec<i32> {
        let client = self.producer.client();
        let metadata = client.fetch_metadata(Some(topic), WITHIN).unwrap();
        let partitions = metadata.topics()[0].partitions().iter();
        partitions
            .map(rdkafka::metadata::MetadataPartition::id)
            .collect()
    }

    /// A reader of a participant's commands.
    pub(crate) fn commands(&self, participant: &str) -> BaseConsumer {
        tokio::task::block_in_place(|| self.reader(&topics::commands(&self.prefix, participant)))
    }

    /// The partitions of the reply topic.
    pub(crate) fn reply_partitions(&self) -> Vec<i32> {
        tokio::task::block_in_place(|| self.partitions(&topics::replies(&self.prefix)))
    }

    /// Writes a reply, and gives its offset.
    pub(crate) async fn write_reply(&self, record: &Record) -> i64 {
        let topic = topics::replies(&self.prefix);
        let mut headers = OwnedHeaders::new();
        for (key, value) in &record.headers {
            let value = Some(value);
            headers = headers.insert(Header { key, value });
        }
        let written: FutureRecord<'_, Vec<u8>, Vec<u8>> = FutureRecord {
            topic: &topic,
            partition: Some(record.partition),
            payload: record.value.as_ref(),
            key: record.key.as_ref(),
            timestamp: None,
            headers: Some(headers),
        };
        self.producer.send(written, WITHIN).await.unwrap().offset
    }

    pub(crate) fn replies(&self) -> Vec<Record> {
        self.all(&topics::replies(&self.prefix))
    }

    pub(crate) fn events(&self) -> Vec<Record> {
        self.all(&topics::events(&self.prefix))
    }

    /// Everything that is in a topic now, but for probes.
    fn all(&self, topic: &str) -> Vec<Record> {
        tokio::task::block_in_place(|| {
            let reader = self.reader(topic);
            let ends = self.partitions(topic).into_iter().map(|partition| {
                let (_, end) = reader.fetch_watermarks(topic, partition, WITHIN).unwrap();
                (partition, end)
            });
            let mut open: BTreeMap<i32, i64> = ends.filter(|(_, end)| *end > 0).collect();
            let mut records = Vec::new();
            let deadline = Instant::now() + WITHIN;
            while !open.is_empty() {
                assert!(
                    Instant::now() < deadline,
                    "{topic}: {open:?} not read to the end"
                );
                // An error is news of a connection, which comes back by itself.
                let Some(Ok(message)) = reader.poll(Duration::from_millis(20)) else {
                    continue;
                };
                if open.get(&message.partition()) == Some(&(message.offset() + 1)) {
                    open.remove(&message.partition());
                }
                if !is_probe(message.key(), message.payload()) {
                    records.push(Record::from(&message));
                }
            }
            records
        })
    }

    /// Waits until the orchestrator would not read these records, offsets by partition, again after
    /// a restart: it is done with them.
    pub(crate) async fn finished(&self, last: &BTreeMap<i32, i64>) {
        for (partition, offset) in last {
            until("the offset is stored", SOON, async || {
                match self.stored_offset(*partition) {
                    Some(stored) if stored > *offset => Ok(()),
                    stored => Err(format!(
                        "partition {partition}: {stored:?}, not over {offset}"
                    )),
                }
            })
            .await;
        }
    }

    /// Where the orchestrator would go on after a restart.
    fn stored_offset(&self, partition: i32) -> Option<i64> {
        tokio::task::block_in_place(|| {
            let group = format!("{}.orchestrator", self.prefix);
            let mut config = self.client.clone();
            let client: BaseConsumer = config.set("group.id", &group).create().unwrap();
            let mut list = TopicPartitionList::new();
            list.add_partition(&topics::replies(&self.prefix), partition);
            let stored = client.committed_offsets(list, WITHIN).ok()?;
            match stored.elements()[0].offset() {
                Offset::Offset(offset) => Some(offset),
                _ => None,
            }
        })
    }
}
