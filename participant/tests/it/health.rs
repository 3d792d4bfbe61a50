//! What a service says of itself while its database or its broker is away.

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use sagas_local::kafka::{Kafka, KafkaOptions};
use sagas_participant::{Health, HealthReport};

use crate::servers::{servers, start_postgres, unique};
use crate::service::{Wish, service};
use crate::world::{World, client, eventually};

async fn becomes(health: &Health, what: &str, is_so: impl Fn(&HealthReport) -> bool) {
    eventually(what, || async { is_so(&health.report()) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_good_from_the_start_to_the_end_and_bad_before_and_after() {
    let world = World::new().await;
    let service = service(world.settings());
    let health = service.health();
    assert!(!health.report().is_healthy());
    let running = service.start().await.unwrap();
    becomes(&running.health(), "healthy", HealthReport::is_healthy).await;
    assert!(health.report().is_healthy());
    running.stop().await.unwrap();
    becomes(&health, "silent", |report| {
        report.database.is_some() && report.broker.is_some()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_goes_bad_while_the_database_is_away_and_comes_back() {
    let mut postgres = start_postgres();
    postgres.create_database("health").unwrap();
    let world = World::on(&postgres.url("health"), &servers().kafka.bootstrap()).await;
    let running = service(world.settings()).start().await.unwrap();
    let health = running.health();
    becomes(&health, "healthy", HealthReport::is_healthy).await;

    tokio::task::block_in_place(|| postgres.stop()).unwrap();
    becomes(&health, "without its database", |report| {
        report.database.is_some()
    })
    .await;
    assert_eq!(health.report().broker, None);
    let trouble = health.report().database.unwrap();
    assert!(trouble.what.contains("does not answer"), "{trouble}");

    tokio::task::block_in_place(|| postgres.start_again()).unwrap();
    becomes(&health, "healthy again", HealthReport::is_healthy).await;
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn health_goes_bad_while_the_broker_is_away_and_comes_back() {
    let mut kafka = Kafka::start(KafkaOptions::default()).unwrap();
    let name = unique("health");
    servers().postgres.create_database(&name).unwrap();
    let world = World::on(&servers().postgres.url(&name), &kafka.bootstrap()).await;
    let running = service(world.settings()).start().await.unwrap();
    let health = running.health();
    becomes(&health, "healthy", HealthReport::is_healthy).await;

    tokio::task::block_in_place(|| kafka.kill()).unwrap();
    becomes(&health, "without its broker", |report| {
        report.broker.is_some()
    })
    .await;
    assert_eq!(health.report().database, None);

    tokio::task::block_in_place(|| kafka.start_again()).unwrap();
    becomes(&health, "healthy again", HealthReport::is_healthy).await;
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn health_goes_bad_while_replies_cannot_be_written_and_comes_back() {
    let first = Kafka::start(KafkaOptions::default()).unwrap();
    let name = unique("health");
    servers().postgres.create_database(&name).unwrap();
    let world = World::on(&servers().postgres.url(&name), &first.bootstrap()).await;
    let running = service(world.settings()).start().await.unwrap();
    let health = running.health();
    becomes(&health, "healthy", HealthReport::is_healthy).await;

    let mut second = first.second().unwrap();
    let topic = unique("replies");
    let admin: AdminClient<DefaultClientContext> = client(&world.brokers).create().unwrap();
    let new = NewTopic::new(&topic, 1, TopicReplication::Fixed(2)).set("min.insync.replicas", "2");
    eventually("the second broker is known", || async {
        let made = admin.create_topics([&new], &AdminOptions::new()).await;
        made.unwrap().iter().all(Result::is_ok)
    })
    .await;
    tokio::task::block_in_place(|| second.stop()).unwrap();
    let mut command = world.count("unanswered", Wish::Succeed);
    command.reply_to.topic = topic.clone().into();
    command.reply_to.partition = 0;
    world.send(&command);
    let says = format!("replies wait for the topic {topic}: not enough replicas");
    becomes(&health, "without its replies", |report| {
        let trouble = report.broker.as_ref();
        trouble.is_some_and(|trouble| trouble.what.starts_with(&says))
    })
    .await;
    assert_eq!(health.report().database, None);

    tokio::task::block_in_place(|| second.start_again()).unwrap();
    becomes(&health, "healthy again", HealthReport::is_healthy).await;
    running.stop().await.unwrap();
}
