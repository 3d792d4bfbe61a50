//! What breaks the format is refused, and the reason names the attribute.

use super::*;

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
    // What is read and never written has tests of its own.
    seen.push(Attribute::DataBase64);
    assert!(
        Attribute::ALL
            .iter()
            .all(|attribute| seen.contains(attribute))
    );
}

const fn is_optional(attribute: Attribute) -> bool {
    matches!(
        attribute,
        Attribute::Fences | Attribute::Deadline | Attribute::TraceParent | Attribute::Data
    )
}

#[test]
fn an_attribute_that_is_missing_is_named() {
    let remove = |members: &mut Members, name: &str| members.remove(name);
    let unset = |members: &mut Members, name: &str| members.set(name, "null");
    check_named(&[remove, unset], is_optional);
}

#[test]
fn only_a_stored_answer_must_say_of_which_generation_it_is() {
    for outcome in Outcome::ALL {
        let reply = reply(&reserve(), *outcome, None, "null");
        let (key, value) = (reply.key(), reply.value());
        let read = ReplyMessage::parse(Some(key.as_bytes()), Some(&value));
        let is_stored = matches!(outcome, Outcome::Succeeded | Outcome::Rejected);
        let missing = is_stored.then_some(Error::Missing(Attribute::Effective));
        assert_eq!(read.err(), missing, "{outcome}");
    }
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
            |members, name| members.set(name, "2147483648"),
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
        "attribute attempt is \"1\", not an integer from 0 to 2147483647",
    );
    check_refused(
        set("attempt", "2147483648"),
        "attribute attempt is 2147483648, not an integer from 0 to 2147483647",
    );
    check_refused(
        set("replypartition", "-1"),
        "attribute replypartition is -1, not an integer from 0 to 2147483647",
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
            "[\"1.0\",\"3\"]",
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
