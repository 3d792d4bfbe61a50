//! A participant's answer on its way to the orchestrator.

use std::borrow::Cow;

use super::fields::Fields;
use super::writer::Writer;
use super::{Attribute, CommandMessage, Error, Text, owned};
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

    /// The record's value: the attributes in the order of the wire document, then the payload as it
    /// is, unless it is `null`. A payload that is not JSON makes a value that nobody can read.
    #[must_use]
    pub fn value(&self) -> Vec<u8> {
        let mut to = Writer::new(&self.payload);
        to.put(Attribute::Id, self.command.reply_id());
        let (participant, command) = (&self.participant, &self.command_name);
        let message_type = format_args!("{participant}.{command}{TYPE_SUFFIX}");
        to.put(Attribute::Type, message_type);
        to.put(Attribute::Source, format_args!("{SOURCE}{participant}"));
        to.put(Attribute::Subject, self.saga);
        to.put(Attribute::Time, format_args!("{}", self.time));
        to.put(Attribute::CommandId, self.command);
        to.put(Attribute::Step, &self.step);
        to.put(Attribute::Direction, self.direction.as_str());
        to.put(Attribute::Generation, self.generation);
        to.put(Attribute::Attempt, self.attempt);
        to.put(Attribute::Revision, self.revision);
        to.put(Attribute::Outcome, self.outcome.as_str());
        to.put_if(Attribute::Effective, self.effective);
        to.put_if(Attribute::TraceParent, self.traceparent.as_ref());
        to.finish()
    }

    /// Reads a record.
    ///
    /// # Errors
    ///
    /// Says the first thing by which the record is not a reply of this format.
    pub fn parse(key: Option<&[u8]>, value: Option<&'a [u8]>) -> Result<Self, Error> {
        let fields = Fields::read(value)?;
        let expected = "<participant>.<command>.reply";
        let (participant, command_name) = fields.message_type(TYPE_SUFFIX, expected)?;
        if fields.source(SOURCE)? != participant {
            return Err(fields.malformed(Attribute::Source, "the participant of the type"));
        }
        let outcome = fields.word(Attribute::Outcome, Outcome::from_word, "a known outcome")?;
        let message = Self {
            command: CommandId(fields.uuid(Attribute::CommandId)?),
            participant,
            command_name,
            saga: fields.saga(key)?,
            step: fields.name(Attribute::Step)?,
            direction: fields.direction()?,
            generation: fields.number(Attribute::Generation)?,
            attempt: fields.number(Attribute::Attempt)?,
            revision: fields.number(Attribute::Revision)?,
            effective: effective(&fields, outcome)?,
            outcome,
            time: fields.time(Attribute::Time)?,
            traceparent: fields.optional_text(Attribute::TraceParent)?,
            payload: fields.data()?,
        };
        let (saga, step) = (message.saga, &message.step);
        let command = CommandId::of(saga, step, message.direction, message.generation);
        if message.command != command {
            return Err(Error::ForeignId(Attribute::CommandId));
        }
        if fields.uuid(Attribute::Id)? != command.reply_id() {
            return Err(Error::ForeignId(Attribute::Id));
        }
        Ok(message)
    }

    /// Whom a record answers that [`Self::parse`] refuses; `None` where it does not say that beyond doubt.
    ///
    /// Beyond doubt is a command id that follows from saga, step, direction and generation, in a record
    /// of our version under the saga's key.
    #[must_use]
    pub fn attribute(key: Option<&[u8]>, value: Option<&'a [u8]>) -> Option<Attribution<'a>> {
        let fields = Fields::salvage(value?)?;
        let (saga, step) = (fields.saga(key).ok()?, fields.name(Attribute::Step).ok()?);
        let direction = fields.direction().ok()?;
        let generation = fields.number(Attribute::Generation).ok()?;
        let command = CommandId(fields.uuid(Attribute::CommandId).ok()?);
        let is_its = command == CommandId::of(saga, &step, direction, generation);
        is_its.then(|| Attribution {
            saga,
            step,
            direction,
            generation,
            attempt: fields.number(Attribute::Attempt).ok(),
            revision: fields.number(Attribute::Revision).ok(),
        })
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

/// Whom a reply answers that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribution<'a> {
    /// The saga.
    pub saga: SagaId,
    /// The step.
    pub step: Text<'a>,
    /// The direction of the command.
    pub direction: Direction,
    /// Its generation.
    pub generation: u32,
    /// The try that is answered, if that can be read.
    pub attempt: Option<u32>,
    /// The saga's revision that is echoed, if that can be read.
    pub revision: Option<u64>,
}

/// Required where an answer is stored: it says which generation's answer that is.
fn effective(fields: &Fields<'_>, outcome: Outcome) -> Result<Option<u32>, Error> {
    let effective = fields.optional_number(Attribute::Effective)?;
    let is_stored = matches!(outcome, Outcome::Succeeded | Outcome::Rejected);
    if is_stored && effective.is_none() {
        return Err(Error::Missing(Attribute::Effective));
    }
    Ok(effective)
}

/// What every reply's source starts with.
const SOURCE: &str = "/participants/";

/// What every reply's type ends with.
const TYPE_SUFFIX: &str = ".reply";
