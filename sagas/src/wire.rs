//! The messages between orchestrator and participants: version 1, as `docs/wire.md` has it.
//!
//! CloudEvents 1.0 in binary mode: the envelope is Kafka headers, the payload is JSON that nobody
//! opens on the way. Messages are values here; a shell writes them to Kafka and hands in what it
//! read.
//!
//! Invariant: what [`CommandMessage::parse`] and [`ReplyMessage::parse`] accept is what the writers
//! write, and its ids are the ones that follow from its step. A message that breaks the format is
//! refused with a reason that a person can act on.
//!
//! Not here: Kafka, the meaning of an outcome, and whether a payload fits its command.

use std::borrow::Cow;

mod command;
mod error;
mod event;
pub mod header;
mod headers;
mod reply;
pub mod topics;

pub use crate::fault::Fault;
pub use command::{CommandMessage, ReplyTo};
pub use error::Error;
pub use event::EventMessage;
pub use headers::Headers;
pub use reply::ReplyMessage;

/// The version of this format, in [`header::WIRE`].
pub const VERSION: &str = "1";

/// The media type of every payload.
pub const CONTENT_TYPE: &str = "application/json";

/// A part of a message that is borrowed from the record it was read from, or owned.
type Text<'a> = Cow<'a, str>;

fn owned(text: Text<'_>) -> Text<'static> {
    Cow::Owned(text.into_owned())
}

#[cfg(test)]
mod tests;
