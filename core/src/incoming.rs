//! Records of the reply topic as inputs of a lane. What nobody can be held to keeps its bytes.
//!
//! A reply is read in two stages: whom it answers, and what it says. Where only the first succeeds, the
//! participant has answered, and silence is the one thing that it did not say: the saga is told `failed`,
//! with our code and the reason. A probe of some replica is passed by.

use sagas::fault::UNREADABLE_REPLY;
use sagas::machine::Reply;
use sagas::wire::{ReplyMessage, is_probe};
use sagas::{Fault, Json, Outcome, SagaId};

use super::lane::{Arrival, Input, Position};
use crate::batch::{DeadLetter, LetterKind};
use crate::record::ReplyRecord;

/// Reads the record's attributes, and takes its payload as it is.
#[must_use]
pub fn read(record: ReplyRecord) -> Input {
    let at = Position {
        partition: record.partition,
        offset: record.offset,
    };
    if is_probe(record.key.as_deref(), record.value.as_deref()) {
        return Input::Probe(at);
    }
    let (read, reason) = parse(&record);
    let letter = Box::new(DeadLetter {
        cluster: record.cluster,
        topic: record.topic,
        partition: record.partition,
        offset: record.offset,
        kind: LetterKind::Unreadable,
        reason,
        key: record.key,
        headers: record.headers,
        value: record.value,
    });
    match read {
        Some((saga, revision, reply)) => Input::reply(Arrival {
            at,
            saga,
            revision,
            reply,
            letter,
        }),
        None => Input::Garbage { at, letter },
    }
}

/// What the reply says, and why it cannot be used as it is.
fn parse(record: &ReplyRecord) -> (Option<(SagaId, u64, Reply)>, String) {
    match usable(record) {
        Ok(read) => (Some(read), String::new()),
        Err(reason) => (unusable(record, &reason), reason),
    }
}

/// What a reply says that cannot be used: `None` where it does not say whom it answers.
fn unusable(record: &ReplyRecord, reason: &str) -> Option<(SagaId, u64, Reply)> {
    let (key, value) = (record.key.as_deref(), record.value.as_deref());
    let attribution = ReplyMessage::attribute(key, value)?;
    let fault = Fault::new(UNREADABLE_REPLY, reason);
    let reply = Reply {
        step: attribution.step.into_owned(),
        direction: attribution.direction,
        generation: attribution.generation,
        attempt: attribution.attempt.unwrap_or(0),
        outcome: Outcome::Failed,
        payload: Json::of(&fault).ok()?,
    };
    // Without a revision it does not say that the database was set back.
    Some((attribution.saga, attribution.revision.unwrap_or(0), reply))
}

fn usable(record: &ReplyRecord) -> Result<(SagaId, u64, Reply), String> {
    let message = ReplyMessage::parse(record.key.as_deref(), record.value.as_deref())
        .map_err(|error| error.to_string())?;
    let payload: Json = serde_json::from_slice(&message.payload)
        .map_err(|error| format!("the payload is not JSON: {error}"))?;
    let reply = Reply {
        step: message.step.into_owned(),
        direction: message.direction,
        generation: message.generation,
        attempt: message.attempt,
        outcome: message.outcome,
        payload,
    };
    Ok((message.saga, message.revision, reply))
}

#[cfg(test)]
mod tests {
    use sagas::Timestamp;
    use sagas::wire::{Headers, probe};

    use super::*;

    const SAGA: &str = "f44ab201-874a-5174-a879-4f71cf226ead";

