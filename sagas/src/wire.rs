//! The messages between orchestrator and participants: version 3, as `docs/wire.md` has it.
//!
//! CloudEvents 1.0 in structured mode: a record's value is one JSON object, with the attributes and,
//! as its last member, a payload that nobody opens on the way. Messages are values here; a shell
//! writes them to Kafka and hands in what it read.
//!
//! Invariant: what [`CommandMessage::parse`] and [`ReplyMessage::parse`] accept is what the writers
//! write, and its ids are the ones that follow from its step. A message that breaks the format is
//! refused with a reason that a person can act on.
//!
//! Not here: Kafka, the meaning of an outcome, and whether a payload fits its command.

use std::borrow::Cow;

mod attribute;
mod command;
mod error;
mod event;
mod fields;
mod headers;
mod probe;
mod reply;
mod salvage;
pub mod size;
pub mod topics;
mod writer;

pub use crate::fault::Fault;
pub use attribute::Attribute;
pub use command::{CommandMessage, ReplyTo};
pub use error::Error;
pub use event::EventMessage;
pub use headers::Headers;
pub use probe::{is_probe, probe};
pub use reply::{Attribution, ReplyMessage};

/// The version of this format, in [`Attribute::Wire`]. Version 1 was CloudEvents' binary mode.
pub const VERSION: &str = "3";

/// The one header of every record, name and value. It tells other tools what the value is; whoever
/// reads a message here does not ask for it.
pub const CONTENT_TYPE: (&str, &str) = ("content-type", "application/cloudevents+json");

/// The version of CloudEvents, in [`Attribute::SpecVersion`].
const SPEC_VERSION: &str = "1.0";

/// A part of a message that is borrowed from the record it was read from, or owned.
type Text<'a> = Cow<'a, str>;

fn owned(text: Text<'_>) -> Text<'static> {
    Cow::Owned(text.into_owned())
}

#[cfg(test)]
mod tests;
