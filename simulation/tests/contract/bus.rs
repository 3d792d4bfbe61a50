//! The bus's contract: on the double, and on a real Kafka.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use sagas::wire::CONTENT_TYPE;
use sagas_core::record::{OutgoingRecord, ReplyRecord};
use sagas_local::{Kafka, KafkaOptions};
use sagas_orchestrator::bus::{self, Delivery, Producer, ReplyConsumer, topics};
use simulation::bus::{Bus, Record};
use tokio::runtime::Runtime;

use crate::sample::id;

const PARTITIONS: i32 = 4;
const GROUP: &str = "readers";
/// Longer than anything here takes on a loaded machine.
const SOON: Duration = Duration::from_secs(60);

/// What the engine asks of a broker.
trait Broker {
    /// The reply topic.
    fn topic(&self) -> String;
    fn publish(&mut self, records: &[OutgoingRecord]);
    /// Reads so many records of these partitions from where the group continues.
    fn read(&mut self, partitions: &[i32], count: usize) -> Vec<ReplyRecord>;
    fn store(&mut self, partition: i32, next: i64);
}

#[derive(Default)]
struct Simulated {
    bus: Bus,
}

const TOPIC: &str = "saga.replies";

impl Broker for Simulated {
    fn topic(&self) -> String {
        TOPIC.to_owned()
    }

    fn publish(&mut self, records: &[OutgoingRecord]) {
        if self.bus.partitions(TOPIC) == 0 {
            self.bus.create(TOPIC, usize::try_from(PARTITIONS).unwrap());
        }
        self.bus.next_flight();
        for record in records {
            let record = Record::from(record);
            let key = record.key.clone().unwrap();
            let partition = self.bus.partition_of(TOPIC, &key);
            self.bus.append(TOPIC, partition, record);
        }
    }

    fn read(&mut self, partitions: &[i32], count: usize) -> Vec<ReplyRecord> {
        let records = partitions.iter().flat_map(|partition| {
            let from = self.bus.stored_offset(GROUP, TOPIC, *partition);
            let offsets = from..self.bus.end(TOPIC, *partition);
            offsets.filter_map(|offset| self.bus.read_reply(TOPIC, *partition, offset))
        });
        let records: Vec<_> = records.collect();
        assert_eq!(records.len(), count);
        records
    }

    fn store(&mut self, partition: i32, next: i64) {
        self.bus.store_offset(GROUP, TOPIC, partition, next);
    }
}

struct Real {
    runtime: Runtime,
    settings: bus::Settings,
    producer: Producer,
}

impl Real {
    fn new() -> Self {
        static BROKER: OnceLock<Kafka> = OnceLock::new();
        let broker = BROKER.get_or_init(|| Kafka::start(KafkaOptions::default()).unwrap());
        let settings = bus::Settings {
            brokers: broker.bootstrap(),
            prefix: "contract".to_owned(),
            reply_partitions: PARTITIONS,
            ..bus::Settings::default()
        };
        let runtime = Runtime::new().unwrap();
        let missing = runtime.block_on(topics::ensure(&settings, &[])).unwrap();
        assert_eq!(missing, []);
        let entered = runtime.enter();
        let producer = Producer::new(&settings).unwrap();
        drop(entered);
        Self {
            runtime,
            settings,
            producer,
        }
    }

    fn reader(&self, partitions: &[i32]) -> (ReplyConsumer, Receiver<ReplyRecord>) {
        let (tell, told) = channel();
        let sink = move |record| tell.send(record).is_ok();
        let consumer = ReplyConsumer::start(&self.settings, sink).unwrap();
        consumer.assign(&partitions.iter().copied().collect());
        (consumer, told)
    }
}

impl Broker for Real {
    fn topic(&self) -> String {
        sagas::wire::topics::replies(&self.settings.prefix)
    }

    fn publish(&mut self, records: &[OutgoingRecord]) {
        let (tell, told) = channel();
        let done = move |delivery: Delivery| tell.send(delivery.is_complete()).unwrap();
        self.producer.publish(records.to_vec(), done);
        assert!(told.recv_timeout(SOON).unwrap());
    }

