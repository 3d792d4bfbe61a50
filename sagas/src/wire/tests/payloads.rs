//! Where a message has its payload: in `data`, in `data_base64`, or nowhere.

use base64::prelude::{BASE64_STANDARD, Engine as _};

use super::*;

/// The payload of a command, and of its reply, whose `data` is replaced by these members.
#[track_caller]
fn read(members: &[(&str, &str)]) -> Result<String, String> {
    let command = reserve();
    let key = command.key();
    let reply = reply(&command, Outcome::Succeeded, Some(1), "{}");
    let with = |value: &[u8]| {
        let mut all = Members::of(value);
        all.remove("data");
        for (name, json) in members {
            all.add(name, json);
        }
        all.written()
    };
    let (asked, answered) = (with(&command.value()), with(&reply.value()));
    let asked = CommandMessage::parse(Some(key.as_bytes()), Some(&asked));
    let answered = ReplyMessage::parse(Some(key.as_bytes()), Some(&answered));
    let asked = asked.map(|command| command.payload.into_owned());
    let answered = answered.map(|reply| reply.payload.into_owned());
    assert_eq!(asked, answered);
    match asked {
        Ok(payload) => Ok(String::from_utf8(payload).unwrap()),
        Err(error) => Err(error.to_string()),
    }
}

fn in_base64(bytes: &[u8]) -> String {
    format!("\"{}\"", BASE64_STANDARD.encode(bytes))
}

#[test]
fn a_payload_that_is_left_out_is_null() {
    assert_eq!(read(&[]).as_deref(), Ok("null"));
    assert_eq!(read(&[("data_base64", "null")]).as_deref(), Ok("null"));
    assert_eq!(read(&[("data", "null")]).as_deref(), Ok("null"));
}

#[test]
fn a_payload_that_says_nothing_is_left_out() {
    for text in ["null", " null\n"] {
        let command = CommandMessage {
            payload: text.as_bytes().into(),
            ..reserve()
        };
        let reply = reply(&command, Outcome::Succeeded, Some(1), text);
        let event = EventMessage {
            payload: text.as_bytes().into(),
            ..event()
        };
        let key = command.key();
        let key = Some(key.as_bytes());
        let (asked, answered, told) = (command.value(), reply.value(), event.value());
        for value in [&asked, &answered, &told] {
            let members = Members::of(value);
            assert!(members.0.iter().all(|(_, json)| json.trim() != "null"));
        }
        let read = CommandMessage::parse(key, Some(&asked)).unwrap();
        assert_eq!(read.payload, b"null".as_slice());
        let read = ReplyMessage::parse(key, Some(&answered)).unwrap();
        assert_eq!(read.payload, b"null".as_slice());
        let read = EventMessage::parse(key, Some(&told)).unwrap();
        assert_eq!(read.payload, b"null".as_slice());
    }
}

#[test]
fn a_payload_in_base64_is_one_json_value() {
    for json in [
        "null",
        "7",
        r#"{"a": [1.0]}"#,
        r#""\u0000\u00e9""#,
        "\"\u{1f600}\"",
    ] {
        let text = in_base64(json.as_bytes());
        assert_eq!(read(&[("data_base64", &text)]).as_deref(), Ok(json));
    }
    let spaced = in_base64(b" 7\n");
    assert_eq!(read(&[("data_base64", &spaced)]).as_deref(), Ok("7"));
}

#[test]
fn what_is_no_json_value_in_base64_is_unreadable() {
    let (two, cut, no_text) = (
        in_base64(b"1 2"),
        in_base64(b"{\"a\":"),
        in_base64(b"\"\xff\""),
    );
    for json in [
        &two,
        &cut,
        &no_text,
        "\"\"",
        "\"Nw\"",
        "\"N?==\"",
        "\"bnVsbA\"",
        "7",
        "{}",
    ] {
        let error = read(&[("data_base64", json)]).unwrap_err();
        assert!(error.starts_with("attribute data_base64 is "), "{error}");
    }
}

#[test]
fn two_payloads_are_unreadable() {
    let error = Err("attributes data and data_base64 are both there".to_owned());
    for data in ["{}", "null"] {
        assert_eq!(read(&[("data", data), ("data_base64", "\"Nw==\"")]), error);
    }
    let twice = read(&[("data_base64", "\"Nw==\""), ("data_base64", "\"Nw==\"")]);
    assert_eq!(
        twice.unwrap_err(),
        "attribute data_base64 is there more than once"
    );
}
