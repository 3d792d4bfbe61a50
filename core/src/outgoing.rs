//! Commands and lifecycle events as records for the broker.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use sagas::sabotage::{Bug, is_seeded};
use sagas::wire::{CommandMessage, EventMessage, ReplyTo, topics};
use sagas::{CommandId, Direction, SagaId};

use super::lane::OutgoingCommand;
use crate::batch::{Outgoing, OutgoingEvent, OutgoingNotice};
use crate::record::OutgoingRecord;

/// Names of the topics that this orchestrator writes to.
#[derive(Debug, Clone)]
pub struct Topics {
    prefix: String,
    commands: BTreeMap<&'static str, Arc<str>>,
    replies: Arc<str>,
    events: Arc<str>,
}

impl Topics {
    /// Topics that begin with `prefix`, one for the commands of each participant.
    #[must_use]
    pub fn new(prefix: &str, participants: &[&'static str]) -> Self {
        let commands = participants.iter();
        Self {
            prefix: prefix.to_owned(),
            commands: commands
                .map(|name| (*name, topics::commands(prefix, name).into()))
                .collect(),
            replies: topics::replies(prefix).into(),
            events: topics::events(prefix).into(),
        }
    }

    /// The topic of lifecycle events.
    #[must_use]
    pub fn events(&self) -> &Arc<str> {
        &self.events
    }

    /// The topic of a participant's commands, or that of events.
    #[must_use]
    pub fn of(&self, participant: Option<&str>) -> Arc<str> {
        let Some(name) = participant else {
            return self.events.clone();
        };
        let known = self.commands.get(name).cloned();
        // What another binary left in the outbox may be for a participant that this one lacks.
        known.unwrap_or_else(|| topics::commands(&self.prefix, name).into())
    }

    /// The record of a command.
    #[must_use]
    pub fn command(&self, command: &OutgoingCommand) -> OutgoingRecord {
        let step = &command.definition.steps()[command.send.step];
        let send = &command.send;
        let undo = step.compensation.as_ref();
        let name = match (send.direction, undo) {
            (Direction::Compensate, Some(undo)) => undo.command,
            (Direction::Fence, Some(undo)) if send.fences_compensation => undo.command,
            _ => step.command,
        };
        // Once it is past, the saga turns back anyway: the participant need not begin.
        let may_be_late = send.direction == Direction::Forward && step.kind.may_be_given_up();
        let after_start = command.definition.deadline().filter(|_| may_be_late);
        let message = CommandMessage {
            id: CommandId::of(command.saga, &step.name, send.direction, send.generation),
            participant: step.participant.into(),
            command: name.into(),
            definition: command.definition.name().into(),
            saga: command.saga,
            step: step.name.as_str().into(),
            direction: send.direction,
            fences_compensation: send.fences_compensation,
            generation: send.generation,
            attempt: send.attempt,
            started_at: command.started_at,
            revision: command.revision,
            deadline: after_start.map(|after_start| command.started_at + after_start),
            reply_to: self.reply_to(command.reply_partition),
            time: command.at,
            traceparent: None,
            payload: Cow::Borrowed(send.payload.text().as_bytes()),
        };
        self.record(&message)
    }

    fn reply_to(&self, partition: i32) -> ReplyTo<'_> {
        ReplyTo {
            topic: Cow::Borrowed(&self.replies),
            partition,
        }
    }

    fn record(&self, message: &CommandMessage<'_>) -> OutgoingRecord {
        OutgoingRecord {
            topic: self.of(Some(&message.participant)),
            key: message.saga,
            value: message.value(),
        }
    }

    /// The record of a lifecycle event, or of the command of a notification or hint.
    #[must_use]
    pub fn outgoing(&self, outgoing: &Outgoing) -> OutgoingRecord {
        match outgoing {
            Outgoing::Event(event) => self.event(event),
            Outgoing::Notice(notice) => self.notice(notice),
        }
    }

