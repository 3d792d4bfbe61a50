//! What is written is read back; what breaks the format is refused with its reason; and the
//! examples of `docs/wire.md` are the bytes that these types write.

use std::collections::BTreeMap;
use std::fmt;

use proptest::option;
use proptest::prelude::*;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::*;
use crate::barrier::Ask;
use crate::id::TENANT_DEFAULT;
use crate::{CommandId, Direction, Outcome, SagaId, Timestamp};

/// The members of a value in their order: names and JSON.
#[derive(Debug, Clone)]
struct Members(Vec<(String, String)>);

impl Members {
    fn of(value: &[u8]) -> Self {
        serde_json::from_slice(value).unwrap()
    }

    /// The same object.
    fn written(&self) -> Vec<u8> {
        self.joined(",").into_bytes()
    }

    fn joined(&self, comma: &str) -> String {
        let members = self.0.iter();
        let members: Vec<_> = members
            .map(|(name, json)| format!("\"{name}\":{json}"))
            .collect();
        format!("{{{}}}", members.join(comma))
    }

    fn set(&mut self, name: &str, json: &str) {
        let member = self.0.iter_mut().find(|(known, _)| known == name);
        json.clone_into(&mut member.unwrap().1);
    }

    fn remove(&mut self, name: &str) {
        self.0.retain(|(known, _)| known != name);
    }

    fn add(&mut self, name: &str, json: &str) {
        self.0.push((name.to_owned(), json.to_owned()));
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut object: M) -> Result<Members, M::Error> {
                let mut members = Vec::new();
                while let Some((name, json)) = object.next_entry::<String, &RawValue>()? {
                    members.push((name, json.get().to_owned()));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

/// The command of the document's first example.
fn reserve() -> CommandMessage<'static> {
    let saga = SagaId::from_key(TENANT_DEFAULT, "order-7");
    CommandMessage {
        id: CommandId::of(saga, "reserve-stock", Direction::Forward, 1),
        participant: "inventory".into(),
        command: "reserve-stock".into(),
        definition: "place-order".into(),
        saga,
        step: "reserve-stock".into(),
        direction: Direction::Forward,
        fences_compensation: false,
        generation: 1,
        attempt: 1,
        started_at: at("2026-11-23T13:10:36.123Z"),
        revision: 2,
        deadline: Some(at("2026-11-23T13:11:06.140Z")),
        reply_to: ReplyTo {
            topic: "saga.replies".into(),
            partition: 5,
        },
        time: at("2026-11-23T13:10:36.140Z"),
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
        payload: "{\"order\":7,\"sku\":\"grüner-tee\",\"quantity\":2}"
            .as_bytes()
            .into(),
    }
}

fn compensation() -> CommandMessage<'static> {
    let forward = reserve();
    CommandMessage {
        id: CommandId::of(forward.saga, "reserve-stock", Direction::Compensate, 1),
        command: "release-stock".into(),
        direction: Direction::Compensate,
        revision: 6,
        deadline: None,
        time: at("2026-11-23T13:10:37.002Z"),
        traceparent: None,
        payload: b"{\"order\":7}".as_slice().into(),
        ..forward
    }
}

fn fence() -> CommandMessage<'static> {
    let forward = reserve();
    CommandMessage {
        id: CommandId::of(forward.saga, "reserve-stock", Direction::Fence, 1),
        direction: Direction::Fence,
        revision: 3,
        deadline: None,
        time: at("2026-11-23T13:10:40.500Z"),
        traceparent: None,
        payload: b"null".as_slice().into(),
        ..forward
    }
}

fn fence_of_compensation() -> CommandMessage<'static> {
    let forward = compensation();
    CommandMessage {
        id: CommandId::of(forward.saga, "reserve-stock", Direction::Fence, 2),
        direction: Direction::Fence,
        fences_compensation: true,
        generation: 2,
        revision: 9,
        time: at("2026-11-23T14:00:00.000Z"),
        payload: b"null".as_slice().into(),
        ..forward
    }
}

