//! The double of the bus: partitioned logs and stored offsets, without Kafka.
//!
//! Invariant: a partition is append-only and its offsets have no gaps; what is published together
//! goes to one partition of its topic, in order, and what comes next to the next one, but lifecycle
//! events go where their key says; a group's offset is what was stored last, even if that is further back. When a record
//! arrives, twice or late, is the world's affair. `tests/contract/bus.rs` runs one suite on this and
//! on a real Kafka.

use std::collections::BTreeMap;

use sagas::wire::{Attribute, CONTENT_TYPE};
use sagas_core::record::{OutgoingRecord, ReplyRecord};
use serde_json::Value;

use crate::rng::mix;

/// All topics of a cluster.
#[derive(Debug, Default)]
pub struct Bus {
    topics: BTreeMap<String, Vec<Vec<Record>>>,
    offsets: BTreeMap<(String, String, i32), i64>,
    flights: u64,
}

/// A record as it lies in its partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
}

impl From<&OutgoingRecord> for Record {
    fn from(record: &OutgoingRecord) -> Self {
        Self {
            key: Some(record.key.to_string().into_bytes()),
            value: Some(record.value.clone()),
        }
    }
}

impl Record {
    /// An attribute of the message; null where there is none.
    #[must_use]
    pub fn attribute(&self, attribute: Attribute) -> Value {
        let object = self.object();
        object.map_or(Value::Null, |object| object[attribute.as_str()].clone())
    }

    /// Writes another value of an attribute that the message has.
    pub fn set_attribute(&mut self, attribute: Attribute, value: Value) {
        let Some(mut object) = self.object() else {
            return;
        };
        if let Some(old) = object.get_mut(attribute.as_str()) {
            *old = value;
            self.value = Some(object.to_string().into_bytes());
        }
    }

    fn object(&self) -> Option<Value> {
        serde_json::from_slice(self.value.as_deref()?).ok()
    }
}

impl Bus {
    /// Makes a topic.
    pub fn create(&mut self, topic: &str, partitions: usize) {
        self.topics
            .insert(topic.to_owned(), vec![Vec::new(); partitions]);
    }

    /// Gives a topic one more partition, which is empty.
    pub fn grow(&mut self, topic: &str) {
        if let Some(partitions) = self.topics.get_mut(topic) {
            partitions.push(Vec::new());
        }
    }

    /// How many partitions a topic has; 0 when there is no such topic.
    #[must_use]
    pub fn partitions(&self, topic: &str) -> i32 {
        let partitions = self.topics.get(topic).map_or(0, Vec::len);
        i32::try_from(partitions).unwrap_or(0)
    }

    /// What is published from now on goes to other partitions than what was published before.
    pub fn next_flight(&mut self) {
        self.flights += 1;
    }

    /// The partition that the next record of this topic goes to.
    #[must_use]
    pub fn partition_of(&self, topic: &str, key: &[u8]) -> i32 {
        let number = if topic.ends_with(".events") {
            let bytes = key.iter().map(|byte| u64::from(*byte));
            mix(&bytes.collect::<Vec<_>>())
        } else {
            self.flights
        };
        let count = u64::try_from(self.partitions(topic)).unwrap_or(1).max(1);
        i32::try_from(number % count).unwrap_or(0)
    }

    /// Appends a record; gives its offset. There is such a partition.
    pub fn append(&mut self, topic: &str, partition: i32, record: Record) -> i64 {
        let Some(log) = self.log_mut(topic, partition) else {
            return -1;
        };
        log.push(record);
        i64::try_from(log.len()).unwrap_or(i64::MAX) - 1
    }

    /// The record at an offset.
    #[must_use]
    pub fn read(&self, topic: &str, partition: i32, offset: i64) -> Option<&Record> {
        self.log(topic, partition)?
            .get(usize::try_from(offset).ok()?)
    }

    /// The same as a consumer of replies gives it on.
    #[must_use]
    pub fn read_reply(&self, topic: &str, partition: i32, offset: i64) -> Option<ReplyRecord> {
        let record = self.read(topic, partition, offset)?.clone();
        Some(ReplyRecord {
            cluster: CLUSTER.into(),
            topic: topic.into(),
            partition,
            offset,
            key: record.key,
            headers: [CONTENT_TYPE].into_iter().collect(),
            value: record.value,
        })
    }

    /// The offset of the next record to come.
    #[must_use]
    pub fn end(&self, topic: &str, partition: i32) -> i64 {
        let records = self.log(topic, partition).map_or(0, Vec::len);
        i64::try_from(records).unwrap_or(i64::MAX)
    }

    /// All records of a topic, partition by partition.
    pub fn records(&self, topic: &str) -> impl Iterator<Item = &Record> {
        self.topics.get(topic).into_iter().flatten().flatten()
    }

    /// Stores where a group continues in a partition.
    pub fn store_offset(&mut self, group: &str, topic: &str, partition: i32, next: i64) {
        let key = (group.to_owned(), topic.to_owned(), partition);
        self.offsets.insert(key, next);
    }

    /// Where a group continues; without a stored offset at the oldest record.
    #[must_use]
    pub fn stored_offset(&self, group: &str, topic: &str, partition: i32) -> i64 {
        let key = (group.to_owned(), topic.to_owned(), partition);
        self.offsets.get(&key).copied().unwrap_or(0)
    }

    fn log(&self, topic: &str, partition: i32) -> Option<&Vec<Record>> {
        let partition = usize::try_from(partition).ok()?;
        self.topics.get(topic)?.get(partition)
    }

    fn log_mut(&mut self, topic: &str, partition: i32) -> Option<&mut Vec<Record>> {
        let partition = usize::try_from(partition).ok()?;
        self.topics.get_mut(topic)?.get_mut(partition)
    }
}

/// The id of the only cluster.
const CLUSTER: &str = "simulated";
