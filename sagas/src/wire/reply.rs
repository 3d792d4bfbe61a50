//! A participant's answer on its way to the orchestrator.

use std::borrow::Cow;

use super::header::{self, Fields, Writer};
use super::{CommandMessage, Error, Text, owned};
use crate::barrier::Answer;
use crate::{CommandId, Direction, Outcome, SagaId, Timestamp};

/// A reply, as it lies in `<prefix>.replies`.
///
/// Instants travel with millisecond resolution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyMessage<'a> {
    /// The command that it answers.
    pub command: CommandId,
    /// The service that answers.
    pub participant: Text<'a>,
    /// The command's name.
    pub command_name: Text<'a>,
    /// Echo: the saga.
    pub saga: SagaId,
    /// Echo: the step.
    pub step: Text<'a>,
    /// Echo: the direction.
    pub direction: Direction,
    /// Echo: the generation that was asked for.
    pub generation: u32,
    /// Echo: the try that is answered.
    pub attempt: u32,
    /// Echo: the saga's revision.
    pub revision: u64,
    /// The generation whose stored answer this is; an edit may have come too late.
    pub effective: Option<u32>,
    /// How the command came out.
    pub outcome: Outcome,
    /// When the message was built.
    pub time: Timestamp,
    /// W3C trace context.
    pub traceparent: Option<Text<'a>>,
    /// JSON, not looked into: the reply, a [`super::Fault`], or `null`.
    pub payload: Cow<'a, [u8]>,
}

impl<'a> ReplyMessage<'a> {
    /// What `command` is told. The payload is moved, everything else echoed.
    #[must_use]
    pub fn to(command: &'a CommandMessage<'_>, answer: Answer, time: Timestamp) -> Self {
        Self {
            command: command.id,
            participant: Cow::Borrowed(&command.participant),
            command_name: Cow::Borrowed(&command.command),
            saga: command.saga,
            step: Cow::Borrowed(&command.step),
            direction: command.direction,
            generation: command.generation,
            attempt: command.attempt,
            revision: command.revision,
            effective: answer.effective,
            outcome: answer.outcome,
            time,
            traceparent: command.traceparent.as_deref().map(Cow::Borrowed),
            payload: match answer.payload {
                Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
                Cow::Owned(text) => Cow::Owned(text.into_bytes()),
            },
        }
    }

    /// The record's key: the saga id.
    #[must_use]
    pub fn key(&self) -> String {
        self.saga.to_string()
    }

    /// Hands every header to `put`, in the order of the wire document. A value is borrowed for the
    /// call only: nothing is allocated per header.
    pub fn write_headers(&self, put: impl FnMut(&'static str, &str)) {
        let mut to = Writer::new(put);
        to.value(header::ID, self.command.reply_id());
        to.value(
            header::TYPE,
            format_args!("{}.{}{TYPE_SUFFIX}", self.participant, self.command_name),
        );
        to.value(header::SOURCE, format_args!("{SOURCE}{}", self.participant));
        to.value(header::SUBJECT, self.saga);
        to.value(header::TIME, self.time);
        to.value(header::COMMAND_ID, self.command);
        to.text(header::STEP, &self.step);
        to.text(header::DIRECTION, self.direction.as_str());
        to.value(header::GENERATION, self.generation);
        to.value(header::ATTEMPT, self.attempt);
        to.value(header::REVISION, self.revision);
        to.text(header::OUTCOME, self.outcome.as_str());
        to.optional(header::EFFECTIVE, self.effective);
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
    /// Says the first thing by which the record is not a reply of this format.
    pub fn parse(
        headers: impl Iterator<Item = (&'a str, &'a [u8])>,
        key: Option<&[u8]>,
        payload: Option<&'a [u8]>,
    ) -> Result<Self, Error> {
        let fields = Fields::read(headers)?;
        let (participant, command_name) = fields.message_type(TYPE_SUFFIX)?;
        if fields.source(SOURCE)? != participant {
            let source = fields.text(header::SOURCE)?;
            return Err(Error::malformed(
                header::SOURCE,
                source,
                "the participant of ce_type",
            ));
        }
        let step = fields.name(header::STEP)?;
        let message = Self {
            command: CommandId(fields.uuid(header::COMMAND_ID)?),
            participant: participant.into(),
            command_name: command_name.into(),
            saga: fields.saga(key)?,
            step: step.into(),
            direction: fields.direction()?,
            generation: fields.number(header::GENERATION)?,
            attempt: fields.number(header::ATTEMPT)?,
            revision: fields.number(header::REVISION)?,
            effective: fields.optional_number(header::EFFECTIVE)?,
            outcome: fields.word(header::OUTCOME, Outcome::from_word, "a known outcome")?,
            time: fields.time(header::TIME)?,
            traceparent: fields.optional(header::TRACEPARENT).map(Cow::Borrowed),
            payload: payload.ok_or(Error::NoPayload)?.into(),
        };
        let command = CommandId::of(message.saga, step, message.direction, message.generation);
        if message.command != command {
            return Err(Error::ForeignId(header::COMMAND_ID));
        }
        if fields.uuid(header::ID)? != command.reply_id() {
            return Err(Error::ForeignId(header::ID));
        }
        Ok(message)
    }

    /// The same message, independent of what it was made or read from.
    #[must_use]
    pub fn into_owned(self) -> ReplyMessage<'static> {
        ReplyMessage {
            participant: owned(self.participant),
            command_name: owned(self.command_name),
            step: owned(self.step),
            traceparent: self.traceparent.map(owned),
            payload: Cow::Owned(self.payload.into_owned()),
            ..self
        }
    }
}

/// What every reply's source starts with.
const SOURCE: &str = "/participants/";

/// What every reply's type ends with.
const TYPE_SUFFIX: &str = ".reply";