fn reply(
    command: &CommandMessage<'_>,
    outcome: Outcome,
    effective: Option<u32>,
    payload: &'static str,
) -> ReplyMessage<'static> {
    let answer = crate::barrier::Answer {
        outcome,
        effective,
        payload: payload.into(),
    };
    let time = command.time + std::time::Duration::from_millis(8);
    ReplyMessage::to(command, answer, time).into_owned()
}

fn event() -> EventMessage<'static> {
    EventMessage {
        kind: "completed".into(),
        definition: "place-order".into(),
        saga: reserve().saga,
        revision: 8,
        time: at("2026-11-23T13:10:36.190Z"),
        traceparent: None,
        payload: b"{\"order\":7}".as_slice().into(),
    }
}

/// Every example of the document: key, header and value, one member of the value a line.
fn examples() -> BTreeMap<&'static str, String> {
    fn text(key: &str, value: &[u8]) -> String {
        let members = Members::of(value);
        assert_eq!(members.written(), value, "nothing between the members");
        let (header, media_type) = CONTENT_TYPE;
        let value = members.joined(",\n        ");
        format!("key     {key}\nheader  {header}: {media_type}\nvalue   {value}\n")
    }
    let command = |message: &CommandMessage<'_>| text(&message.key(), &message.value());
    let answer = |message: &ReplyMessage<'_>| text(&message.key(), &message.value());
    let fault = "{\"code\":\"out-of-stock\",\"message\":\"0 of grüner-tee on hand, 2 wanted\"}";
    let busy = "{\"code\":\"database\",\"message\":\"the statement was canceled\"}";
    let event = event();
    let forward = reserve();
    BTreeMap::from([
        ("command-forward", command(&forward)),
        ("command-compensate", command(&compensation())),
        ("command-fence", command(&fence())),
        (
            "command-fence-of-compensation",
            command(&fence_of_compensation()),
        ),
        (
            "reply-succeeded",
            answer(&reply(
                &forward,
                Outcome::Succeeded,
                Some(1),
                "{\"reservation\":31}",
            )),
        ),
        (
            "reply-rejected",
            answer(&reply(&forward, Outcome::Rejected, Some(1), fault)),
        ),
        (
            "reply-failed",
            answer(&reply(&forward, Outcome::Failed, None, busy)),
        ),
        (
            "reply-already-compensated",
            answer(&reply(&forward, Outcome::AlreadyCompensated, None, "null")),
        ),
        (
            "reply-fenced",
            answer(&reply(&fence(), Outcome::Fenced, None, "null")),
        ),
        (
            "reply-expired",
            answer(&reply(&forward, Outcome::Expired, None, "null")),
        ),
        ("event", text(&event.key(), &event.value())),
    ])
}

/// The blocks that the document marks with ```` ```text example=<name> ````.
fn documented() -> BTreeMap<String, String> {
    let document = include_str!("../../../docs/wire.md");
    let mut found = BTreeMap::new();
    for block in document.split("```text example=").skip(1) {
        let (name, rest) = block.split_once('\n').unwrap();
        let (body, _) = rest.split_once("```").unwrap();
        found.insert(name.to_owned(), body.to_owned());
    }
    found
}

#[test]
fn the_documents_examples_are_the_bytes_that_are_written() {
    let documented = documented();
    for (name, expected) in examples() {
        let written = documented.get(name).map_or("", String::as_str);
        assert_eq!(
            written, expected,
            "example={name} of docs/wire.md should read:\n{expected}"
        );
    }
    assert_eq!(
        documented.len(),
        examples().len(),
        "an example that no test knows"
    );
}

#[test]
fn the_document_names_every_attribute_and_outcome() {
    let document = include_str!("../../../docs/wire.md");
    let attributes = Attribute::ALL.iter().map(|attribute| attribute.as_str());
    let outcomes = Outcome::ALL.iter().map(|outcome| outcome.as_str());
    let directions = Direction::ALL.iter().map(|direction| direction.as_str());
    for word in attributes.chain(outcomes).chain(directions) {
        assert!(document.contains(&format!("`{word}`")), "{word}");
    }
}

