//! Replies that the broker refuses.
//!
//! The broker answers for a whole request, so a reply that its topic finds too large costs the others in
//! it their place. Those are sent again alone. One that is refused even so is answered `failed` instead:
//! that says nothing about effects, which are committed, and the orchestrator does not take it for
//! silence. The stored answer stays, and is sent when the command comes again.

use rdkafka::error::RDKafkaErrorCode;
use sagas::Outcome;
use sagas::wire::{Fault, ReplyMessage};
use sagas_kafka::Outgoing;

use crate::batch::TOO_LARGE;

/// What is answered in the place of a reply that is refused with this code; `None` for one that is this
/// already.
pub(super) fn instead_of(refused: &Outgoing, code: Option<RDKafkaErrorCode>) -> Option<Outgoing> {
    let key = Some(refused.key.as_bytes());
    let message = ReplyMessage::parse(key, Some(&refused.value)).ok()?;
    if message.outcome == Outcome::Failed {
        return None;
    }
    let (bytes, topic) = (refused.value.len(), &refused.topic);
    let code = code.map_or_else(String::new, |code| format!(" ({code:?})"));
    let text = format!("the reply has {bytes} bytes, the topic {topic} does not take it{code}");
    let message = ReplyMessage {
        outcome: Outcome::Failed,
        effective: None,
        payload: Fault::new(TOO_LARGE, text).to_json().into_bytes().into(),
        ..message
    };
    Some(Outgoing {
        topic: refused.topic.clone(),
        partition: refused.partition,
        key: refused.key.clone(),
        value: message.value(),
    })
}

#[cfg(test)]
mod tests {
    use sagas::barrier::Answer;
    use sagas::{Direction, Timestamp};

    use super::*;
    use crate::batch::Job;
    use crate::kafka::reply;

    #[test]
    fn a_reply_that_is_refused_is_answered_failed_in_its_place_and_no_second_time() {
        let job = Job::sample(1, Direction::Forward, 3, "null");
        let answer = Answer {
            outcome: Outcome::Succeeded,
            effective: Some(1),
            payload: format!("{:?}", "x".repeat(5000)).into(),
        };
        let reply = reply(&job.message, answer, Timestamp::from_micros(0));
        let code = Some(RDKafkaErrorCode::MessageSizeTooLarge);
        let instead = instead_of(&reply, code).unwrap();
        assert_eq!(
            (&instead.topic, instead.partition, &instead.key),
            (&reply.topic, reply.partition, &reply.key)
        );
        let message = ReplyMessage::parse(Some(instead.key.as_bytes()), Some(&instead.value));
        let message = message.unwrap();
        assert_eq!((message.outcome, message.attempt), (Outcome::Failed, 3));
        let fault: Fault = serde_json::from_slice(&message.payload).unwrap();
        assert_eq!(fault.code, TOO_LARGE);
        let told = "does not take it (MessageSizeTooLarge)";
        assert!(fault.message.ends_with(told), "{}", fault.message);
        assert!(instead_of(&instead, code).is_none());
    }
}
