//! Commands and lifecycle events as records for the broker.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use sagas::wire::{CommandMessage, EventMessage, ReplyTo, topics};
use sagas::{CommandId, Direction};

use super::lane::OutgoingCommand;
use crate::bus::OutgoingRecord;
use crate::store::batch::OutgoingEvent;

/// Names of the topics that this orchestrator writes to.
#[derive(Debug, Clone)]
pub struct Topics {
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
            commands: commands
                .map(|name| (*name, topics::commands(prefix, name).into()))
                .collect(),
            replies: topics::replies(prefix).into(),
            events: topics::events(prefix).into(),
        }
    }

    /// The record of a command.
    ///
    /// # Panics
    ///
    /// When the command's participant is none of those that [`Topics::new`] was told of.
    #[must_use]
    pub fn command(&self, command: &OutgoingCommand) -> OutgoingRecord {
        let step = &command.definition.steps()[command.send.step];
        let direction = command.send.direction;
        let name = match direction {
            Direction::Forward | Direction::Fence => step.command,
            Direction::Compensate => step
                .compensation
                .as_ref()
                .map_or(step.command, |undo| undo.command),
        };
        let topic = self.commands.get(step.participant).cloned();
        let message = CommandMessage {
            id: CommandId::of(command.saga, &step.name, direction, command.send.generation),
            participant: step.participant.into(),
            command: name.into(),
            definition: command.definition.name().into(),
            saga: command.saga,
            step: step.name.as_str().into(),
            direction,
            fences_compensation: false,
            generation: command.send.generation,
            attempt: command.send.attempt,
            started_at: command.started_at,
            revision: command.revision,
            deadline: None,
            reply_to: ReplyTo {
                topic: Cow::Borrowed(&self.replies),
                partition: command.reply_partition,
            },
            time: command.at,
            traceparent: None,
            payload: Cow::Borrowed(command.send.payload.text().as_bytes()),
        };
        OutgoingRecord {
            headers: message.headers(),
            topic: topic.expect("the registry's participants are all there are"),
            key: command.saga,
            payload: command.send.payload.clone(),
        }
    }

    /// The record of a lifecycle event.
    #[must_use]
    pub fn event(&self, event: &OutgoingEvent) -> OutgoingRecord {
        let message = EventMessage {
            kind: event.kind.as_str().into(),
            definition: event.definition.as_str().into(),
            saga: event.saga,
            revision: event.revision,
            time: event.at,
            traceparent: None,
            payload: Cow::Borrowed(event.payload.text().as_bytes()),
        };
        OutgoingRecord {
            headers: message.headers(),
            topic: self.events.clone(),
            key: event.saga,
            payload: event.payload.clone(),
        }
    }
}