fn names() -> impl Strategy<Value = String> {
    "[a-z0-9][a-z0-9-]{0,20}"
}

fn instants() -> impl Strategy<Value = Timestamp> {
    (0_i64..4_000_000_000_000).prop_map(|millis| Timestamp::from_micros(millis * 1000))
}

fn asks() -> impl Strategy<Value = Ask> {
    prop::sample::select(Ask::ALL.to_vec())
}

/// JSON that says the same in more than one way, so that only its own bytes are it.
fn payloads() -> impl Strategy<Value = Vec<u8>> {
    let leaves = prop_oneof![
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        any::<i64>().prop_map(|number| number.to_string()),
        prop::sample::select(vec![
            "null",
            "true",
            "1.0",
            "-0",
            "1e400",
            "[ ]",
            "{ \"a\" : 1,\n\"a\":2}",
            "\"\\ud800\\u0000\\/\"",
        ])
        .prop_map(str::to_owned),
    ];
    let nested = leaves.prop_recursive(3, 12, 4, |inner| {
        prop::collection::vec(inner, 0..4).prop_map(|all| format!("[{}]", all.join(" , ")))
    });
    nested.prop_map(String::into_bytes)
}

prop_compose! {
    fn commands()(
        (participant, command, definition, step) in (names(), names(), names(), names()),
        saga in any::<u128>().prop_map(|bits| SagaId(Uuid::from_u128(bits))),
        ask in asks(),
        (generation, attempt, revision) in any::<(u32, u32, u64)>(),
        (topic, partition) in ("[a-zA-Z0-9._-]{1,60}", 0..=i32::MAX),
        (started_at, time, deadline) in (instants(), instants(), option::of(instants())),
        traceparent in option::of(any::<String>()),
        payload in payloads(),
    ) -> CommandMessage<'static> {
        CommandMessage {
            id: CommandId::of(saga, &step, ask.direction(), generation),
            participant: participant.into(),
            command: command.into(),
            definition: definition.into(),
            saga,
            step: step.into(),
            direction: ask.direction(),
            fences_compensation: ask == Ask::FenceCompensation,
            generation,
            attempt,
            started_at,
            revision,
            deadline,
            reply_to: ReplyTo { topic: topic.into(), partition },
            time,
            traceparent: traceparent.map(Into::into),
            payload: payload.into(),
        }
    }
}

