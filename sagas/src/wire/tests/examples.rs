//! The examples of `docs/wire.md` are the bytes that these types write.

use super::*;

pub(super) fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

/// The command of the document's first example.
pub(super) fn reserve() -> CommandMessage<'static> {
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
        deadline: Some(at("2026-11-23T13:11:06.123Z")),
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

pub(super) fn compensation() -> CommandMessage<'static> {
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

pub(super) fn fence() -> CommandMessage<'static> {
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

pub(super) fn fence_of_compensation() -> CommandMessage<'static> {
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

pub(super) fn reply(
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

pub(super) fn event() -> EventMessage<'static> {
    EventMessage {
        kind: "completed".into(),
        definition: "place-order".into(),
        saga: reserve().saga,
        revision: 8,
        sequence: 2,
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
    let document = include_str!("../../../../docs/wire.md");
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
    let document = include_str!("../../../../docs/wire.md");
    let attributes = Attribute::ALL.iter().map(|attribute| attribute.as_str());
    let outcomes = Outcome::ALL.iter().map(|outcome| outcome.as_str());
    let directions = Direction::ALL.iter().map(|direction| direction.as_str());
    for word in attributes.chain(outcomes).chain(directions) {
        assert!(document.contains(&format!("`{word}`")), "{word}");
    }
}
