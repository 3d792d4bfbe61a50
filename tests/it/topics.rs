//! Topics that are not what the settings ask for: made by a person beforehand, and changed later.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier,
    TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use sagas::wire::topics;
use sagas::wire::topics::RECORD_BYTES_MAX;

use serde_json::Value;
use shop::services::ServiceName;
use shop::workload::Workload;
use sqlx::{Connection as _, PgConnection};

use crate::broker::Broker;
use crate::servers::Servers;
use crate::wait::until;
use crate::world::{SOON, World};

/// Fewer than the eight that the settings ask for.
const MADE: i32 = 3;
const GROWN: usize = 5;

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_topic_with_fewer_partitions_loses_no_reply_and_one_that_grows_is_used() {
    let mut world = World::empty(Servers::shared().await).await;
    let replies = topics::replies(world.servers.prefix());
    let admin = admin(&world);
    let made = NewTopic::new(&replies, MADE, TopicReplication::Fixed(1));
    let made = admin.create_topics(&[made], &AdminOptions::new()).await;
    assert_eq!(made.unwrap(), [Ok(replies.clone())]);
    world.start_orchestrator().await;
    for name in ServiceName::ALL {
        world.start_service(name);
    }
    order(&world, 18, 12).await;
    let log = world.log_of(0);
    let said = format!("{replies} has 3 partitions, the settings ask for 8");
    assert_eq!(log.matches(&said).count(), 1, "{log}");
    assert!(!log.contains("silent"), "{log}");

    leave_behind(&world, 7).await;
    until("the events of no partition go", SOON, async || {
        let left = left_behind(&world).await;
        (left == 0).then_some(()).ok_or(left)
    })
    .await;

    let grown = NewPartitions::new(&replies, GROWN);
    let options = AdminOptions::new();
    let grown = admin.create_partitions(&[grown], &options).await;
    assert_eq!(grown.unwrap(), [Ok(replies.clone())]);
    until("the new partitions are taken", SOON, async || {
        let url = format!("{}/v1/summary", world.url());
        let answer = world.http.get(url).send().await.unwrap();
        let summary: Value = answer.json().await.unwrap();
        let read = summary["replicas"][0]["partitions"].clone();
        (read == GROWN).then_some(()).ok_or(read)
    })
    .await;
    let broker = Broker::of(&world);
    let (world, broker, seed) = (&world, &broker, &AtomicU64::new(19));
    until("replies come on all of them", SOON, || async move {
        order(world, seed.fetch_add(1, Ordering::Relaxed), 4).await;
        let replies = broker.replies().into_iter();
        let used: BTreeSet<i32> = replies.map(|reply| reply.partition).collect();
        (used.len() == GROWN).then_some(()).ok_or(used)
    })
    .await;
}

/// Less than any command.
const COMMAND_BYTES: &str = "200";

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_its_topic_refuses_says_so_and_is_tried_again() {
    let mut world = World::empty(Servers::shared().await).await;
    let topic = topics::commands(world.servers.prefix(), ServiceName::Shipping.as_str());
    let admin = admin(&world);
    let made = NewTopic::new(&topic, 8, TopicReplication::Fixed(1));
    let made = made.set("max.message.bytes", COMMAND_BYTES);
    let made = admin.create_topics(&[made], &AdminOptions::new()).await;
    assert_eq!(made.unwrap(), [Ok(topic.clone())]);
    world.start_orchestrator().await;
    for name in ServiceName::ALL {
        world.start_service(name);
    }
    let planned = Workload::new(20, 0).next().unwrap();
    let saga = world.submit(&planned.order).await;
    let said = format!("the topic {topic} takes {COMMAND_BYTES}");
    until("the attempt has failed", SOON, async || {
        let shown = world.saga(saga).await;
        let history = shown["history"].as_array().into_iter().flatten();
        let mut told = history.filter_map(|line| line["text"].as_str());
        let has_failed =
            told.any(|text| text.contains("command-too-large") && text.contains(&said));
        has_failed.then_some(()).ok_or(shown)
    })
    .await;
    assert!(world.log_of(0).contains(&said), "{}", world.log_of(0));

    let bytes = RECORD_BYTES_MAX.to_string();
    let larger = AlterConfig::new(ResourceSpecifier::Topic(&topic));
    let larger = larger.set("max.message.bytes", &bytes);
    let altered = admin.alter_configs([&larger], &AdminOptions::new()).await;
    assert!(altered.unwrap().iter().all(Result::is_ok));
    world.ended(saga, "completed").await;
    assert_eq!(world.audited(SOON).await.exit_code(), 0);
}

