//! The programs, run as a user runs them.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Message as _;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use sagas::wire::{CommandMessage, ReplyMessage, ReplyTo};
use sagas::{Command as _, CommandId, Direction, Outcome, SagaId, Timestamp};
use sagas_local::process::{Process, Signal};
use shop::commands::{Line, ReserveStock};
use shop::place_order::place_order;
use shop::workload::{SKU_GONE, sku};
use uuid::Uuid;

use crate::fixture::Shop;

/// A group's first join takes three seconds with the in-process broker, a join after somebody left
/// six; the rest is for a machine that has other things to do.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// Postgres, orchestrator and four services start, and stop, on a machine that is busy.
const DEMO_LIMIT: Duration = Duration::from_secs(180);

async fn shop_audit(shop: &Shop, arguments: &[&str]) -> Output {
    let urls = &shop.urls;
    let mut command = Command::new(env!("CARGO_BIN_EXE_shop"));
    command.arg("audit").args(arguments);
    command.env("SAGA_DATABASE_URL", &urls.orchestrator);
    command.args(["--orders", &urls.orders, "--inventory", &urls.inventory]);
    command.args(["--payments", &urls.payments, "--shipping", &urls.shipping]);
    let run = tokio::task::spawn_blocking(move || command.output());
    run.await.unwrap().unwrap()
}

#[tokio::test]
async fn the_audit_ends_with_zero_one_or_two() {
    let shop = Shop::open().await;
    crate::audit::two_orders(&shop).await;
    let clean = shop_audit(&shop, &[]).await;
    let text = String::from_utf8(clean.stdout).unwrap();
    assert!(
        text.ends_with("The books agree, and every saga has ended.\n"),
        "{text}"
    );
    assert_eq!(clean.status.code(), Some(0));

    crate::audit::one_running(&shop).await;
    let open = shop_audit(&shop, &[]).await;
    let text = String::from_utf8(open.stdout).unwrap();
    assert!(text.contains("OPEN   saga "), "{text}");
    assert_eq!(open.status.code(), Some(2));

    shop.tamper(
        "shipping",
        "UPDATE shipment SET pieces = 1 WHERE state = 'planned'",
    )
    .await;
    let wrong = shop_audit(&shop, &["--json"]).await;
    let json: serde_json::Value = serde_json::from_slice(&wrong.stdout).unwrap();
    let first = &json["wrong"][0];
    assert_eq!(first["order"], "00000000-0000-0000-0000-0000000000aa");
    assert_eq!(first["what"], "it has 2 pieces, but its shipment has 1");
    assert_eq!(json["open"].as_array().unwrap().len(), 1);
    assert_eq!(wrong.status.code(), Some(1));
}

#[tokio::test]
async fn an_audit_without_a_database_says_which_one() {
    let mut shop = Shop::open().await;
    shop.urls.payments = "postgres://postgres@127.0.0.1:1/payments".to_owned();
    let output = shop_audit(&shop, &[]).await;
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        text.starts_with("error: cannot read the books of payments: "),
        "{text}"
    );
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn the_demo_refuses_orders_at_every_place_and_ends_with_books_that_agree() {
    let folder = sagas_local::folder::Temporary::new("shop-demo-test").unwrap();
    let printed = folder.path().join("printed");
    let file = std::fs::File::create(&printed).unwrap();
    let mut demo = Command::new(env!("CARGO_BIN_EXE_shop"));
    demo.args([
        "demo",
        "--once",
        "--orders",
        "20",
        "--refused-percent",
        "30",
        "--rate",
        "50",
    ]);
    // Not the port that people know: somebody may be using it.
    demo.args(["--port", &sagas_local::port::free().unwrap().to_string()]);
    demo.stdout(file.try_clone().unwrap()).stderr(file);
    let mut demo = Process::spawn(&mut demo).unwrap();
    let status = demo.wait(DEMO_LIMIT).unwrap();
    let text = std::fs::read_to_string(&printed).unwrap();
    assert!(
        status.is_some_and(|status| status.success()),
        "{status:?}\n{text}"
    );
    assert!(text.contains("14 confirmed"), "{text}");
    for step in place_order().unwrap().steps() {
        let place = format!("cancelled, rejected by {}", step.name);
        assert_eq!(text.contains(&place), step.refusable, "{place}\n{text}");
    }
    assert!(
        text.contains("The books agree, and every saga has ended."),
        "{text}"
    );
}

