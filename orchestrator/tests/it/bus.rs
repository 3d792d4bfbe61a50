//! Publishing and reading on a real Kafka, and on librdkafka's mock broker.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::mocking::MockCluster;
use sagas_core::record::OutgoingRecord;
use sagas_local::{Kafka, KafkaOptions};
use sagas_orchestrator::bus::{self, Begin, Error, Producer, topics};

use crate::broker::{
    Answers, Reader, next_offsets, number, numbers, publish, ready, record, settings, until,
};
use crate::sample::id;

#[tokio::test(flavor = "multi_thread")]
async fn a_record_arrives_byte_for_byte_with_its_header() {
    let settings = ready().await;
    let producer = Producer::new(&settings).unwrap();
    let mut sent = record(&settings, 7);
    let value = b"{ \"b\" : 1.0, \"a\":\"\\u0000\" }\xff\0";
    sent.value = value.to_vec();
    publish(&producer, vec![sent]).unwrap();
    publish(&producer, vec![]).unwrap();

    let reader = Reader::start(&settings, 0..4);
    let read = reader.next(1).remove(0);
    assert_eq!(read.value.as_deref(), Some(value.as_slice()));
    assert_eq!(read.key, Some(id(7).to_string().into_bytes()));
    assert_eq!(
        read.headers,
        [sagas::wire::CONTENT_TYPE].into_iter().collect()
    );
    assert_eq!(*read.topic, format!("{}.replies", settings.prefix));
    assert_eq!(read.offset, 0);
    assert!(!read.cluster.is_empty());
    assert_eq!(reader.consumer.partitions().await.unwrap(), 4);
    until("health", || producer.trouble().is_none());
    producer.flush(Duration::from_secs(10)).await;
    reader.consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_batch_of_many_is_answered_once_after_all_its_records_are_there() {
    let settings = ready().await;
    let producer = Producer::new(&settings).unwrap();
    let answers = Arc::new(Answers::default());
    for batch in 0..200 {
        let records = (0..20).map(|n| record(&settings, batch * 20 + n)).collect();
        producer.publish(records, answers.taker());
    }
    producer.flush(Duration::from_secs(30)).await;
    assert_eq!(answers.count(), (200, 0));
    let reader = Reader::start(&settings, 0..4);
    assert_eq!(numbers(&reader.next(4_000)), (0..4_000).collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_gather_are_answered_each_and_a_flush_waits_for_them() {
    let settings = ready().await;
    let producer = Producer::new(&settings).unwrap();
    let answers = Arc::new(Answers::default());
    for n in 0..100 {
        let event = OutgoingRecord {
            topic: format!("{}.events", settings.prefix).into(),
            ..record(&settings, n)
        };
        producer.publish(vec![event], answers.taker());
        producer.publish(vec![record(&settings, n)], answers.taker());
    }
    producer.flush(Duration::from_secs(30)).await;
    assert_eq!(answers.count(), (200, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_that_stay_assigned_go_on_where_they_are() {
    let settings = ready().await;
    let producer = Producer::new(&settings).unwrap();
    publish(&producer, (0..100).map(|n| record(&settings, n)).collect()).unwrap();
    let all = Reader::start(&settings, 0..4).next(100);
    let of = |partitions: &[i32]| {
        let here = all
            .iter()
            .filter(|record| partitions.contains(&record.partition));
        here.map(number).collect::<BTreeSet<u32>>()
    };

    let reader = Reader::start(&settings, [0, 1]);
    let first = reader.next(of(&[0, 1]).len());
    assert_eq!(numbers(&first), of(&[0, 1]));
    reader.assign(0..4);
    let others = reader.next(of(&[2, 3]).len());
    assert_eq!(numbers(&others), of(&[2, 3]), "0 and 1 are not read again");
    // Whatever were read again would come before what is published now.
    publish(
        &producer,
        (100..200).map(|n| record(&settings, n)).collect(),
    )
    .unwrap();
    assert_eq!(numbers(&reader.next(100)), (100..200).collect());

    reader.assign([2, 3]);
    until("giving back", || {
        reader.consumer.assigned() == [2, 3].into()
    });
    reader.assign([1, 2, 3]);
    let again = reader.next(of(&[1]).len());
    assert_eq!(numbers(&again), of(&[1]), "nothing of 1 was stored");
    until("taking", || reader.consumer.assigned() == [1, 2, 3].into());
    reader.consumer.stop().await;
    assert!(reader.rest().iter().all(|record| record.partition == 1));
}

/// A consumer that begins after another one has stored the offsets of 60 records of 100; and the others.
async fn restarted() -> (Reader, BTreeSet<u32>) {
    let settings = ready().await;
    let producer = Producer::new(&settings).unwrap();
    publish(&producer, (0..100).map(|n| record(&settings, n)).collect()).unwrap();
    let reader = Reader::start(&settings, 0..4);
    let read = reader.next(60);
    reader.consumer.commit(&next_offsets(&read));
    reader.consumer.stop().await;
    let rest = &(0..100).collect() - &numbers(&read);
    (Reader::start(&settings, 0..4), rest)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_consumer_goes_on_at_the_stored_offsets() {
    let (reader, rest) = restarted().await;
    assert_eq!(numbers(&reader.next(40)), rest);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_begins_again_at_the_stored_offsets_or_at_the_oldest_records() {
    let (reader, others) = restarted().await;
    assert_eq!(numbers(&reader.next(40)), others);
    reader.consumer.begin_again(Begin::Stored);
    assert_eq!(numbers(&reader.next(40)), others);
    reader.consumer.begin_again(Begin::Oldest);
    assert_eq!(numbers(&reader.next(100)), (0..100).collect());
    // From now on, what is stored counts again.
    reader.consumer.begin_again(Begin::Stored);
    assert_eq!(numbers(&reader.next(40)), others);
}

#[tokio::test(flavor = "multi_thread")]
async fn existing_topics_are_left_alone_and_differences_are_named() {
    let settings = ready().await;
    let participants = ["rooms"];
    let found = topics::describe(&settings, &participants).await.unwrap();
    let partitions: Vec<i32> = found
        .iter()
        .map(|topic| topic.found.as_ref().unwrap().partitions)
        .collect();
    assert_eq!(partitions, [4, 3, 2]);
    let other = bus::Settings {
        reply_partitions: 8,
        event_retention: Duration::from_secs(60),
        ..settings.clone()
    };
    let warnings = topics::ensure(&other, &participants).await.unwrap();
    let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    let prefix = &settings.prefix;
    let expected = [
        format!(
            "the topic {prefix}.replies has 4 partitions, the settings ask for 8; those that are \
             there are used"
        ),
        format!(
            "the topic {prefix}.events keeps its records for 604800 s, the settings ask for 60 s; \
             nothing was changed"
        ),
    ];
    assert_eq!(warnings, expected);
    assert_eq!(
        topics::describe(&settings, &participants).await.unwrap(),
        found
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_cannot_be_created_and_a_broker_that_is_away_are_clear_errors() {
    let settings = tokio::task::spawn_blocking(settings).await.unwrap();
    let three = bus::Settings {
        replication: 3,
        ..settings.clone()
    };
    let error = topics::ensure(&three, &[]).await.unwrap_err().to_string();
    let expected = format!(
        "the topic {}.replies does not exist and cannot be",
        settings.prefix
    );
    assert!(error.starts_with(&expected), "{error}");

    let nowhere = bus::Settings {
        brokers: format!("127.0.0.1:{}", sagas_local::port::free().unwrap()),
        ..settings.clone()
    };
    let error = topics::ensure(&nowhere, &[]).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");

    let unknown = bus::Settings {
        extra: BTreeMap::from([("no.such.property".to_owned(), "1".to_owned())]),
        ..settings
    };
    assert!(matches!(Producer::new(&unknown), Err(Error::Settings(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_an_absent_broker_is_bounded_and_every_batch_gets_its_answer() {
    let settings = bus::Settings {
        brokers: format!("127.0.0.1:{}", sagas_local::port::free().unwrap()),
        extra: BTreeMap::from([("queue.buffering.max.kbytes".to_owned(), "1024".to_owned())]),
        ..bus::Settings::default()
    };
    let producer = Producer::new(&settings).unwrap();
    let mut large = record(&settings, 1);
    large.value = vec![b'x'; 1 << 20];
    let answers = Arc::new(Answers::default());
    for _ in 0..100 {
        producer.publish(vec![large.clone()], answers.taker());
    }
    let (good, refused) = answers.count();
    assert_eq!(good, 0);
    assert!(
        (30..50).contains(&refused),
        "{refused} of 100 MiB were refused at once"
    );
    assert!(producer.trouble().is_some());
    drop(producer);
    until("an answer for every batch", || answers.count() == (0, 100));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_killed_and_comes_back_loses_nothing_and_doubles_nothing() {
    let start = || Kafka::start(KafkaOptions::default()).unwrap();
    let mut broker = tokio::task::spawn_blocking(start).await.unwrap();
    let settings = bus::Settings {
        brokers: broker.bootstrap(),
        reply_partitions: 4,
        ..bus::Settings::default()
    };
    topics::ensure(&settings, &[]).await.unwrap();
    let producer = Producer::new(&settings).unwrap();
    let reader = Reader::start(&settings, 0..4);
    let answers = Arc::new(Answers::default());
    let batches = |from: u32| {
        for batch in from..from + 50 {
            let records = (0..20).map(|n| record(&settings, batch * 20 + n)).collect();
            producer.publish(records, answers.taker());
        }
    };
    until("health", || producer.trouble().is_none());
    batches(0);
    broker.kill().unwrap();
    batches(50);
    until("the outage", || producer.trouble().is_some());
    assert!(answers.count().0 < 100);
    broker.start_again().unwrap();
    until("all acknowledgements", || answers.count() == (100, 0));
    until("health", || producer.trouble().is_none());
    let mut read: Vec<u32> = reader.next(2_000).iter().map(number).collect();
    read.sort_unstable();
    assert!(read.into_iter().eq(0..2_000), "each record once");
    publish(&producer, vec![record(&settings, 2_000)]).unwrap();
    assert_eq!(number(&reader.next(1)[0]), 2_000);
    reader.consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mock_broker_of_librdkafka_will_do_for_a_demonstration() {
    let cluster = MockCluster::new(1).unwrap();
    let settings = bus::Settings {
        brokers: cluster.bootstrap_servers(),
        extra: BTreeMap::from([("fetch.wait.max.ms".to_owned(), "5".to_owned())]),
        ..bus::Settings::default()
    };
    cluster.create_topic("saga.replies", 4, 1).unwrap();
    let producer = Producer::new(&settings).unwrap();
    let reader = Reader::start(&settings, 0..4);
    publish(&producer, (0..100).map(|n| record(&settings, n)).collect()).unwrap();
    let read = reader.next(60);
    reader.consumer.commit(&next_offsets(&read));
    reader.consumer.stop().await;
    let reader = Reader::start(&settings, 0..4);
    let expected: BTreeSet<u32> = &(0..100).collect() - &numbers(&read);
    assert_eq!(numbers(&reader.next(40)), expected);
    until("health", || producer.trouble().is_none());
    reader.consumer.stop().await;
}
