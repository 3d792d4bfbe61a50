//! Records of the reply topic as inputs of a lane. What cannot be read keeps its bytes.

use sagas::Json;
use sagas::machine::Reply;
use sagas::wire::ReplyMessage;

use super::lane::{Arrival, Input, Position};
use crate::bus::ReplyRecord;
use crate::store::batch::DeadLetter;

/// Reads the record's attributes, and takes its payload as it is.
#[must_use]
pub fn read(record: ReplyRecord) -> Input {
    let at = Position {
        partition: record.partition,
        offset: record.offset,
    };
    let read = parse(&record);
    let letter = Box::new(DeadLetter {
        cluster: record.cluster,
        topic: record.topic,
        partition: record.partition,
        offset: record.offset,
        reason: read.as_ref().err().cloned().unwrap_or_default(),
        key: record.key,
        headers: record.headers,
        value: record.value,
    });
    match read {
        Ok((saga, revision, reply)) => Input::Reply(Arrival {
            at,
            saga,
            revision,
            reply,
            letter,
        }),
        Err(_) => Input::Garbage { at, letter },
    }
}

fn parse(record: &ReplyRecord) -> Result<(sagas::SagaId, u64, Reply), String> {
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
    use sagas::wire::Headers;

    use super::*;

    const SAGA: &str = "f44ab201-874a-5174-a879-4f71cf226ead";

    fn record(outcome: &str, data: &str) -> ReplyRecord {
        let value = format!(
            r#"{{"specversion":"1.0","wire":"2","id":"2ab0f82c-cdf1-51e4-9c89-e2b8ca65dff1",
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

    #[test]
    fn an_escaped_nul_in_a_reply_is_text_like_any_other() {
        let fault = r#"{"code":"odd","message":"a\u0000b"}"#;
        for (outcome, data) in [("succeeded", r#""\u0000""#), ("rejected", fault)] {
            let Input::Reply(arrival) = read(record(outcome, data)) else {
                panic!("{outcome} {data} became a dead letter");
            };
            assert_eq!(arrival.reply.payload.text(), data);
        }
    }
}