/// How long programs may take to find that a topic is another one, and the sagas that it has cost an answer to
/// ask again.
const FOUND_WITHIN: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn topics_that_are_made_anew_are_used_without_a_restart() {
    let world = World::on(Servers::shared().await).await;
    order(&world, 21, 12).await;
    let prefix = world.servers.prefix();
    let commands = ServiceName::ALL.map(|name| topics::commands(prefix, name.as_str()));
    for (seed, topic) in [
        (22, topics::replies(prefix)),
        (23, topics::events(prefix)),
        (24, commands[0].clone()),
    ] {
        make_anew(&world, &topic).await;
        println!("{topic} is another one");
        let made = Instant::now();
        order(&world, seed, 4).await;
        println!("orders ended {:?} after", made.elapsed());
        until("it is ready", SOON, async || {
            let answer = world
                .http
                .get(format!("{}/readyz", world.url()))
                .send()
                .await;
            let answer = answer.unwrap();
            let is_ready = answer.status() == 200;
            let text = answer.text().await.unwrap();
            (is_ready && !text.contains("topics"))
                .then_some(())
                .ok_or(text)
        })
        .await;
        println!("all well {:?} after", made.elapsed());
        assert!(made.elapsed() < FOUND_WITHIN, "{:?}", made.elapsed());
    }
    // librdkafka goes on at its old offsets by itself; the id says that they are of another topic.
    until(
        "the reply topic is read from its beginning",
        SOON,
        async || {
            let log = world.log_of(0);
            let says = log.matches("the topic was deleted and made again").count();
            (says == 1).then_some(()).ok_or(says)
        },
    )
    .await;
}

/// Deletes the topic and creates it again, with as many partitions.
async fn make_anew(world: &World, topic: &str) {
    let admin = admin(world);
    let options = AdminOptions::new();
    let metadata = |name: &str| {
        let client = admin.inner();
        tokio::task::block_in_place(|| client.fetch_metadata(Some(name), SOON).unwrap())
    };
    let partitions = metadata(topic).topics()[0].partitions().len();
    let gone = admin.delete_topics(&[topic], &options).await;
    assert_eq!(gone.unwrap(), [Ok(topic.to_owned())]);
    let partitions = i32::try_from(partitions).unwrap();
    let made = || NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
    until("the topic is there again", SOON, async || {
        let made = admin.create_topics(&[made()], &options).await.unwrap();
        (made == [Ok(topic.to_owned())]).then_some(()).ok_or(made)
    })
    .await;
}

/// Some orders, until all of them have ended.
async fn order(world: &World, seed: u64, count: usize) {
    let mut sagas = Vec::new();
    for planned in Workload::new(seed, 20).take(count) {
        sagas.push(world.submit(&planned.order).await);
    }
    for saga in sagas {
        world.terminal(saga).await;
    }
}

/// What a lane would have left that read a partition of this number.
async fn leave_behind(world: &World, slot: i32) {
    let mut connection = PgConnection::connect(&world.urls.orchestrator)
        .await
        .unwrap();
    let insert = "INSERT INTO event_outbox (slot, id, events, created_at)
         VALUES ($1, gen_random_uuid(), '[]', now() - interval '1 hour')";
    let insert = sqlx::query(insert).bind(slot);
    insert.execute(&mut connection).await.unwrap();
}

async fn left_behind(world: &World) -> i64 {
    let mut connection = PgConnection::connect(&world.urls.orchestrator)
        .await
        .unwrap();
    let count = sqlx::query_scalar("SELECT count(*) FROM event_outbox WHERE slot = 7");
    count.fetch_one(&mut connection).await.unwrap()
}

fn admin(world: &World) -> AdminClient<DefaultClientContext> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", world.servers.brokers());
    config.create().unwrap()
}
