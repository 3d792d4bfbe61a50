//! Kafka answers, and takes no records.

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use sagas::wire::topics;
use sagas_local::process::{Signal, signal};
use sagas_local::{Kafka, KafkaOptions};
use serde_json::Value;
use shop::services::ServiceName;

use super::super::outage::{OUTAGE, readiness};
use super::super::{alone, blocking};
use super::{Known, order, refuses_what_is_new_and_answers_what_is_known, unready};
use crate::broker::Broker;
use crate::servers::Servers;
use crate::wait::until;
use crate::world::{SOON, World};

/// The broker with the id 2, and no other.
fn on_the_second() -> TopicReplication<'static> {
    TopicReplication::Variable(&[&[2]])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_is_not_ready_while_replicas_are_missing_that_a_record_needs() {
    let _alone = alone().await;
    let (first, mut others) = blocking(|| brokers(2)).await;
    let mut world = World::empty(Servers::with_kafka(first).await).await;
    make(&world, || TopicReplication::Fixed(2), "2").await;
    let known = Known::placed_and_ended(&mut world).await;
    let mut second = others.remove(0);
    let second = blocking(move || second.stop().map(|()| second)).await;
    unready(&world, "kafka", "min.insync.replicas=2").await;
    refuses_what_is_new_and_answers_what_is_known(&world, "Kafka", &known).await;
    let mut second = second.unwrap();
    let _second = blocking(move || second.start_again().map(|()| second)).await;
    world.ready(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_is_not_ready_while_two_of_three_brokers_are_away() {
    let _alone = alone().await;
    let (first, others) = blocking(|| brokers(3)).await;
    let mut world = World::empty(Servers::with_kafka(first).await).await;
    make(&world, || TopicReplication::Fixed(3), "2").await;
    let known = Known::placed_and_ended(&mut world).await;
    let each = |act: fn(&mut Kafka)| {
        move |mut others: Vec<Kafka>| {
            others.iter_mut().for_each(act);
            others
        }
    };
    let kill = each(|broker| broker.kill().unwrap());
    let others = blocking(move || kill(others)).await;
    unready(&world, "kafka", "has acknowledged no record").await;
    refuses_what_is_new_and_answers_what_is_known(&world, "Kafka", &known).await;
    let start = each(|broker| broker.start_again().unwrap());
    let _others = blocking(move || start(others)).await;
    world.ready(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_is_not_ready_while_the_leader_of_its_topics_hangs() {
    let _alone = alone().await;
    let (first, others) = blocking(|| brokers(2)).await;
    let mut world = World::empty(Servers::with_kafka(first).await).await;
    make(&world, on_the_second, "1").await;
    let known = Known::placed_and_ended(&mut world).await;
    let second = others[0].pid().unwrap();
    signal(second, Signal::Stop).unwrap();
    unready(&world, "kafka", "has acknowledged no record").await;
    refuses_what_is_new_and_answers_what_is_known(&world, "Kafka", &known).await;
    signal(second, Signal::Continue).unwrap();
    world.ready(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_of_one_participant_that_takes_nothing_is_named_and_the_replica_is_ready() {
    let _alone = alone().await;
    let (first, others) = blocking(|| brokers(2)).await;
    let mut world = World::empty(Servers::with_kafka(first).await).await;
    let topic = topics::commands(world.servers.prefix(), ServiceName::Orders.as_str());
    create(&world, &[NewTopic::new(&topic, 1, on_the_second())]).await;
    make(&world, || TopicReplication::Variable(&[&[1]]), "1").await;
    world.start_orchestrator().await;
    world.submit(&order(1)).await;
    // A producer asks any broker for its id before its first record: a hung one would hold up all records.
    let broker = Broker::of(&world);
    until("records are written", SOON, async || {
        let events = broker.events().len();
        (events > 0).then_some(()).ok_or(events)
    })
    .await;
    let second = others[0].pid().unwrap();
    signal(second, Signal::Stop).unwrap();
    world.submit(&order(2)).await;
    let named = || async {
        let (status, body) = readiness(&world, 0).await?;
        let words = body["topics"][&topic].as_str().map(str::to_owned);
        let is_ready = status == 200 && body["kafka"] == "ok" && body["ready"] == true;
        Ok::<_, String>((is_ready, words, body.to_string()))
    };
    until("the topic is named", OUTAGE, async || {
        match named().await? {
            (true, Some(words), _) if words.contains("has acknowledged no record") => Ok(()),
            (_, _, body) => Err(body),
        }
    })
    .await;
    let summary = world.http.get(format!("{}/v1/summary", world.url())).send();
    let summary: Value = summary.await.unwrap().json().await.unwrap();
    assert!(summary["topics"][&topic].is_string(), "{summary}");
    signal(second, Signal::Continue).unwrap();
    until("it is well again", SOON, async || match named().await? {
        (true, None, _) => Ok(()),
        (_, _, body) => Err(body),
    })
    .await;
}

/// The topics that everybody's work goes through, of one partition.
async fn make(world: &World, replicas: fn() -> TopicReplication<'static>, needed: &str) {
    let prefix = world.servers.prefix();
    let names = [topics::events(prefix), topics::replies(prefix)];
    let new = names.iter().map(|name| {
        let new = NewTopic::new(name, 1, replicas());
        new.set("min.insync.replicas", needed)
    });
    let new: Vec<NewTopic<'_>> = new.collect();
    create(world, &new).await;
}

async fn create(world: &World, new: &[NewTopic<'_>]) {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", world.servers.brokers());
    let admin: AdminClient<DefaultClientContext> = config.create().unwrap();
    let made = admin.create_topics(new, &AdminOptions::new()).await;
    let made = made.unwrap();
    assert!(made.iter().all(Result::is_ok), "{made:?}");
}

/// A cluster of so many brokers, and all but the first of them.
fn brokers(count: usize) -> (Kafka, Vec<Kafka>) {
    let first = Kafka::start(KafkaOptions::default()).unwrap();
    let others = [Kafka::second, Kafka::third];
    let others = others[..count - 1]
        .iter()
        .map(|start| start(&first).unwrap());
    let others: Vec<Kafka> = others.collect();
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", first.bootstrap());
    let client: BaseConsumer = config.create().unwrap();
    let deadline = std::time::Instant::now() + SOON;
    let known = || client.fetch_metadata(None, SOON).unwrap().brokers().len();
    while known() < count {
        assert!(
            std::time::Instant::now() < deadline,
            "the brokers do not meet"
        );
        std::thread::yield_now();
    }
    (first, others)
}
