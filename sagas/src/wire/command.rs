//! A command on its way to a participant.

use std::borrow::Cow;

use super::header::{self, Fields, Writer};
use super::{Error, Text, owned};
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
    /// When this attempt's reply is late. Advice, never a reason to refuse.
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

    /// Hands every header to `put`, in the order of the wire document. A value is borrowed for the
    /// call only: nothing is allocated per header.
    pub fn write_headers(&self, put: impl FnMut(&'static str, &str)) {
        let mut to = Writer::new(put);
        to.value(header::ID, self.id);
        to.value(
            header::TYPE,
            format_args!("{}.{}", self.participant, self.command),
        );
        to.value(header::SOURCE, format_args!("{SOURCE}{}", self.definition));
        to.value(header::SUBJECT, self.saga);
        to.value(header::TIME, self.time);
        to.text(header::STEP, &self.step);
        to.text(header::DIRECTION, self.direction.as_str());
        if self.ask() == Ask::FenceCompensation {
            to.text(header::FENCES, Direction::Compensate.as_str());
        }
        to.value(header::GENERATION, self.generation);
        to.value(header::ATTEMPT, self.attempt);
        to.value(header::STARTED, self.started_at);
        to.value(header::REVISION, self.revision);
        to.optional(header::DEADLINE, self.deadline);
        to.text(header::REPLY_TOPIC, &self.reply_to.topic);
        to.value(header::REPLY_PARTITION, self.reply_to.partition);
        to.optional(header::TRACEPARENT, self.traceparent.as_ref());
    }

    /// The headers as a list, where speed does not matter.
    #[must_use]
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut all = Vec::new();
        self.write_headers(|name, value| all.push((name, value.to_owned())));
        all
    }

    /// Reads a record.
    ///
    /// # Errors
    ///
    /// Says the first thing by which the record is not a command of this format.
    pub fn parse(
        headers: impl Iterator<Item = (&'a str, &'a [u8])>,
        key: Option<&[u8]>,
        payload: Option<&'a [u8]>,
    ) -> Result<Self, Error> {
        let fields = Fields::read(headers)?;
        let (participant, command) = fields.message_type("")?;
        let step = fields.name(header::STEP)?;
        let direction = fields.direction()?;
        let message = Self {
            id: CommandId(fields.uuid(header::ID)?),
            participant: participant.into(),
            command: command.into(),
            definition: fields.source(SOURCE)?.into(),
            saga: fields.saga(key)?,
            step: step.into(),
            direction,
            fences_compensation: fields.fences_compensation(direction)?,
            generation: fields.number(header::GENERATION)?,
            attempt: fields.number(header::ATTEMPT)?,
            started_at: fields.time(header::STARTED)?,
            revision: fields.number(header::REVISION)?,
            deadline: fields.optional_time(header::DEADLINE)?,
            reply_to: ReplyTo {
                topic: fields.text(header::REPLY_TOPIC)?.into(),
                partition: fields.number(header::REPLY_PARTITION)?,
            },
            time: fields.time(header::TIME)?,
            traceparent: fields.optional(header::TRACEPARENT).map(Cow::Borrowed),
            payload: payload.ok_or(Error::NoPayload)?.into(),
        };
        let id = CommandId::of(message.saga, step, direction, message.generation);
        if id == message.id {
            Ok(message)
        } else {
            Err(Error::ForeignId(header::ID))
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

impl Fields<'_> {
    pub(super) fn direction(&self) -> Result<Direction, Error> {
        self.word(
            header::DIRECTION,
            Direction::from_word,
            "forward, compensate or fence",
        )
    }

    /// The saga, which is the record's key too.
    pub(super) fn saga(&self, key: Option<&[u8]>) -> Result<SagaId, Error> {
        let saga = self.uuid(header::SUBJECT)?;
        let same = key.and_then(|key| uuid::Uuid::try_parse_ascii(key).ok()) == Some(saga);
        if same {
            Ok(SagaId(saga))
        } else {
            Err(Error::Key)
        }
    }

    fn fences_compensation(&self, direction: Direction) -> Result<bool, Error> {
        match (direction, self.optional(header::FENCES)) {
            (_, None) => Ok(false),
            (Direction::Fence, Some("compensate")) => Ok(true),
            (_, Some(other)) => Err(Error::malformed(
                header::FENCES,
                other,
                "compensate, on a fence only",
            )),
        }
    }
}
