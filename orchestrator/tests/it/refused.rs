//! Records that the broker does not take, and those beside them.

use std::collections::BTreeSet;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use sagas_core::record::{OutgoingRecord, Refusal};
use sagas_orchestrator::bus::{self, Producer, topics};

use crate::broker::{Reader, deliver, numbers, publish, ready, record, settings};

/// Bytes that the reply topic takes here.
const LIMIT: u64 = 100_000;

/// Settings whose reply topic takes little.
async fn with_a_low_limit() -> bus::Settings {
    let settings = tokio::task::spawn_blocking(settings).await.unwrap();
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &settings.brokers);
    let admin: AdminClient<DefaultClientContext> = config.create().unwrap();
    let (topic, limit) = (
        sagas::wire::topics::replies(&settings.prefix),
        LIMIT.to_string(),
    );
    let new = NewTopic::new(&topic, 4, TopicReplication::Fixed(1)).set("max.message.bytes", &limit);
    let made = admin.create_topics([&new], &AdminOptions::new()).await;
    assert_eq!(made.unwrap(), [Ok(topic)]);
    topics::ensure(&settings, &[]).await.unwrap();
    settings
}

fn of_bytes(settings: &bus::Settings, number: u32, bytes: usize) -> OutgoingRecord {
    let mut record = record(settings, number);
    record.value.resize(bytes, b' ');
    record
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_its_topic_refuses_takes_no_neighbour_with_it() {
    let settings = with_a_low_limit().await;
    let producer = Producer::new(&settings).unwrap();
    let reader = Reader::start(&settings, 0..4);
    let large = of_bytes(&settings, 30, 200_000);
    let mut records: Vec<_> = (0..60).map(|n| record(&settings, n)).collect();
    records[30] = large.clone();

    let mut delivery = deliver(&producer, records);
    assert!(delivery.failure.is_none(), "{:?}", delivery.failure);
    producer.limits().look_up(&mut delivery.refused).await;
    let [refused] = &delivery.refused[..] else {
        panic!("{} are refused", delivery.refused.len());
    };
    assert_eq!(refused.record, large);
    assert_eq!(refused.why, Refusal::TooLarge { limit: Some(LIMIT) });
    let topic = &large.topic;
    let said = format!(
        "the record has 200000 bytes, the topic {topic} takes {LIMIT} (MessageSizeTooLarge)"
    );
    assert_eq!(refused.to_string(), said);
    let others: BTreeSet<u32> = (0..60).filter(|n| *n != 30).collect();
    assert_eq!(numbers(&reader.next(59)), others);

    publish(&producer, vec![record(&settings, 60)]).unwrap();
    assert_eq!(
        numbers(&reader.next(1)),
        [60].into(),
        "each record came once"
    );
    reader.consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_are_too_much_together_are_not_refused() {
    let settings = with_a_low_limit().await;
    let producer = Producer::new(&settings).unwrap();
    let reader = Reader::start(&settings, 0..4);
    for flight in 0..3 {
        let numbers = flight * 20..flight * 20 + 20;
        let records = numbers.map(|n| of_bytes(&settings, n, 30_000)).collect();
        publish(&producer, records).unwrap();
    }
    assert_eq!(numbers(&reader.next(60)), (0..60).collect());
    reader.consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_above_our_own_bound_does_not_go_to_the_broker() {
    let settings = ready().await;
    let producer = Producer::new(&settings).unwrap();
    let large = of_bytes(&settings, 1, 9 << 20);
    let delivery = deliver(&producer, vec![record(&settings, 2), large.clone()]);
    assert!(delivery.failure.is_none(), "{:?}", delivery.failure);
    let [refused] = &delivery.refused[..] else {
        panic!("{} are refused", delivery.refused.len());
    };
    assert_eq!(refused.record, large);
    assert_eq!(
        refused.why,
        Refusal::TooLarge {
            limit: Some(8 << 20)
        }
    );
    publish(&producer, vec![of_bytes(&settings, 3, 4 << 20)]).unwrap();
}