    fn notice(&self, notice: &OutgoingNotice) -> OutgoingRecord {
        let message = CommandMessage {
            id: CommandId::of(notice.saga, &notice.step, Direction::Forward, 1),
            participant: notice.participant.as_str().into(),
            command: notice.command.as_str().into(),
            definition: notice.definition.as_str().into(),
            saga: notice.saga,
            step: notice.step.as_str().into(),
            direction: Direction::Forward,
            fences_compensation: false,
            generation: 1,
            attempt: 1,
            started_at: notice.started_at,
            revision: notice.revision,
            deadline: None,
            reply_to: self.reply_to(notice.reply_partition),
            time: notice.at,
            traceparent: None,
            payload: Cow::Borrowed(notice.payload.text().as_bytes()),
        };
        self.record(&message)
    }

    fn event(&self, event: &OutgoingEvent) -> OutgoingRecord {
        let message = EventMessage {
            kind: event.kind.as_str().into(),
            definition: event.definition.as_str().into(),
            saga: event.saga,
            revision: event.revision,
            sequence: event.sequence,
            time: event.at,
            traceparent: None,
            payload: Cow::Borrowed(event.payload.text().as_bytes()),
        };
        let mut key = event.saga;
        if is_seeded(Bug::ScattersEvents) {
            key = SagaId(uuid::Uuid::from_u128(event.revision.into()));
        }
        OutgoingRecord {
            topic: self.events.clone(),
            key,
            value: message.value(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sagas::machine::Send;
    use sagas::{Command, Definition, Json, Timestamp};
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Ask {}

    impl Command for Ask {
        const PARTICIPANT: &'static str = "oracle";
        const NAME: &'static str = "ask";
        const REFUSABLE: bool = true;
        type Reply = u32;
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Forget {}

    impl Command for Forget {
        const PARTICIPANT: &'static str = "oracle";
        const NAME: &'static str = "forget";
        const REFUSABLE: bool = false;
        type Reply = ();
    }

    fn definition(deadline: Option<Duration>) -> Arc<Definition> {
        let mut saga = Definition::of::<serde_json::Value>("two-questions");
        if let Some(deadline) = deadline {
            saga.deadline(deadline);
        }
        let first = saga
            .step("first")
            .send(|_, ()| Ask {})
            .compensate(|_, (), _| Forget {});
        saga.step("second").after(first).send(|_, _| Ask {}).pivot();
        Arc::new(saga.build().unwrap())
    }

    /// The deadline of the message of this command, sent a minute after the start.
    fn deadline(
        definition: &Arc<Definition>,
        step: usize,
        direction: Direction,
        attempt: u32,
    ) -> Option<Timestamp> {
        let send = Send {
            step,
            direction,
            generation: 1,
            attempt,
            fences_compensation: false,
            payload: Json::null(),
        };
        let record = Topics::new("saga", &["oracle"]).command(&OutgoingCommand {
            saga: SagaId(uuid::Uuid::from_u128(7)),
            definition: Arc::clone(definition),
            started_at: Timestamp::default(),
            revision: 3,
            at: Timestamp::default() + Duration::from_secs(60),
            send,
            reply_partition: 0,
        });
        let key = record.key.to_string();
        let read = CommandMessage::parse(Some(key.as_bytes()), Some(&record.value));
        read.unwrap().deadline
    }

    #[test]
    fn a_command_that_is_given_up_at_the_deadline_of_its_saga_names_it_on_every_attempt() {
        use Direction::{Compensate, Fence, Forward};
        let after_start = Duration::from_secs(90);
        let with = definition(Some(after_start));
        let its = Some(Timestamp::default() + after_start);
        assert_eq!(deadline(&with, 0, Forward, 1), its);
        assert_eq!(deadline(&with, 0, Forward, 3), its);
        // The saga does not give up its pivot, nor what it undoes.
        assert_eq!(deadline(&with, 1, Forward, 1), None);
        assert_eq!(deadline(&with, 0, Compensate, 1), None);
        assert_eq!(deadline(&with, 0, Fence, 1), None);
        assert_eq!(deadline(&definition(None), 0, Forward, 1), None);
    }
}
