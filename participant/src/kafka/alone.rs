//! Replies that the broker refuses.
//!
//! The broker answers for a whole request, so a reply that its topic finds too large costs the others in
//! it their place. Those are sent again by a client of its own, whose requests carry one reply each:
//! its answer is one about the reply. One that is refused even so is answered `failed` instead: that
//! says nothing about effects, which are committed, and the orchestrator does not take it for silence.
//! The stored answer stays, and is sent when the command comes again.
//!
//! Invariant: a batch hears of each reply once, when all is said and done.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::producer::{BaseProducer, Producer as _};
use sagas::Outcome;
use sagas::wire::{Fault, ReplyMessage, ReplyTo};

use super::replies::{Deliveries, Outgoing, Outstanding};
use crate::batch::TOO_LARGE;

/// How long the client is kept for the next reply.
const IDLE: Duration = Duration::from_secs(10);

/// How long one look at its deliveries takes.
const POLL: Duration = Duration::from_millis(5);

/// A reply to send again, and the batch that waits for it.
pub(super) struct Again {
    pub(super) reply: Outgoing,
    pub(super) batch: Arc<Outstanding>,
}

/// Whether the reply is refused for what it is, or, in company, for what is beside it.
pub(super) fn is_refused(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::MessageSizeTooLarge
                | Code::MessageBatchTooLarge
                | Code::InvalidRecord
                | Code::InvalidDifferentRecord
                | Code::InvalidTimestamp
                | Code::PolicyViolation
        )
    )
}

/// The reply that a delivery report is about.
pub(super) fn reply(message: &BorrowedMessage<'_>) -> Outgoing {
    let key = String::from_utf8_lossy(message.key().unwrap_or_default());
    Outgoing {
        to: ReplyTo {
            topic: message.topic().to_owned().into(),
            partition: message.partition(),
        },
        key: key.into_owned(),
        value: message.payload().unwrap_or_default().to_vec(),
    }
}

/// What is answered in the place of a reply that is refused with this code; `None` for one that is this
/// already.
pub(super) fn instead_of(refused: &Outgoing, code: Option<RDKafkaErrorCode>) -> Option<Outgoing> {
    let key = Some(refused.key.as_bytes());
    let message = ReplyMessage::parse(key, Some(&refused.value)).ok()?;
    if message.outcome == Outcome::Failed {
        return None;
    }
    let (bytes, topic) = (refused.value.len(), &refused.to.topic);
    let code = code.map_or_else(String::new, |code| format!(" ({code:?})"));
    let text = format!("the reply has {bytes} bytes, the topic {topic} does not take it{code}");
    let message = ReplyMessage {
        outcome: Outcome::Failed,
        effective: None,
        payload: Fault::new(TOO_LARGE, text).to_json().into_bytes().into(),
        ..message
    };
    Some(Outgoing {
        to: refused.to.clone(),
        key: refused.key.clone(),
        value: message.value(),
    })
}

/// Sends replies alone until the other end of the channel is gone.
pub(super) fn run(
    records: &Receiver<Again>,
    connect: impl Fn() -> Option<BaseProducer<Deliveries>>,
) {
    while let Ok(first) = records.recv() {
        match connect() {
            Some(client) => serve(&client, first, records),
            None => first.batch.one_less(),
        }
    }
}

/// Sends until nothing more comes, or until the client can send no more.
fn serve(client: &BaseProducer<Deliveries>, first: Again, records: &Receiver<Again>) {
    let mut next = Some(first);
    while client.client().fatal_error().is_none() {
        if let Some(Again { reply, batch }) = next.take() {
            let partition = Some(reply.to.partition);
            client
                .context()
                .hand_over(client, &reply, partition, &batch);
        }
        client.poll(POLL);
        next = if client.in_flight_count() == 0 {
            records.recv_timeout(IDLE).ok()
        } else {
            match records.try_recv() {
                Ok(again) => Some(again),
                Err(TryRecvError::Empty) => continue,
                Err(TryRecvError::Disconnected) => None,
            }
        };
        if next.is_none() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use sagas::barrier::Answer;
    use sagas::{Direction, Timestamp};

    use super::*;
    use crate::batch::Job;

    #[test]
    fn a_reply_that_is_refused_is_answered_failed_in_its_place_and_no_second_time() {
        let job = Job::sample(1, Direction::Forward, 3, "null");
        let answer = Answer {
            outcome: Outcome::Succeeded,
            effective: Some(1),
            payload: format!("{:?}", "x".repeat(5000)).into(),
        };
        let reply = Outgoing::to(&job.message, answer, Timestamp::from_micros(0));
        let code = Some(RDKafkaErrorCode::MessageSizeTooLarge);
        let instead = instead_of(&reply, code).unwrap();
        assert_eq!((&instead.to, &instead.key), (&reply.to, &reply.key));
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
