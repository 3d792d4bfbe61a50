//! Records of the reply topic as inputs of a lane. What cannot be read keeps its bytes.

use sagas::Json;
use sagas::machine::Reply;
use sagas::wire::ReplyMessage;

use super::lane::{Arrival, Input, Position};
use crate::bus::ReplyRecord;
use crate::store::batch::DeadLetter;

/// Reads the record's envelope and checks that its payload is JSON.
pub(super) fn read(record: ReplyRecord) -> Input {
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
        value: record.payload,
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
    let headers = record
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_slice()));
    let payload = record.payload.as_deref().unwrap_or_default();
    let message = ReplyMessage::parse(headers, record.key.as_deref(), record.payload.as_deref())
        .map_err(|error| error.to_string())?;
    let text =
        str::from_utf8(payload).map_err(|error| format!("the value is not UTF-8: {error}"))?;
    let payload =
        Json::parse(text.to_owned()).map_err(|error| format!("the value is not JSON: {error}"))?;
    if payload.text().contains(r"\u0000") {
        return Err("the value has the character U+0000".to_owned());
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
