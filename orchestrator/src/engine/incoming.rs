//! Records of the reply topic as inputs of a lane. What cannot be read keeps its bytes.

use sagas::Json;
use sagas::machine::Reply;
use sagas::wire::ReplyMessage;

use super::lane::{Arrival, Input, Position};
use crate::bus::ReplyRecord;
use crate::store::batch::DeadLetter;

/// Reads the record's attributes, and takes its payload if it can be stored.
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
    if has_nul(payload.text()) {
        return Err("the payload has the character U+0000".to_owned());
    }
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

/// Whether a text in this JSON has the character U+0000, which Postgres does not keep.
///
/// JSON has it as an escape only; a backslash that is escaped itself begins none.
fn has_nul(json: &str) -> bool {
    let mut rest = json;
    while let Some((_, escape)) = rest.split_once('\\') {
        if escape.starts_with("u0000") {
            return true;
        }
        rest = escape.get(1..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nul_is_found_where_it_is_escaped_and_nowhere_else() {
        for json in [r#""\u0000""#, r#"{"a":"b\\\u0000"}"#, r#"["\n\u0000"]"#] {
            assert!(has_nul(json), "{json}");
        }
        for json in [r#""\\u0000""#, r#"{"u0000":"\u0001"}"#, r#""\\""#, "null"] {
            assert!(!has_nul(json), "{json}");
        }
    }
}
