//! A Kafka that refuses.

use std::time::Instant;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use sagas::wire::topics;
use sagas_local::{Kafka, KafkaOptions};
use serde_json::Value;
use shop::services::ServiceName;
use shop::workload::Workload;

use super::{complaints, said};
use crate::servers::Servers;
use crate::wait::until;
use crate::world::{SOON, World};

/// Bytes that the topic takes: fewer than any command has.
const LIMIT: &str = "100";

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_too_large_for_its_topic_is_named_with_its_saga() {
    let mut world = World::empty(Servers::shared().await).await;
    let topic = topics::commands(world.servers.prefix(), "orders");
    let new = NewTopic::new(&topic, 1, TopicReplication::Fixed(1));
    create(&world, &[new.set("max.message.bytes", LIMIT)]).await;
    world.start_orchestrator().await;

    let order = Workload::new(1, 0).next().unwrap().order;
    let saga = world.submit(&order).await;
    let lines = said(&world, &["message size too large", &topic]).await;
    let line = &lines[0];
    assert_eq!(line["saga"], saga.to_string(), "{line}");
    assert_eq!(line["topic"], *topic, "{line}");
    let why = line["why"].as_str().unwrap_or_default();
    assert!(why.contains("the topic") && why.contains(LIMIT), "{line}");

    // The words of the failed attempt are ours, with the code and the topic.
    let ours = format!("the topic {topic} takes {LIMIT} (MessageSizeTooLarge)");
    until("the attempt has failed", SOON, async || {
        let saga = world.saga(saga).await.to_string();
        let is_told = saga.contains("command-too-large") && saga.contains(&ours);
        is_told.then_some(()).ok_or(saga)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_wait_for_replicas_are_named_with_the_counts() {
    let (first, mut second) = tokio::task::spawn_blocking(two_brokers).await.unwrap();
    let mut world = World::empty(Servers::with_kafka(first).await).await;
    let prefix = world.servers.prefix();
    let (events, replies) = (topics::events(prefix), topics::replies(prefix));
    let new = [&events, &replies].map(|topic| {
        let new = NewTopic::new(topic, 1, TopicReplication::Fixed(2));
        new.set("min.insync.replicas", "2")
    });
    create(&world, &new).await;
    world.start_orchestrator().await;
    let order = Workload::new(1, 0).next().unwrap().order;
    world.submit(&order).await;
    let stop = move || {
        second.stop().unwrap();
        second
    };
    let mut second = tokio::task::spawn_blocking(stop).await.unwrap();
    world.start_service(ServiceName::Orders);

    // Those of the other topic wait likewise.
    let words = [
        "records wait",
        "not enough replicas",
        "NotEnoughReplicas",
        &events,
    ];
    let lines = said(&world, &words).await;
    check(&lines[0], &events, "records");
    // One topic's trouble stops no other: the command has arrived, and only its reply waits.
    let log = world.service(ServiceName::Orders).log.clone();
    let words = ["replies wait", "not enough replicas", "NotEnoughReplicas"];
    let line = until("the service says that its reply waits", SOON, async || {
        let log = std::fs::read_to_string(&log).unwrap();
        complaints(&log, &words).pop().ok_or(log)
    })
    .await;
    check(&line, &replies, "replies");

    let back = move || {
        second.start_again().unwrap();
        second
    };
    let _second = tokio::task::spawn_blocking(back).await.unwrap();
    until("they wait no longer", SOON, async || {
        let log = world.log_of(0);
        let gone = "records no longer wait for the broker";
        log.contains(gone).then_some(()).ok_or(())
    })
    .await;
}

#[track_caller]
fn check(line: &Value, topic: &str, what: &str) {
    // A service's log has the fields of a line apart.
    let line = line.get("fields").unwrap_or(line);
    assert_eq!(line["topic"], *topic, "{line}");
    assert!(line[what].as_u64() > Some(0), "{line}");
    let cause = line["cause"].as_str().unwrap();
    let counts = "1 of 1 partitions have fewer in sync (ISR 1) than min.insync.replicas=2";
    assert!(cause.contains(counts), "{line}");
}

pub(crate) async fn create(world: &World, new: &[NewTopic<'_>]) {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", world.servers.brokers());
    let admin: AdminClient<DefaultClientContext> = config.create().unwrap();
    let made = admin.create_topics(new, &AdminOptions::new()).await;
    assert!(
        made.unwrap().iter().all(Result::is_ok),
        "a topic is not made"
    );
}

/// Two brokers of a cluster, which may lose one.
pub(crate) fn two_brokers() -> (Kafka, Kafka) {
    let settings = [
        "default.replication.factor",
        "offsets.topic.replication.factor",
    ];
    let settings = settings.map(|name| (name.to_owned(), "2".to_owned()));
    let first = Kafka::start(KafkaOptions {
        settings: settings.into(),
        ..KafkaOptions::default()
    });
    let first = first.unwrap();
    let second = first.second().unwrap();
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", first.bootstrap());
    let client: BaseConsumer = config.create().unwrap();
    let deadline = Instant::now() + SOON;
    let known = || client.fetch_metadata(None, SOON).unwrap().brokers().len();
    while known() < 2 {
        assert!(Instant::now() < deadline, "the brokers do not meet");
        std::thread::yield_now();
    }
    (first, second)
}
