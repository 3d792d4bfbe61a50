//! Partitions that a service does not get, and that it gets nevertheless.

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use sagas::Outcome;
use sagas::wire::topics;
use sagas_local::kafka::{Kafka, KafkaOptions};
use sagas_participant::{Error, Settings};

use crate::servers::{servers, unique};
use crate::service::{PARTICIPANT, Wish, service};
use crate::world::{DEADLINE, World, eventually};

fn client<T: rdkafka::config::FromClientConfig>(world: &World) -> T {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &world.brokers);
    config.set("group.id", "nobody");
    config.create().unwrap()
}

async fn create(world: &World, topic: &str, setting: (&str, &str)) {
    let admin: AdminClient<DefaultClientContext> = client(world);
    let new = NewTopic::new(topic, 4, TopicReplication::Fixed(1)).set(setting.0, setting.1);
    let made = admin.create_topics([&new], &AdminOptions::new()).await;
    assert_eq!(made.unwrap(), [Ok(topic.to_owned())]);
}

async fn delete(world: &World, topic: &str) {
    let admin: AdminClient<DefaultClientContext> = client(world);
    let gone = admin.delete_topics(&[topic], &AdminOptions::new()).await;
    assert_eq!(gone.unwrap(), [Ok(topic.to_owned())]);
    let looker: BaseConsumer = client(world);
    eventually("the topic is gone", async || {
        let all = looker.fetch_metadata(None, DEADLINE).unwrap();
        all.topics().iter().all(|known| known.name() != topic)
    })
    .await;
}

/// Waits until the broker says this of the service's group.
async fn group_becomes(world: &World, state: &str) {
    let looker: BaseConsumer = client(world);
    let group = topics::group(&world.prefix, PARTICIPANT);
    eventually(state, async || {
        // A coordinator that has just started refuses for a moment.
        let Ok(groups) = looker.fetch_group_list(Some(&group), DEADLINE) else {
            return false;
        };
        let mut groups = groups.groups().iter();
        groups.any(|one| one.state() == state && !one.members().is_empty())
    })
    .await;
}

/// A broker that lags behind the one that made the topic, in a cluster of one: the topic is not
/// there at the moment at which the group's leader asks for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_sole_instance_without_a_partition_says_so_and_gets_all_of_them() {
    let patient = ("group.initial.rebalance.delay.ms", "4000");
    let kafka = Kafka::start(KafkaOptions {
        settings: vec![(patient.0.to_owned(), patient.1.to_owned())],
        ..KafkaOptions::default()
    });
    let kafka = kafka.unwrap();
    let name = unique("idle");
    servers().postgres.create_database(&name).unwrap();
    let mut world = World::on(&servers().postgres.url(&name), &kafka.bootstrap()).await;
    let topic = topics::commands(&world.prefix, PARTICIPANT);
    let settings = Settings {
        // The consumer itself must not notice what its group's leader is told.
        kafka: vec![(
            "topic.metadata.refresh.interval.ms".to_owned(),
            "600000".to_owned(),
        )],
        ..world.settings()
    };
    let running = service(settings).start().await.unwrap();
    group_becomes(&world, "PreparingRebalance").await;
    delete(&world, &topic).await;
    group_becomes(&world, "Stable").await;
    create(&world, &topic, ("cleanup.policy", "delete")).await;

    let health = running.health();
    eventually("it says that it has no partition", async || {
        let trouble = health.report().broker;
        trouble.is_some_and(|trouble| trouble.what.starts_with("no partition of"))
    })
    .await;
    eventually("all is well", async || health.report().is_healthy()).await;
    let command = world.count("late", Wish::Succeed);
    assert_eq!(world.ask(&command).outcome, Outcome::Succeeded);
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_topic_that_compacts_is_refused() {
    let mut world = World::new().await;
    world.prefix = unique("compact");
    let topic = topics::commands(&world.prefix, PARTICIPANT);
    create(&world, &topic, ("cleanup.policy", "compact")).await;
    let refused = service(world.settings()).start().await.unwrap_err();
    assert!(matches!(refused, Error::Unfit(_)), "{refused:?}");
    let said = format!("the topic {topic} has cleanup.policy=compact, which drops all commands");
    assert!(refused.to_string().starts_with(&said), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_to_a_partition_that_does_not_exist_goes_where_its_key_says() {
    let mut world = World::new().await;
    let running = service(world.settings()).start().await.unwrap();
    // The test reads one partition; one key of some goes there.
    for number in 0..40 {
        let mut command = world.count(&number.to_string(), Wish::Succeed);
        command.reply_to.partition = 9;
        world.send(&command);
    }
    assert_eq!(world.replies(1)[0].outcome, Outcome::Succeeded);
    running.stop().await.unwrap();
}