    fn read(&mut self, partitions: &[i32], count: usize) -> Vec<ReplyRecord> {
        let (consumer, records) = self.reader(partitions);
        let deadline = Instant::now() + SOON;
        let left = || deadline.saturating_duration_since(Instant::now());
        let read = (0..count).map(|_| records.recv_timeout(left()).unwrap());
        let read = read.collect();
        self.runtime.block_on(consumer.stop());
        read
    }

    fn store(&mut self, partition: i32, next: i64) {
        let (consumer, _records) = self.reader(&[partition]);
        consumer.commit(&[(partition, next)]);
        // Ends after the offsets that are under way.
        self.runtime.block_on(consumer.stop());
    }
}

#[test]
fn the_double_keeps_the_contract_of_the_bus() {
    keeps_the_contract(&mut Simulated::default());
}

#[test]
fn kafka_keeps_the_contract_of_the_bus() {
    keeps_the_contract(&mut Real::new());
}

fn record(topic: &str, number: u32) -> OutgoingRecord {
    OutgoingRecord {
        topic: topic.into(),
        key: id(u128::from(number % 10)),
        value: number.to_string().into_bytes(),
    }
}

fn number(record: &ReplyRecord) -> u32 {
    serde_json::from_slice(record.value.as_deref().unwrap()).unwrap()
}

fn keeps_the_contract(broker: &mut dyn Broker) {
    let topic = broker.topic();
    let records: Vec<_> = (0..61).map(|number| record(&topic, number)).collect();
    // With its first record a producer gets to know the topic, leader by leader, and takes what has one.
    broker.publish(&records[60..]);
    broker.publish(&records[..30]);
    broker.publish(&records[30..60]);
    let all: Vec<i32> = (0..PARTITIONS).collect();
    let read = broker.read(&all, 61);

    let sample = read.iter().find(|record| number(record) == 7).unwrap();
    assert_eq!(sample.key, Some(id(7).to_string().into_bytes()));
    assert_eq!(sample.headers, [CONTENT_TYPE].into_iter().collect());
    assert_eq!(*sample.topic, topic);

    let mut of_flight: BTreeMap<u32, Vec<(i32, u32)>> = BTreeMap::new();
    let mut of_partition: BTreeMap<i32, Vec<i64>> = BTreeMap::new();
    for record in &read {
        let (number, partition) = (number(record), record.partition);
        of_flight
            .entry(number / 30)
            .or_default()
            .push((partition, number));
        of_partition
            .entry(partition)
            .or_default()
            .push(record.offset);
    }
    let partition = |flight| of_flight[&flight][0].0;
    assert_ne!(partition(0), partition(1), "a flight has its own partition");
    for (flight, records) in of_flight.iter().take(2) {
        let numbers = flight * 30..(flight + 1) * 30;
        let expected: Vec<_> = numbers.map(|n| (partition(*flight), n)).collect();
        assert_eq!(*records, expected, "its records come in order");
    }
    for offsets in of_partition.values() {
        let count = i64::try_from(offsets.len()).unwrap();
        assert_eq!(
            *offsets,
            (0..count).collect::<Vec<_>>(),
            "offsets have no gaps"
        );
    }
    goes_on_from_stored_offsets(broker, &of_partition);
}

/// A reader begins at the stored offset, at the oldest record without one, and further back when
/// that was stored last.
fn goes_on_from_stored_offsets(broker: &mut dyn Broker, counts: &BTreeMap<i32, Vec<i64>>) {
    let (partition, offsets) = counts
        .iter()
        .max_by_key(|(_, offsets)| offsets.len())
        .unwrap();
    for next in [3, offsets.len() - 1, 1] {
        broker.store(*partition, i64::try_from(next).unwrap());
        let read = broker.read(&[*partition], offsets.len() - next);
        assert_eq!(read[0].offset, i64::try_from(next).unwrap());
    }
    let others = counts.keys().copied().filter(|other| other != partition);
    let others: Vec<i32> = others.collect();
    let count = others.iter().map(|other| counts[other].len()).sum();
    let read = broker.read(&others, count);
    assert!(read.iter().all(|record| record.partition != *partition));
}