/// Whatever a value is read as.
fn read_all(key: Option<&[u8]>, value: Option<&[u8]>) -> [Option<Error>; 3] {
    [
        CommandMessage::parse(key, value).err(),
        ReplyMessage::parse(key, value).err(),
        EventMessage::parse(key, value).err(),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        message in commands(),
        outcome in prop::sample::select(Outcome::ALL.to_vec()),
        effective in option::of(any::<u32>()),
    ) {
        let (key, value) = (message.key(), message.value());
        let read = CommandMessage::parse(Some(key.as_bytes()), Some(&value));
        prop_assert_eq!(read.as_ref(), Ok(&message));

        let mut reply = reply(&message, outcome, effective, "{}");
        reply.payload = message.payload.clone();
        let value = reply.value();
        let read = ReplyMessage::parse(Some(key.as_bytes()), Some(&value));
        prop_assert_eq!(read.as_ref(), Ok(&reply));

        let event = EventMessage {
            kind: message.command.clone(),
            definition: message.definition.clone(),
            saga: message.saga,
            revision: message.revision,
            time: message.time,
            traceparent: message.traceparent.clone(),
            payload: message.payload.clone(),
        };
        let value = event.value();
        let read = EventMessage::parse(Some(key.as_bytes()), Some(&value));
        prop_assert_eq!(read.as_ref(), Ok(&event));
    }

    #[test]
    fn spaces_order_and_what_nobody_knows_change_nothing(
        message in commands(),
        order in any::<u64>(),
        own in "[a-z]{11,20}",
    ) {
        let mut members = Members::of(&message.value());
        members.add(&own, "{\"step\":[\"x\"]}");
        members.0.sort_by_key(|(name, _)| Uuid::new_v5(&Uuid::from_u64_pair(0, order), name.as_bytes()));
        let value = members.joined("\r\n ,\t");
        let key = message.key();
        let read = CommandMessage::parse(Some(key.as_bytes()), Some(value.as_bytes()));
        prop_assert_eq!(read.as_ref(), Ok(&message));
    }

    #[test]
    fn no_bytes_make_the_reader_panic(
        value in option::of(prop::collection::vec(any::<u8>(), 0..200)),
        key in option::of(prop::collection::vec(any::<u8>(), 0..40)),
    ) {
        let errors = read_all(key.as_deref(), value.as_deref());
        prop_assert!(errors.iter().all(Option::is_some));
    }

    #[test]
    fn no_object_makes_the_reader_panic(
        members in prop::collection::vec(
            (prop::sample::select(Attribute::ALL.to_vec()), payloads()),
            0..25,
        ),
    ) {
        let mut all = Members(Vec::new());
        all.add("wire", "\"2\"");
        for (attribute, json) in &members {
            all.add(attribute.as_str(), str::from_utf8(json).unwrap());
        }
        let errors = read_all(None, Some(&all.written()));
        prop_assert!(errors.iter().all(Option::is_some));
    }

    #[test]
    fn a_value_that_is_cut_or_damaged_is_refused_or_is_still_a_message(
        message in commands(),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let (key, mut value) = (message.key(), message.value());
        let place = place.index(value.len());
        let cut = CommandMessage::parse(Some(key.as_bytes()), Some(&value[..place]));
        prop_assert!(matches!(cut, Err(Error::NotJson(_))), "{:?}", cut);
        value[place] = byte;
        if let Ok(read) = CommandMessage::parse(Some(key.as_bytes()), Some(&value)) {
            prop_assert_eq!(read.id, message.id);
            prop_assert_eq!(read.saga, message.saga);
        }
    }
}

/// Why a value is refused.
type Read = fn(&[u8]) -> Option<Error>;

/// Messages that have every attribute of their table, and how each is read.
fn complete() -> Vec<(Members, Read)> {
    const KEY: &[u8] = b"f44ab201-874a-5174-a879-4f71cf226ead";
    let command = CommandMessage {
        deadline: reserve().deadline,
        traceparent: reserve().traceparent,
        ..fence_of_compensation()
    };
    let reply = reply(&command, Outcome::Succeeded, Some(1), "{}");
    let event = EventMessage {
        traceparent: command.traceparent.clone(),
        ..event()
    };
    vec![
        (Members::of(&command.value()), |value| {
            CommandMessage::parse(Some(KEY), Some(value)).err()
        }),
        (Members::of(&reply.value()), |value| {
            ReplyMessage::parse(Some(KEY), Some(value)).err()
        }),
        (Members::of(&event.value()), |value| {
            EventMessage::parse(Some(KEY), Some(value)).err()
        }),
    ]
}

/// Reads every message of [`complete`] after each change of each of its attributes: the error names
/// the attribute, unless `is_good`.
fn check_named(changes: &[fn(&mut Members, name: &str)], is_good: impl Fn(Attribute) -> bool) {
    let mut seen = Vec::new();
    for (members, read) in complete() {
        assert_eq!(read(&members.written()), None);
        for (name, _) in &members.0 {
            let attribute = Attribute::from_name(name).unwrap();
            seen.push(attribute);
            for change in changes {
                let mut changed = members.clone();
                change(&mut changed, name);
                let error = read(&changed.written()).map(|error| error.to_string());
                let names_it =
                    |error: String| error.starts_with(&format!("attribute {attribute} "));
                assert!(error.clone().is_none_or(names_it), "{attribute}: {error:?}");
                assert_eq!(
                    error.is_none(),
                    is_good(attribute),
                    "{attribute}: {error:?}"
                );
            }
        }
    }
    assert!(
        Attribute::ALL
            .iter()
            .all(|attribute| seen.contains(attribute))
    );
}

