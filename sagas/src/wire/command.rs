//! A command on its way to a participant.

use std::borrow::Cow;

use super::fields::Fields;
use super::writer::Writer;
use super::{Attribute, Error, Text, owned};
use crate::barrier::Ask;
use crate::{CommandId, Direction, SagaId, Timestamp};

/// Where the orchestrator wants the reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyTo<'a> {
    /// The topic.
    pub topic: Text<'a>,
    /// The partition, whatever the key hashes to.
    pub partition: i32,
}

/// A command, as it lies in `<prefix>.<participant>.commands`.
///
/// Instants travel with millisecond resolution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandMessage<'a> {
    /// Follows from saga, step, direction and generation.
    pub id: CommandId,
    /// The service that executes it.
    pub participant: Text<'a>,
    /// The command's name.
    pub command: Text<'a>,
    /// The definition that sends it.
    pub definition: Text<'a>,
    /// The saga that sends it.
    pub saga: SagaId,
    /// The step it belongs to.
    pub step: Text<'a>,
    /// Which way it goes.
    pub direction: Direction,
    /// On a fence: whether it fences the step's compensation rather than its forward command.
    pub fences_compensation: bool,
    /// Which version of the command; an edit sends the next.
    pub generation: u32,
    /// Which try.
    pub attempt: u32,
    /// When the saga started; its UTC day is the first part of the inbox key.
    pub started_at: Timestamp,
    /// The saga's revision when the command was put in flight.
    pub revision: u64,
    /// When the saga turns back, if it has not passed its point of no return; the same for all attempts.
    /// Only on forward commands that are given up then. Advice, never a reason to reject.
    pub deadline: Option<Timestamp>,
    /// Where the reply goes.
    pub reply_to: ReplyTo<'a>,
    /// When the message was built.
    pub time: Timestamp,
    /// W3C trace context.
    pub traceparent: Option<Text<'a>>,
    /// JSON, not looked into.
    pub payload: Cow<'a, [u8]>,
}

impl<'a> CommandMessage<'a> {
    /// The record's key: the saga id.
    #[must_use]
    pub fn key(&self) -> String {
        self.saga.to_string()
    }

    /// What it asks of the barrier.
    #[must_use]
    pub const fn ask(&self) -> Ask {
        match (self.direction, self.fences_compensation) {
            (Direction::Forward, _) => Ask::Forward,
            (Direction::Compensate, _) => Ask::Compensate,
            (Direction::Fence, false) => Ask::FenceForward,
            (Direction::Fence, true) => Ask::FenceCompensation,
        }
    }

    /// The record's value: the attributes in the order of the wire document, then the payload as it
    /// is, unless it is `null`. A payload that is not JSON makes a value that nobody can read.
    #[must_use]
    pub fn value(&self) -> Vec<u8> {
        let mut to = Writer::new(&self.payload);
        to.put(Attribute::Id, self.id);
        let (participant, command) = (&self.participant, &self.command);
        to.put(Attribute::Type, format_args!("{participant}.{command}"));
        let definition = &self.definition;
        to.put(Attribute::Source, format_args!("{SOURCE}{definition}"));
        to.put(Attribute::Subject, self.saga);
        to.put(Attribute::Time, format_args!("{}", self.time));
        to.put(Attribute::Step, &self.step);
        to.put(Attribute::Direction, self.direction.as_str());
        if self.ask() == Ask::FenceCompensation {
            to.put(Attribute::Fences, Direction::Compensate.as_str());
        }
        to.put(Attribute::Generation, self.generation);
        to.put(Attribute::Attempt, self.attempt);
        to.put(Attribute::Started, format_args!("{}", self.started_at));
        to.put(Attribute::Revision, self.revision);
        if let Some(deadline) = self.deadline {
            to.put(Attribute::Deadline, format_args!("{deadline}"));
        }
        to.put(Attribute::ReplyTopic, &self.reply_to.topic);
        to.put(Attribute::ReplyPartition, self.reply_to.partition);
        to.put_if(Attribute::TraceParent, self.traceparent.as_ref());
        to.finish()
    }

    /// Reads a record.
    ///
    /// # Errors
    ///
    /// Says the first thing by which the record is not a command of this format.
    pub fn parse(key: Option<&[u8]>, value: Option<&'a [u8]>) -> Result<Self, Error> {
        let fields = Fields::read(value)?;
        let (participant, command) = fields.message_type("", "<participant>.<command>")?;
        let direction = fields.direction()?;
        let message = Self {
            id: CommandId(fields.uuid(Attribute::Id)?),
            participant,
            command,
            definition: fields.source(SOURCE)?,
            saga: fields.saga(key)?,
            step: fields.name(Attribute::Step)?,
            direction,
            fences_compensation: fences_compensation(&fields, direction)?,
            generation: fields.number(Attribute::Generation)?,
            attempt: fields.number(Attribute::Attempt)?,
            started_at: fields.time(Attribute::Started)?,
            revision: fields.number(Attribute::Revision)?,
            deadline: fields.optional_time(Attribute::Deadline)?,
            reply_to: ReplyTo {
                topic: fields.text(Attribute::ReplyTopic)?,
                partition: fields.number(Attribute::ReplyPartition)?,
            },
            time: fields.time(Attribute::Time)?,
            traceparent: fields.optional_text(Attribute::TraceParent)?,
            payload: fields.data()?,
        };
        let id = CommandId::of(message.saga, &message.step, direction, message.generation);
        if id == message.id {
            Ok(message)
        } else {
            Err(Error::ForeignId(Attribute::Id))
        }
    }

    /// The same message, independent of the record it was read from.
    #[must_use]
    pub fn into_owned(self) -> CommandMessage<'static> {
        CommandMessage {
            participant: owned(self.participant),
            command: owned(self.command),
            definition: owned(self.definition),
            step: owned(self.step),
            reply_to: ReplyTo {
                topic: owned(self.reply_to.topic),
                ..self.reply_to
            },
            traceparent: self.traceparent.map(owned),
            payload: Cow::Owned(self.payload.into_owned()),
            ..self
        }
    }
}

/// What every command's source starts with.
const SOURCE: &str = "/sagas/";

fn fences_compensation(fields: &Fields<'_>, direction: Direction) -> Result<bool, Error> {
    let fences = fields.optional_text(Attribute::Fences)?;
    match (direction, fences.as_deref()) {
        (_, None) => Ok(false),
        (Direction::Fence, Some("compensate")) => Ok(true),
        _ => Err(fields.malformed(Attribute::Fences, "compensate, on a fence only")),
    }
}
