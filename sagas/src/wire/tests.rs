//! What is written is read back; what breaks the format is refused with its reason; and the
//! examples of `docs/wire.md` are the bytes that these types write.

use std::collections::BTreeMap;

use proptest::option;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::barrier::Ask;
use crate::id::TENANT_DEFAULT;
use crate::{CommandId, Direction, Outcome, SagaId, Timestamp};

type Headers = Vec<(String, Vec<u8>)>;

fn bytes(headers: Vec<(&'static str, String)>) -> Headers {
    headers
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.into_bytes()))
        .collect()
}

fn pairs(headers: &Headers) -> impl Iterator<Item = (&str, &[u8])> {
    headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_slice()))
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

/// Every example of the document: key, headers and payload, as text.
fn examples() -> BTreeMap<&'static str, String> {
    fn text(key: &str, headers: &[(&'static str, String)], payload: &[u8]) -> String {
        let mut lines = format!("key      {key}\n");
        for (name, value) in headers {
            lines.push_str(&format!("header   {name:18} {value}\n"));
        }
        lines.push_str(&format!("payload  {}\n", str::from_utf8(payload).unwrap()));
        lines
    }
    let command =
        |message: &CommandMessage<'_>| text(&message.key(), &message.headers(), &message.payload);
    let answer =
        |message: &ReplyMessage<'_>| text(&message.key(), &message.headers(), &message.payload);
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
        (
            "event",
            text(&event.key(), &event.headers(), &event.payload),
        ),
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
fn the_document_names_every_header_and_outcome() {
    let document = include_str!("../../../docs/wire.md");
    let outcomes = Outcome::ALL.iter().map(|outcome| outcome.as_str());
    let directions = Direction::ALL.iter().map(|direction| direction.as_str());
    for word in header::ALL
        .iter()
        .copied()
        .chain(outcomes)
        .chain(directions)
    {
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

prop_compose! {
    fn commands()(
        (participant, command, definition, step) in (names(), names(), names(), names()),
        saga in any::<u128>().prop_map(|bits| SagaId(Uuid::from_u128(bits))),
        ask in asks(),
        (generation, attempt, revision, partition) in any::<(u32, u32, u64, i32)>(),
        (started_at, time, deadline) in (instants(), instants(), option::of(instants())),
        traceparent in option::of("\\PC{0,60}"),
        payload in prop::collection::vec(any::<u8>(), 0..200),
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
            reply_to: ReplyTo { topic: "saga.replies".into(), partition },
            time,
            traceparent: traceparent.map(Into::into),
            payload: payload.into(),
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        message in commands(),
        outcome in prop::sample::select(Outcome::ALL.to_vec()),
        effective in option::of(any::<u32>()),
    ) {
        let headers = bytes(message.headers());
        let key = message.key();
        let read = CommandMessage::parse(pairs(&headers), Some(key.as_bytes()), Some(&message.payload));
        prop_assert_eq!(read.as_ref(), Ok(&message));

        let reply = reply(&message, outcome, effective, "{}");
        let headers = bytes(reply.headers());
        let read = ReplyMessage::parse(pairs(&headers), Some(key.as_bytes()), Some(&reply.payload));
        prop_assert_eq!(read.as_ref(), Ok(&reply));
    }

    #[test]
    fn no_bytes_make_the_reader_panic(
        headers in prop::collection::vec(
            (prop::sample::select(header::ALL.to_vec()), prop::collection::vec(any::<u8>(), 0..40)),
            0..25,
        ),
        key in option::of(prop::collection::vec(any::<u8>(), 0..40)),
    ) {
        let pairs = || headers.iter().map(|(name, value)| (*name, value.as_slice()));
        prop_assert!(CommandMessage::parse(pairs(), key.as_deref(), Some(b"null")).is_err());
        prop_assert!(ReplyMessage::parse(pairs(), key.as_deref(), Some(b"null")).is_err());
    }
}

/// Reads the first example after `change`.
#[track_caller]
fn check_refused(change: impl FnOnce(&mut Headers), reason: &str) {
    let message = reserve();
    let mut headers = bytes(message.headers());
    change(&mut headers);
    let key = message.key();
    let error = CommandMessage::parse(pairs(&headers), Some(key.as_bytes()), Some(b"{}"))
        .expect_err("it should be refused");
    assert_eq!(error.to_string(), reason);
}

fn set(name: &'static str, value: &'static str) -> impl FnOnce(&mut Headers) {
    move |headers| {
        let header = headers
            .iter_mut()
            .find(|(header, _)| header == name)
            .unwrap();
        header.1 = value.into();
    }
}

#[test]
fn a_broken_envelope_is_refused_with_its_reason() {
    check_refused(
        |headers| headers.retain(|(name, _)| name != "ce_step"),
        "header ce_step is missing",
    );
    check_refused(
        |headers| headers.push(("ce_step".into(), b"x".to_vec())),
        "header ce_step is there more than once",
    );
    check_refused(
        |headers| headers[0].1 = vec![0xff],
        "header content-type is not UTF-8",
    );
    check_refused(set("ce_wire", "2"), "wire version 2 is not known");
    check_refused(set("ce_step", "a/b"), "header ce_step holds no name");
    check_refused(
        set("ce_attempt", "-1"),
        "header ce_attempt is \"-1\", not a decimal number in its range",
    );
    check_refused(
        set("ce_started", "yesterday"),
        "header ce_started is \"yesterday\", not an RFC 3339 instant",
    );
    check_refused(
        set("ce_type", "reserve"),
        "header ce_type is \"reserve\", not <participant>.<command>",
    );
    check_refused(
        set("ce_direction", "sideways"),
        "header ce_direction is \"sideways\", not forward, compensate or fence",
    );
    check_refused(
        set("ce_generation", "2"),
        "ce_id is not the id of this saga's step",
    );
    check_refused(
        set("ce_subject", "00000000-0000-0000-0000-000000000000"),
        "the record's key is not the saga id in ce_subject",
    );
    check_refused(
        |headers| headers.push(("ce_fences".into(), b"compensate".to_vec())),
        "header ce_fences is \"compensate\", not compensate, on a fence only",
    );
}

#[test]
fn a_reply_to_another_command_is_refused() {
    let reply = reply(&reserve(), Outcome::Succeeded, Some(1), "{}");
    let key = reply.key();
    for (name, value, reason) in [
        (
            "ce_commandid",
            "00000000-0000-0000-0000-000000000001",
            "ce_commandid is not the id of this saga's step",
        ),
        (
            "ce_id",
            "00000000-0000-0000-0000-000000000001",
            "ce_id is not the id of this saga's step",
        ),
        (
            "ce_outcome",
            "maybe",
            "header ce_outcome is \"maybe\", not a known outcome",
        ),
        (
            "ce_source",
            "/participants/other",
            "header ce_source is \"/participants/other\", not the participant of ce_type",
        ),
    ] {
        let mut headers = bytes(reply.headers());
        set(name, value)(&mut headers);
        let error = ReplyMessage::parse(pairs(&headers), Some(key.as_bytes()), Some(b"{}"));
        assert_eq!(error.unwrap_err().to_string(), reason);
    }
    let headers = bytes(reply.headers());
    let error = ReplyMessage::parse(pairs(&headers), Some(key.as_bytes()), None).unwrap_err();
    assert_eq!(error, Error::NoPayload);
}