const fn is_optional(attribute: Attribute) -> bool {
    matches!(
        attribute,
        Attribute::Fences | Attribute::Deadline | Attribute::Effective | Attribute::TraceParent
    )
}

#[test]
fn an_attribute_that_is_missing_is_named() {
    let remove = |members: &mut Members, name: &str| members.remove(name);
    let unset = |members: &mut Members, name: &str| members.set(name, "null");
    check_named(&[remove], is_optional);
    check_named(&[unset], |attribute| {
        is_optional(attribute) || attribute == Attribute::Data
    });
}

#[test]
fn an_attribute_that_is_there_twice_is_named() {
    let same = |members: &mut Members, name: &str| {
        let own = members.0.iter().find(|(known, _)| known == name);
        let own = own.unwrap().1.clone();
        members.add(name, &own);
    };
    let null = |members: &mut Members, name: &str| members.add(name, "null");
    let before = |members: &mut Members, name: &str| {
        members.0.insert(0, (name.to_owned(), "null".to_owned()));
    };
    check_named(&[same, null, before], |_| false);
}

#[test]
fn an_attribute_without_its_form_is_named() {
    check_named(
        &[
            |members, name| members.set(name, "-1"),
            |members, name| members.set(name, "4.0"),
            |members, name| members.set(name, "4e0"),
            |members, name| members.set(name, "18446744073709551616"),
            |members, name| members.set(name, "true"),
            |members, name| members.set(name, "[]"),
            |members, name| members.set(name, "{}"),
        ],
        |attribute| attribute == Attribute::Data,
    );
    check_named(
        &[
            |members, name| members.set(name, "\"\""),
            |members, name| members.set(name, "\"?\""),
        ],
        |attribute| {
            let any_text = [
                Attribute::ReplyTopic,
                Attribute::TraceParent,
                Attribute::Data,
            ];
            any_text.contains(&attribute)
        },
    );
}

/// Reads the first example after `change`.
#[track_caller]
fn check_refused(change: impl FnOnce(&mut Members), reason: &str) {
    let message = reserve();
    let mut members = Members::of(&message.value());
    change(&mut members);
    let (key, value) = (message.key(), members.written());
    let error = CommandMessage::parse(Some(key.as_bytes()), Some(&value))
        .expect_err("it should be refused");
    assert_eq!(error.to_string(), reason);
}

fn set(name: &'static str, json: &'static str) -> impl FnOnce(&mut Members) {
    move |members| members.set(name, json)
}

#[test]
fn a_broken_envelope_is_refused_with_its_reason() {
    check_refused(
        |members| members.remove("step"),
        "attribute step is missing",
    );
    check_refused(
        |members| members.add("step", "\"x\""),
        "attribute step is there more than once",
    );
    check_refused(
        |members| members.add("\\u0073tep", "\"x\""),
        "attribute step is there more than once",
    );
    check_refused(
        set("wire", "\"1\""),
        "attribute wire is \"1\", a version that is not known",
    );
    check_refused(
        set("specversion", "\"2.0\""),
        "attribute specversion is \"2.0\", not \"1.0\"",
    );
    check_refused(set("step", "\"a/b\""), "attribute step holds no name");
    check_refused(
        set("attempt", "\"1\""),
        "attribute attempt is \"1\", not a whole number in its range",
    );
    check_refused(
        set("attempt", "4294967296"),
        "attribute attempt is 4294967296, not a whole number in its range",
    );
    check_refused(
        set("replypartition", "-1"),
        "attribute replypartition is -1, not a whole number in its range",
    );
    check_refused(
        set("started", "\"yesterday\""),
        "attribute started is \"yesterday\", not an RFC 3339 instant",
    );
    check_refused(
        set("type", "\"reserve\""),
        "attribute type is \"reserve\", not <participant>.<command>",
    );
    check_refused(
        set("direction", "\"sideways\""),
        "attribute direction is \"sideways\", not forward, compensate or fence",
    );
    check_refused(
        set("generation", "2"),
        "attribute id is not the id of this saga's step",
    );
    check_refused(
        set("subject", "\"00000000-0000-0000-0000-000000000000\""),
        "the record's key is not the saga id in subject",
    );
    check_refused(
        |members| members.add("fences", "\"compensate\""),
        "attribute fences is \"compensate\", not compensate, on a fence only",
    );
    check_refused(
        set("traceparent", "\"\\ud800\""),
        "attribute traceparent is \"\\ud800\", not a string",
    );
}

