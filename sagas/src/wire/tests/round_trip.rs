//! What is written is read back, whatever it is; and no bytes make the reader panic.

use super::*;

fn names() -> impl Strategy<Value = String> {
    "[a-z0-9][a-z0-9-]{0,20}"
}

fn instants() -> impl Strategy<Value = Timestamp> {
    (0_i64..4_000_000_000_000).prop_map(|millis| Timestamp::from_micros(millis * 1000))
}

/// Whatever `CloudEvents` has for an integer that is not negative, the ends more often than others.
fn numbers() -> impl Strategy<Value = u32> {
    let last = i32::MAX.unsigned_abs();
    prop_oneof![4 => 0..=last, 1 => Just(0), 1 => Just(last)]
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
        (generation, attempt, revision) in (numbers(), numbers(), numbers()),
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
            revision: revision.into(),
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
        effective in option::of(numbers()),
    ) {
        let (key, value) = (message.key(), message.value());
        let read = CommandMessage::parse(Some(key.as_bytes()), Some(&value));
        prop_assert_eq!(read.as_ref(), Ok(&message));

        let is_stored = matches!(outcome, Outcome::Succeeded | Outcome::Rejected);
        let effective = effective.or_else(|| is_stored.then_some(1));
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
            sequence: message.attempt,
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
        all.add("wire", "\"3\"");
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
