//! Records that the broker refuses for what they are, as inputs of a lane.
//!
//! A command that is refused was never sent, and everybody knows it: its attempt has failed, by our
//! own word, and the policy says what follows. No reply can come to it, and no silence is the
//! participant's. Nobody answers lifecycle events, notifications and hints, so nobody tries them
//! again: they become dead letters, which keep their bytes.

use std::sync::Arc;

use sagas::machine::Reply;
use sagas::wire::{CONTENT_TYPE, CommandMessage};
use sagas::{Fault, Json, Outcome, SagaId};

use crate::batch::{Batch, DeadLetter, LetterKind, OutboxId, Outgoing};
use crate::record::{OutgoingRecord, Refusal, Refused};

/// A record that was refused for good.
#[derive(Debug, Clone)]
pub enum Unsent {
    /// A command: its attempt failed.
    Command {
        /// The saga that sends it.
        saga: SagaId,
        /// What its participant might as well have said.
        reply: Reply,
    },
    /// A record that nobody answers.
    Unanswered(Box<DeadLetter>),
}

/// Where a record lies that is in no partition.
const NOWHERE: i32 = -1;

/// What the refusal means; `events` are those that were published beside commands.
#[must_use]
pub fn read(refused: Refused, events: &[Outgoing]) -> Unsent {
    command(&refused, events).unwrap_or_else(|| Unsent::Unanswered(Box::new(letter(refused))))
}

/// The commit that deletes an outbox row, and keeps as dead letters what the broker refused of it.
#[must_use]
pub fn buried(row: OutboxId, refused: Vec<Refused>) -> Batch {
    Batch {
        dead_letters: refused.into_iter().map(letter).collect(),
        delivered: vec![row],
        slot: row.slot,
        tally_slot: row.slot,
        ..Batch::default()
    }
}

/// The commit that shows an outbox row that cannot be read as a dead letter of this topic, and leaves the
/// row; `text` is what is stored of its events.
#[must_use]
pub fn shown(topic: Arc<str>, row: OutboxId, why: &str, text: &str) -> Batch {
    let OutboxId { slot, id } = row;
    let letter = DeadLetter {
        cluster: Arc::default(),
        topic,
        partition: NOWHERE,
        offset: NOWHERE.into(),
        kind: LetterKind::UnreadableOutboxRow,
        reason: format!("it was not published: the outbox row {id} of slot {slot}: {why}"),
        key: Some(id.to_string().into_bytes()),
        headers: [CONTENT_TYPE].into_iter().collect(),
        value: Some(text.as_bytes().to_vec()),
    };
    Batch {
        dead_letters: vec![letter],
        slot,
        tally_slot: slot,
        ..Batch::default()
    }
}

/// The record as a dead letter.
fn letter(refused: Refused) -> DeadLetter {
    let reason = format!("it was not published: {refused}");
    let OutgoingRecord { topic, key, value } = refused.record;
    DeadLetter {
        cluster: Arc::default(),
        topic,
        partition: NOWHERE,
        offset: NOWHERE.into(),
        kind: LetterKind::RefusedByBroker,
        reason,
        key: Some(key.to_string().into_bytes()),
        headers: [CONTENT_TYPE].into_iter().collect(),
        value: Some(value),
    }
}

/// `None` for anything but a command that is answered.
fn command(refused: &Refused, events: &[Outgoing]) -> Option<Unsent> {
    let OutgoingRecord { key, value, .. } = &refused.record;
    let message =
        CommandMessage::parse(Some(key.to_string().as_bytes()), Some(value.as_slice())).ok()?;
    let is_notice = events.iter().any(|event| match event {
        Outgoing::Notice(notice) => notice.saga == message.saga && notice.step == message.step,
        Outgoing::Event(_) => false,
    });
    if is_notice {
        return None;
    }
    let code = match refused.why {
        Refusal::TooLarge { .. } => "command-too-large",
        Refusal::Invalid(_) => "command-refused",
    };
    let fault = Fault::new(code, refused.to_string());
    let reply = Reply {
        step: message.step.into_owned(),
        direction: message.direction,
        generation: message.generation,
        attempt: message.attempt,
        outcome: Outcome::Failed,
        payload: Json::of(&fault).ok()?,
    };
    let saga = message.saga;
    Some(Unsent::Command { saga, reply })
}
