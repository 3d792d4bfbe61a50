//! The headers' names, and how their values are read and written.
//!
//! One pass over a record's headers fills a slot per known name; unknown headers are somebody
//! else's and are left alone. Values are ASCII except where a trace context says otherwise.

use std::fmt::{Display, Write as _};
use std::str::FromStr;

use uuid::Uuid;

use super::Error;
use crate::{Timestamp, name};

macro_rules! headers {
    ($($(#[$doc:meta])* $constant:ident = $name:literal),+ $(,)?) => {
        $($(#[$doc])* pub const $constant: &str = $name;)+

        /// Every header of this format.
        pub const ALL: &[&str] = &[$($constant),+];
    };
}
headers! {
    /// `application/json`.
    CONTENT_TYPE = "content-type",
    /// `1.0`, the version of CloudEvents.
    SPEC_VERSION = "ce_specversion",
    /// The message's id.
    ID = "ce_id",
    /// What the message is: `inventory.reserve-stock`, `inventory.reserve-stock.reply`.
    TYPE = "ce_type",
    /// Who sends it: `/sagas/place-order`, `/participants/inventory`.
    SOURCE = "ce_source",
    /// The saga's id.
    SUBJECT = "ce_subject",
    /// When it was built.
    TIME = "ce_time",
    /// The version of this format.
    WIRE = "ce_wire",
    /// The step's name.
    STEP = "ce_step",
    /// `forward`, `compensate` or `fence`.
    DIRECTION = "ce_direction",
    /// On a fence of a compensation only: `compensate`.
    FENCES = "ce_fences",
    /// Which version of the command: one more for each edit, from 1.
    GENERATION = "ce_generation",
    /// Which try of this command, from 1.
    ATTEMPT = "ce_attempt",
    /// When the saga started.
    STARTED = "ce_started",
    /// The saga's revision when the command was put in flight.
    REVISION = "ce_revision",
    /// When the orchestrator stops waiting for this attempt.
    DEADLINE = "ce_deadline",
    /// The topic that takes the reply.
    REPLY_TOPIC = "ce_replytopic",
    /// The partition that takes the reply.
    REPLY_PARTITION = "ce_replypartition",
    /// The id of the command that a reply answers.
    COMMAND_ID = "ce_commandid",
    /// How the command came out.
    OUTCOME = "ce_outcome",
    /// The generation whose stored answer this is.
    EFFECTIVE = "ce_effective",
    /// W3C trace context.
    TRACEPARENT = "traceparent",
}

/// The values of one record's known headers.
pub(super) struct Fields<'a> {
    slots: [Option<&'a str>; ALL.len()],
}

impl<'a> Fields<'a> {
    pub(super) fn read(headers: impl Iterator<Item = (&'a str, &'a [u8])>) -> Result<Self, Error> {
        let mut slots = [None; ALL.len()];
        for (name, value) in headers {
            let Some(known) = ALL.iter().position(|header| *header == name) else {
                continue;
            };
            let text = str::from_utf8(value).map_err(|_| Error::NotText(ALL[known]))?;
            if slots[known].replace(text).is_some() {
                return Err(Error::Repeated(ALL[known]));
            }
        }
        let fields = Self { slots };
        fields.check_versions()?;
        Ok(fields)
    }

    fn check_versions(&self) -> Result<(), Error> {
        match self.text(WIRE)? {
            super::VERSION => {}
            other => return Err(Error::Version(other.chars().take(20).collect())),
        }
        self.exactly(SPEC_VERSION, "1.0")?;
        self.exactly(CONTENT_TYPE, super::CONTENT_TYPE)
    }

    fn exactly(&self, header: &'static str, expected: &'static str) -> Result<(), Error> {
        match self.text(header)? {
            value if value == expected => Ok(()),
            other => Err(Error::malformed(header, other, expected)),
        }
    }

    pub(super) fn optional(&self, header: &'static str) -> Option<&'a str> {
        ALL.iter()
            .position(|name| *name == header)
            .and_then(|slot| self.slots[slot])
    }

    pub(super) fn text(&self, header: &'static str) -> Result<&'a str, Error> {
        self.optional(header).ok_or(Error::Missing(header))
    }

    pub(super) fn name(&self, header: &'static str) -> Result<&'a str, Error> {
        let text = self.text(header)?;
        check_name(header, text)?;
        Ok(text)
    }

    /// The name behind `prefix` in a source.
    pub(super) fn source(&self, prefix: &'static str) -> Result<&'a str, Error> {
        let text = self.text(SOURCE)?;
        let Some(name) = text.strip_prefix(prefix) else {
            return Err(Error::malformed(SOURCE, text, prefix));
        };
        check_name(SOURCE, name)?;
        Ok(name)
    }

    /// Participant and command of `<participant>.<command><suffix>`.
    pub(super) fn message_type(&self, suffix: &str) -> Result<(&'a str, &'a str), Error> {
        let text = self.text(TYPE)?;
        let names = text
            .strip_suffix(suffix)
            .and_then(|names| names.split_once('.'));
        let Some((participant, command)) = names else {
            return Err(Error::malformed(TYPE, text, "<participant>.<command>"));
        };
        check_name(TYPE, participant)?;
        check_name(TYPE, command)?;
        Ok((participant, command))
    }

    pub(super) fn uuid(&self, header: &'static str) -> Result<Uuid, Error> {
        let text = self.text(header)?;
        Uuid::parse_str(text).map_err(|_| Error::malformed(header, text, "a UUID"))
    }

    pub(super) fn number<N: FromStr>(&self, header: &'static str) -> Result<N, Error> {
        number(header, self.text(header)?)
    }

    pub(super) fn optional_number<N: FromStr>(
        &self,
        header: &'static str,
    ) -> Result<Option<N>, Error> {
        self.optional(header)
            .map(|text| number(header, text))
            .transpose()
    }

    pub(super) fn time(&self, header: &'static str) -> Result<Timestamp, Error> {
        time(header, self.text(header)?)
    }

    pub(super) fn optional_time(&self, header: &'static str) -> Result<Option<Timestamp>, Error> {
        self.optional(header)
            .map(|text| time(header, text))
            .transpose()
    }

    pub(super) fn word<W>(
        &self,
        header: &'static str,
        read: impl Fn(&str) -> Option<W>,
        expected: &'static str,
    ) -> Result<W, Error> {
        let text = self.text(header)?;
        read(text).ok_or_else(|| Error::malformed(header, text, expected))
    }
}

fn check_name(header: &'static str, text: &str) -> Result<(), Error> {
    name::check(text).map_err(|source| Error::Name { header, source })
}

fn number<N: FromStr>(header: &'static str, text: &str) -> Result<N, Error> {
    text.parse()
        .map_err(|_| Error::malformed(header, text, "a decimal number in its range"))
}

fn time(header: &'static str, text: &str) -> Result<Timestamp, Error> {
    Timestamp::parse(text).ok_or_else(|| Error::malformed(header, text, "an RFC 3339 instant"))
}

/// Hands headers to `put`, composing values in one reused buffer.
pub(super) struct Writer<P> {
    put: P,
    scratch: String,
}

impl<P: FnMut(&'static str, &str)> Writer<P> {
    /// A writer that has handed out the headers that are the same on every message.
    pub(super) fn new(put: P) -> Self {
        let mut writer = Self {
            put,
            scratch: String::with_capacity(128),
        };
        writer.text(CONTENT_TYPE, super::CONTENT_TYPE);
        writer.text(SPEC_VERSION, "1.0");
        writer.text(WIRE, super::VERSION);
        writer
    }

    pub(super) fn text(&mut self, header: &'static str, value: &str) {
        (self.put)(header, value);
    }

    pub(super) fn value(&mut self, header: &'static str, value: impl Display) {
        self.scratch.clear();
        write!(self.scratch, "{value}").expect("a String takes every text");
        (self.put)(header, &self.scratch);
    }

    pub(super) fn optional(&mut self, header: &'static str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.value(header, value);
        }
    }
}
