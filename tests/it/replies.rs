//! Records on the reply topic that no participant should have written: none stops a partition, and
//! none moves a saga. What names its command beyond doubt and cannot be used is in `participants.rs`.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sagas::wire::ReplyMessage;
use sagas::{CommandId, Direction, Outcome, SagaId, Timestamp};
use serde_json::{Map, Value, json};
use shop::services::ServiceName;
use shop::workload::Workload;
use uuid::Uuid;

use crate::broker::{Broker, Record};
use crate::world::{SOON, World, told_by_replies};

/// A reply that is right in form.
fn reply(
    saga: Uuid,
    step: &'static str,
    direction: Direction,
    generation: u32,
) -> ReplyMessage<'static> {
    ReplyMessage {
        command: CommandId::of(SagaId(saga), step, direction, generation),
        participant: "orders".into(),
        command_name: "create-order".into(),
        saga: SagaId(saga),
        step: step.into(),
        direction,
        generation,
        attempt: 1,
        revision: 1,
        effective: Some(generation),
        outcome: Outcome::Succeeded,
        time: Timestamp::from_micros(1_795_439_436_123_000),
        traceparent: None,
        payload: br#"{"number":1}"#.as_slice().into(),
    }
}

/// The record with another object in its value.
fn changed(record: &Record, change: impl FnOnce(&mut Map<String, Value>)) -> Record {
    let mut object = record.object();
    change(object.as_object_mut().unwrap());
    let value = object.to_string();
    with_value(record.clone(), Some(value.as_bytes()))
}

fn without(record: &Record, attribute: &str) -> Record {
    changed(record, |object| drop(object.remove(attribute)))
}

fn with(record: &Record, attribute: &str, value: Value) -> Record {
    changed(record, |object| {
        drop(object.insert(attribute.to_owned(), value));
    })
}

/// The record with this in the place of its payload.
fn with_data(record: Record, json: &[u8]) -> Record {
    let value = record.value.clone().unwrap();
    let data = br#""data":{"number":1}}"#;
    let begin = value.strip_suffix(data).unwrap();
    let value = [begin, b"\"data\":", json, b"}"].concat();
    with_value(record, Some(&value))
}

fn with_value(mut record: Record, value: Option<&[u8]>) -> Record {
    record.value = value.map(<[u8]>::to_vec);
    record
}