#[test]
fn a_value_that_is_no_object_is_refused_with_its_reason() {
    let long = format!("\"{}\"", "x".repeat(5_000));
    for (value, reason) in [
        (
            "nothing",
            "the value is not a JSON object: expected ident at line 1 column 2",
        ),
        (
            "",
            "the value is not a JSON object: EOF while parsing a value at line 1 column 0",
        ),
        (
            "{}}",
            "the value is not a JSON object: trailing characters at line 1 column 3",
        ),
        (
            "[\"1.0\",\"2\"]",
            "the value is not a JSON object: invalid type: sequence, expected an object at line 1 column 0",
        ),
        (
            "{\"attempt\":007}",
            "the value is not a JSON object: invalid number at line 1 column 13",
        ),
        (
            "{\"step\":\"a\nb\"}",
            "the value is not a JSON object: control character (\\u0000-\\u001F) found while parsing a \
             string at line 1 column 10",
        ),
        // What a record of version 1 has for its value.
        (
            "{\"order\":7}",
            "attribute wire is missing; CloudEvents' binary mode, of wire version 1, is not read",
        ),
    ] {
        let error = CommandMessage::parse(None, Some(value.as_bytes())).unwrap_err();
        assert_eq!(error.to_string(), reason);
    }
    let error = CommandMessage::parse(None, Some(long.as_bytes())).unwrap_err();
    assert!(error.to_string().len() < 250, "{error}");
    let error = CommandMessage::parse(None, Some(b"{\"step\":\"\xff\"}")).unwrap_err();
    assert!(matches!(error, Error::NotJson(_)), "{error}");
    assert_eq!(CommandMessage::parse(None, None), Err(Error::NoValue));
}

#[test]
fn escaped_texts_say_the_same() {
    let message = reserve();
    let mut members = Members::of(&message.value());
    for (name, json) in &mut members.0 {
        if json.starts_with('"') {
            *name = name.replace('e', "\\u0065");
            *json = json.replace('-', "\\u002d").replace("place", "pl\\u0061ce");
        }
    }
    let (key, value) = (message.key(), members.written());
    let read = CommandMessage::parse(Some(key.as_bytes()), Some(&value)).unwrap();
    assert_eq!(read, message);
    assert_eq!(read.into_owned(), message);
}

#[test]
fn a_reply_to_another_command_is_refused() {
    let reply = reply(&reserve(), Outcome::Succeeded, Some(1), "{}");
    let key = reply.key();
    for (name, json, reason) in [
        (
            "commandid",
            "\"00000000-0000-0000-0000-000000000001\"",
            "attribute commandid is not the id of this saga's step",
        ),
        (
            "id",
            "\"00000000-0000-0000-0000-000000000001\"",
            "attribute id is not the id of this saga's step",
        ),
        (
            "outcome",
            "\"maybe\"",
            "attribute outcome is \"maybe\", not a known outcome",
        ),
        (
            "source",
            "\"/participants/other\"",
            "attribute source is \"/participants/other\", not the participant of the type",
        ),
        (
            "type",
            "\"inventory.reserve-stock\"",
            "attribute type is \"inventory.reserve-stock\", not <participant>.<command>.reply",
        ),
    ] {
        let mut members = Members::of(&reply.value());
        members.set(name, json);
        let value = members.written();
        let error = ReplyMessage::parse(Some(key.as_bytes()), Some(&value));
        assert_eq!(error.unwrap_err().to_string(), reason);
    }
}
