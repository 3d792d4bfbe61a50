//! A lifecycle event on its way to whoever listens.

use std::borrow::Cow;

use uuid::Uuid;

use super::fields::Fields;
use super::writer::Writer;
use super::{Attribute, Error, Text};
use crate::{SagaId, Timestamp};

/// A lifecycle event, as it lies in `<prefix>.events`: at least once, and perhaps before an earlier one.
/// A consumer drops repeats by the id, and applies the events of a saga in the order of `sequence`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventMessage<'a> {
    /// `started`, `completed`, `compensating`, `compensated`, `stuck`, …; the type's last part.
    pub kind: Text<'a>,
    /// The definition of the saga.
    pub definition: Text<'a>,
    /// The saga.
    pub saga: SagaId,
    /// The saga's revision after what happened.
    pub revision: u64,
    /// Which event of the saga it is: 1 for `started`, and one more for each.
    pub sequence: u32,
    /// When it happened.
    pub time: Timestamp,
    /// W3C trace context.
    pub traceparent: Option<Text<'a>>,
    /// JSON, not looked into.
    pub payload: Cow<'a, [u8]>,
}

impl<'a> EventMessage<'a> {
    /// `UUIDv5(saga, "event/<revision>/<kind>")`: a repeat has the same id.
    #[must_use]
    pub fn id(&self) -> Uuid {
        let name = format!("event/{}/{}", self.revision, self.kind);
        Uuid::new_v5(&self.saga.0, name.as_bytes())
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
        to.put(Attribute::Id, self.id());
        to.put(Attribute::Type, format_args!("{TYPE}.{}", self.kind));
        let definition = &self.definition;
        to.put(Attribute::Source, format_args!("{SOURCE}{definition}"));
        to.put(Attribute::Subject, self.saga);
        to.put(Attribute::Time, format_args!("{}", self.time));
        to.put(Attribute::Revision, self.revision);
        to.put(Attribute::Sequence, self.sequence);
        to.put_if(Attribute::TraceParent, self.traceparent.as_ref());
        to.finish()
    }

    /// Reads a record.
    ///
    /// # Errors
    ///
    /// Says the first thing by which the record is not an event of this format.
    pub fn parse(key: Option<&[u8]>, value: Option<&'a [u8]>) -> Result<Self, Error> {
        let fields = Fields::read(value)?;
        let expected = "saga.<kind>";
        let (of, kind) = fields.message_type("", expected)?;
        if of != TYPE {
            return Err(fields.malformed(Attribute::Type, expected));
        }
        let message = Self {
            kind,
            definition: fields.source(SOURCE)?,
            saga: fields.saga(key)?,
            revision: fields.number(Attribute::Revision)?,
            sequence: fields.number(Attribute::Sequence)?,
            time: fields.time(Attribute::Time)?,
            traceparent: fields.optional_text(Attribute::TraceParent)?,
            payload: fields.data()?,
        };
        if fields.uuid(Attribute::Id)? == message.id() {
            Ok(message)
        } else {
            Err(Error::ForeignId(Attribute::Id))
        }
    }
}

/// What every event's type begins with.
const TYPE: &str = "saga";

/// What every event's source starts with.
const SOURCE: &str = "/sagas/";