/// Records that nobody can use, each with words of the reason; `saga` is running.
fn unusable(saga: Uuid) -> Vec<(Record, &'static str)> {
    let message = reply(saga, "create-order", Direction::Forward, 1);
    let good = Record::of(&message);
    let garbage = Record {
        partition: 0,
        key: Some(vec![0xff, 0]),
        headers: Vec::new(),
        value: Some(vec![0xff, 0xfe, 0, b'{']),
    };
    let of_nobody = reply(Uuid::now_v7(), "create-order", Direction::Forward, 1);
    let foreign = reply(saga, "bake-bread", Direction::Forward, 1);
    let ahead = ReplyMessage {
        revision: 1_000,
        ..message.clone()
    };
    let other_key = Record {
        key: Some(Uuid::now_v7().to_string().into()),
        ..good.clone()
    };
    let binary = Record {
        headers: vec![("ce_wire".to_owned(), b"1".to_vec())],
        ..with_value(good.clone(), Some(br#"{"number":1}"#))
    };
    let repeated = with_data(good.clone(), br#"null,"step":"create-order""#);
    let other_id = Uuid::now_v7().to_string();
    vec![
        (garbage, "the value is not a JSON object"),
        (binary, "binary mode, of wire version 1, is not read"),
        (without(&good, "step"), "attribute step is missing"),
        (repeated, "attribute step is there more than once"),
        (with(&good, "wire", json!("2")), "attribute wire is \"2\""),
        (
            with(&good, "generation", json!("1")),
            "attribute generation is \"1\"",
        ),
        (
            with(&good, "commandid", json!(other_id)),
            "commandid is not the id",
        ),
        (other_key, "the record's key is not the saga id"),
        (with_value(good, None), "the record has no value"),
        (Record::of(&of_nobody), "there is no such saga"),
        (Record::of(&foreign), "bake-bread"),
        (Record::of(&ahead), "it was set back"),
    ]
}

/// All dead letters, by key and value as they are shown, read in pages.
async fn dead_letters(world: &World) -> HashMap<(Value, Value), Value> {
    let mut found = HashMap::new();
    let mut path = "/v1/dead-letters?limit=5".to_owned();
    loop {
        let request = world.http.get(format!("{}{path}", world.url()));
        let page: Value = request.send().await.unwrap().json().await.unwrap();
        for letter in page["dead_letters"].as_array().unwrap() {
            let bytes = (letter["key"].clone(), letter["value"].clone());
            assert_eq!(
                found.insert(bytes, letter.clone()),
                None,
                "{letter} comes twice"
            );
        }
        let Some(cursor) = page["next"].as_str() else {
            return found;
        };
        path = format!("/v1/dead-letters?limit=5&cursor={cursor}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_can_use_becomes_a_dead_letter_with_its_number_and_its_partition_goes_on() {
    let mut world = World::without(ServiceName::Shipping).await;
    let orders: Vec<_> = Workload::new(1, 0).take(2).collect();
    let running = world.submit(&orders[0].order).await;
    world.reaches(running, "create-shipment", "in_flight").await;
    let before = world.saga(running).await;

    let broker = Broker::of(&world);
    let mut last = BTreeMap::new();
    let partitions = broker.reply_partitions();
    let mut places: Vec<BTreeSet<(i64, i64)>> = Vec::new();
    let records = unusable(running);
    for (record, _) in &records {
        let mut of_record = BTreeSet::new();
        for partition in partitions.iter().copied() {
            let record = Record {
                partition,
                ..record.clone()
            };
            let offset = broker.write_reply(&record).await;
            of_record.insert((i64::from(partition), offset));
            last.insert(partition, offset);
        }
        places.push(of_record);
    }
    broker.finished(&last).await;
    let letters = dead_letters(&world).await;
    assert_eq!(letters.len(), records.len(), "{letters:#?}");
    for ((record, words), places) in records.iter().zip(places) {
        let shown = |bytes: &Option<Vec<u8>>| {
            let text = |bytes: &Vec<u8>| Value::from(String::from_utf8_lossy(bytes));
            bytes.as_ref().map_or(Value::Null, text)
        };
        let value = shown(&record.value);
        let value = if value.is_null() { "".into() } else { value };
        let letter = &letters[&(shown(&record.key), value)];
        let reason = letter["reason"].as_str().unwrap();
        assert!(reason.contains(words), "{words:?} is not in {reason:?}");
        assert_eq!(letter["count"], partitions.len(), "{letter}");
        let number = |name: &str| letter[name].as_i64().unwrap();
        let place = (number("partition"), number("offset"));
        assert!(places.contains(&place), "{letter}, {places:?}");
        assert!(
            letter["topic"].as_str().unwrap().ends_with(".replies"),
            "{letter}"
        );
    }

    // The saga that they named has not moved, and goes on; so does a later one.
    assert_eq!(
        told_by_replies(&world.saga(running).await),
        told_by_replies(&before)
    );
    world.start_service(ServiceName::Shipping);
    let later = world.submit(&orders[1].order).await;
    world.ended(running, "completed").await;
    world.ended(later, "completed").await;
    assert_eq!(world.audited(SOON).await.exit_code(), 0);
    assert_eq!(dead_letters(&world).await.len(), records.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_that_come_again_or_too_late_change_nothing() {
    let mut world = World::without(ServiceName::Shipping).await;
    let order = Workload::new(2, 0).next().unwrap().order;
    let saga = world.submit(&order).await;
    world.reaches(saga, "create-shipment", "in_flight").await;
    let before = world.saga(saga).await;
    let broker = Broker::of(&world);

    let answered = broker.replies();
    assert!(answered.len() >= 3, "{answered:?}");
    let outcome = |message, outcome, payload: &'static [u8]| ReplyMessage {
        outcome,
        payload: payload.into(),
        ..message
    };
    let fault = br#"{"code":"late","message":"too late"}"#.as_slice();
    let created = || reply(saga, "create-order", Direction::Forward, 1);
    let shipment = |generation| reply(saga, "create-shipment", Direction::Forward, generation);
    let failed_before = ReplyMessage {
        attempt: 7,
        ..outcome(shipment(1), Outcome::Failed, fault)
    };
    let stale = [
        outcome(created(), Outcome::Rejected, fault),
        outcome(created(), Outcome::Failed, fault),
        outcome(created(), Outcome::AlreadyCompensated, b"null"),
        outcome(shipment(2), Outcome::Rejected, fault),
        failed_before,
        reply(saga, "create-shipment", Direction::Compensate, 1),
        outcome(
            reply(saga, "capture-payment", Direction::Fence, 1),
            Outcome::Fenced,
            b"null",
        ),
    ];
    let mut last = BTreeMap::new();
    for partition in broker.reply_partitions() {
        let stale = stale.iter().map(Record::of);
        for record in answered.iter().cloned().chain(stale) {
            let record = Record {
                partition,
                ..record
            };
            last.insert(partition, broker.write_reply(&record).await);
        }
    }
    broker.finished(&last).await;
    let after = world.saga(saga).await;
    assert_eq!(told_by_replies(&after), told_by_replies(&before));
    assert_eq!(after["reason"], Value::Null);
    let states = |saga: &Value| {
        let steps = saga["steps"].as_array().unwrap().iter();
        steps.map(|step| step["state"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(states(&after), states(&before));
    assert_eq!(dead_letters(&world).await, HashMap::new());

    world.start_service(ServiceName::Shipping);
    world.ended(saga, "completed").await;
    assert_eq!(world.audited(SOON).await.exit_code(), 0);
}