    fn record(outcome: &str, data: &str) -> ReplyRecord {
        let value = format!(
            r#"{{"specversion":"1.0","wire":"3","id":"2ab0f82c-cdf1-51e4-9c89-e2b8ca65dff1",
            "type":"inventory.reserve-stock.reply","source":"/participants/inventory",
            "subject":"{SAGA}","time":"2026-11-23T13:10:36.148Z",
            "commandid":"a38eed35-d8d5-50fe-b03b-8eceff752dc2","step":"reserve-stock",
            "direction":"forward","generation":1,"attempt":1,"revision":2,
            "outcome":"{outcome}","effective":1,"data":{data}}}"#
        );
        ReplyRecord {
            cluster: "".into(),
            topic: "saga.replies".into(),
            partition: 5,
            offset: 7,
            key: Some(SAGA.into()),
            headers: Headers::default(),
            value: Some(value.into_bytes()),
        }
    }

    /// What the saga is told, if anything; `change` rewrites the value.
    fn told(change: impl FnOnce(String) -> String) -> Option<Reply> {
        let mut record = record("succeeded", r#"{"price":7}"#);
        let value = record
            .value
            .take()
            .map(|value| String::from_utf8(value).unwrap());
        record.value = value.map(change).map(String::into_bytes);
        read(record).as_reply().map(|arrival| arrival.reply.clone())
    }

    fn without(member: &str) -> impl FnOnce(String) -> String {
        move |value| {
            assert!(value.contains(member), "{member}");
            value.replace(member, "")
        }
    }

    type Change = Box<dyn FnOnce(String) -> String>;

    #[test]
    fn a_reply_that_names_its_command_and_cannot_be_used_is_a_failure_with_the_reason() {
        let cut = |value: String| value.replace(r#"{"price":7}}"#, r#"{"price":"#);
        let nan = |value: String| value.replace("7}", "NaN}");
        let maybe = |value: String| value.replace("\"succeeded\"", "\"maybe\"");
        let both = |value: String| value.replace("\"data\"", "\"data_base64\":\"Nw==\",\"data\"");
        let in_front = |value: String| value.replacen('{', r#"{"data_base64":[NaN,"}],\""],"#, 1);
        let cases: [(Change, &str); 8] = [
            (
                Box::new(maybe),
                "attribute outcome is \"maybe\", not a known outcome",
            ),
            (
                Box::new(without("\"effective\":1,")),
                "attribute effective is missing",
            ),
            (
                Box::new(without("\"time\":\"2026-11-23T13:10:36.148Z\",")),
                "attribute time is missing",
            ),
            (
                Box::new(without("\"id\":\"2ab0f82c-cdf1-51e4-9c89-e2b8ca65dff1\",")),
                "attribute id is missing",
            ),
            (
                Box::new(nan),
                "the value is not a JSON object: expected value",
            ),
            (Box::new(cut), "the value is not a JSON object: EOF"),
            (
                Box::new(both),
                "attributes data and data_base64 are both there",
            ),
            (
                Box::new(in_front),
                "the value is not a JSON object: expected value",
            ),
        ];
        for (change, reason) in cases {
            let reply = told(change).unwrap_or_else(|| panic!("silence instead of: {reason}"));
            assert_eq!((reply.outcome, reply.attempt), (Outcome::Failed, 1));
            let fault: Fault = reply.payload.read().unwrap();
            assert_eq!(fault.code, UNREADABLE_REPLY);
            assert!(fault.message.starts_with(reason), "{fault:?}");
        }
        let reply = told(without("\"attempt\":1,\"revision\":2,")).unwrap();
        assert_eq!((reply.outcome, reply.attempt), (Outcome::Failed, 0));
    }

    #[test]
    fn a_reply_that_does_not_say_beyond_doubt_whom_it_answers_is_a_dead_letter() {
        let twice = |value: String| {
            value.replace("\"outcome\":\"succeeded\"", "\"step\":\"reserve-stock\"")
        };
        let wire = |value: String| value.replace("\"wire\":\"3\"", "\"wire\":\"2\"");
        let other = |value: String| value.replace("\"generation\":1", "\"generation\":2");
        assert_eq!(told(twice), None);
        assert_eq!(told(wire), None);
        assert_eq!(told(other), None);
        assert_eq!(told(without("\"direction\":\"forward\",")), None);
        assert_eq!(told(|value| format!("7{value}")), None);
        let mut foreign = record("maybe", "null");
        foreign.key = Some(b"f44ab201-874a-5174-a879-4f71cf226eae".to_vec());
        assert!(matches!(read(foreign), Input::Garbage { .. }));
    }

    #[test]
    fn a_probe_is_passed_by_and_no_dead_letter() {
        let probe = probe(Timestamp::default());
        let mut came = record("succeeded", "null");
        came.key = Some(probe.key().into_bytes());
        assert!(matches!(read(came.clone()), Input::Garbage { .. }));
        came.value = Some(probe.value());
        let at = Position {
            partition: 5,
            offset: 7,
        };
        assert!(matches!(read(came), Input::Probe(passed) if passed == at));
    }

    #[test]
    fn an_escaped_nul_in_a_reply_is_text_like_any_other() {
        let fault = r#"{"code":"odd","message":"a\u0000b"}"#;
        for (outcome, data) in [("succeeded", r#""\u0000""#), ("rejected", fault)] {
            let input = read(record(outcome, data));
            let arrival = input.as_reply();
            let arrival = arrival.unwrap_or_else(|| panic!("{outcome} {data} is a dead letter"));
            assert_eq!(arrival.reply.payload.text(), data);
        }
    }
}
