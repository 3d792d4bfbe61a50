//! A participant's topic takes nothing: what goes on, what waits, and what becomes of it.

use rdkafka::admin::{NewTopic, TopicReplication};
use sagas::wire::topics;
use sagas_local::Kafka;
use serde_json::Value;
use shop::services::ServiceName;
use shop::workload::Workload;

use crate::said::kafka::{create, two_brokers};
use crate::servers::Servers;
use crate::wait::until;
use crate::world::{SOON, World};

/// More commits than a lane may have handed over for one topic.
const ORDERS: usize = 80;

/// The topic of payments needs both brokers, and the second one is away.
async fn world_without_payments() -> (World, Kafka) {
    let (first, mut second) = tokio::task::spawn_blocking(two_brokers).await.unwrap();
    let mut world = World::empty(Servers::with_kafka(first).await).await;
    let payments = topics::commands(world.servers.prefix(), "payments");
    let new = NewTopic::new(&payments, 1, TopicReplication::Fixed(2));
    create(&world, &[new.set("min.insync.replicas", "2")]).await;
    world.start_orchestrator().await;
    for name in ServiceName::ALL {
        world.start_service(name);
    }
    let stop = move || {
        second.stop().unwrap();
        second
    };
    let second = tokio::task::spawn_blocking(stop).await.unwrap();
    (world, second)
}

fn step<'a>(saga: &'a Value, name: &str) -> &'a Value {
    let mut steps = saga["steps"].as_array().unwrap().iter();
    steps.find(|step| step["name"] == name).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_takes_nothing_stops_no_other_and_nothing_is_lost_or_given_up() {
    let (world, mut second) = world_without_payments().await;
    let mut sagas = Vec::new();
    for new in Workload::new(1, 0).take(ORDERS) {
        sagas.push(world.submit(&new.order).await);
    }
    for saga in &sagas {
        let saga = until("all steps but one go on", SOON, async || {
            let saga = world.saga(*saga).await;
            let is_refused = saga["state"] == "compensating";
            let is_done = step(&saga, "reserve-stock")["state"] == "done";
            let is_withheld = saga["attention"]
                .to_string()
                .contains("waits for its topic, which takes nothing");
            let goes_on = (is_done || is_refused) && is_withheld;
            goes_on.then_some(saga.clone()).ok_or(saga)
        })
        .await;
        let trouble = step(&saga, "authorize-payment")["trouble"].to_string();
        assert!(trouble.contains("its topic takes nothing"), "{saga:#}");
    }
    world.ready(0).await;
    let log = world.log_of(0);
    assert!(log.contains("a topic takes nothing"), "nobody is told");

    let back = move || {
        second.start_again().unwrap();
        second
    };
    let _second = tokio::task::spawn_blocking(back).await.unwrap();
    let audit = world.audited(2 * SOON).await;
    assert_eq!(audit.exit_code(), 0, "{audit:?}");
    for saga in sagas {
        let saga = world.saga(saga).await;
        assert!(!saga.to_string().contains("attempts-exhausted"), "{saga:#}");
        assert_eq!(saga["attention"], Value::Null, "{saga:#}");
    }
}