#[tokio::test]
async fn a_service_seeds_answers_and_stops_when_told() {
    let shop = Shop::open().await;
    shop.tamper(
        "inventory",
        "DROP SCHEMA public CASCADE; CREATE SCHEMA public",
    )
    .await;
    // The inbox refuses commands of sagas that are older than it remembers.
    let now = sqlx::query_scalar::<_, chrono::DateTime<chrono::Utc>>("SELECT now()");
    let now = Timestamp::from(now.fetch_one(&shop.inventory).await.unwrap());
    let url = shop.urls.inventory.clone();
    tokio::task::spawn_blocking(move || {
        let broker = MockCluster::new(1).unwrap();
        broker.create_topic("saga.inventory.commands", 2, 1).unwrap();
        broker.create_topic("saga.replies", 1, 1).unwrap();
        let brokers = broker.bootstrap_servers();
        let mut service = Command::new(env!("CARGO_BIN_EXE_shop"));
        service.args(["service", "inventory", "--seed", "--brokers", &brokers]);
        service.args(["--kafka-options", "fetch.wait.max.ms=5", "--log-level", "error"]);
        service.env("SHOP_DATABASE_URL", url);
        let mut service = Process::spawn(&mut service).unwrap();

        let producer: BaseProducer = client(&brokers).create().unwrap();
        for (saga, name) in [(1, sku(1)), (2, SKU_GONE.to_owned())] {
            send(&producer, saga, &name, now);
        }
        producer.flush(ANSWER_LIMIT).unwrap();
        let mut answers = replies(&brokers, 2);
        answers.sort();
        let expected = [
            (Uuid::from_u128(1), Outcome::Succeeded, r#"{"pieces":2}"#.to_owned()),
            (
                Uuid::from_u128(2),
                Outcome::Rejected,
                r#"{"code":"out-of-stock","message":"2 pieces of sku-gone are wanted, 0 are on hand"}"#
                    .to_owned(),
            ),
        ];
        assert_eq!(answers, expected);
        let status = service.stop(Signal::Terminate, ANSWER_LIMIT).unwrap();
        assert!(status.success(), "{status}");
    })
    .await
    .unwrap();
    let held = sqlx::query_scalar::<_, i64>("SELECT sum(quantity)::bigint FROM reservation");
    assert_eq!(held.fetch_one(&shop.inventory).await.unwrap(), 2);
}

fn client(brokers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers);
    config
}

fn send(producer: &BaseProducer, saga: u128, sku: &str, now: Timestamp) {
    let saga = SagaId(Uuid::from_u128(saga));
    let command = ReserveStock {
        order: saga.0,
        lines: vec![Line {
            sku: sku.to_owned(),
            quantity: 2,
        }],
    };
    let message = CommandMessage {
        id: CommandId::of(saga, "reserve-stock", Direction::Forward, 1),
        participant: ReserveStock::PARTICIPANT.into(),
        command: ReserveStock::NAME.into(),
        definition: "place-order".into(),
        saga,
        step: "reserve-stock".into(),
        direction: Direction::Forward,
        fences_compensation: false,
        generation: 1,
        attempt: 1,
        started_at: now,
        revision: 1,
        deadline: None,
        reply_to: ReplyTo {
            topic: "saga.replies".into(),
            partition: 0,
        },
        time: now,
        traceparent: None,
        payload: serde_json::to_vec(&command).unwrap().into(),
    };
    let (key, value) = (message.key(), message.value());
    let record = BaseRecord::to("saga.inventory.commands").key(&key);
    producer.send(record.payload(&value)).unwrap();
}

fn replies(brokers: &str, count: usize) -> Vec<(Uuid, Outcome, String)> {
    let mut config = client(brokers);
    config
        .set("group.id", "test")
        .set("auto.offset.reset", "earliest");
    let consumer: BaseConsumer = config.set("fetch.wait.max.ms", "5").create().unwrap();
    let mut partitions = rdkafka::TopicPartitionList::new();
    partitions
        .add_partition_offset("saga.replies", 0, rdkafka::Offset::Beginning)
        .unwrap();
    consumer.assign(&partitions).unwrap();
    let deadline = Instant::now() + ANSWER_LIMIT;
    let mut replies = Vec::new();
    while replies.len() < count {
        assert!(
            Instant::now() < deadline,
            "only {replies:?} within {ANSWER_LIMIT:?}"
        );
        let Some(record) = consumer.poll(Duration::from_millis(100)) else {
            continue;
        };
        let record = record.unwrap();
        let reply = ReplyMessage::parse(record.key(), record.payload()).unwrap();
        let payload = String::from_utf8(reply.payload.to_vec()).unwrap();
        replies.push((reply.saga.0, reply.outcome, payload));
    }
    replies
}
