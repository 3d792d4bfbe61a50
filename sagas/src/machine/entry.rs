//! A history row: what happened, what was sent because of it, and where the saga stood then.
//!
//! It is what an operator reads, and where the bytes of input, commands and replies live. One flat
//! record, because opaque JSON does not survive serde's tagged enums.

use serde::{Deserialize, Deserializer, Serialize};

use super::order::{Order, OrderResult};
use super::saga::Status;
use crate::direction::{Direction, Outcome};
use crate::json::Json;
use crate::time::Timestamp;

/// What kind of event made a transition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// The saga was accepted.
    Started,
    /// A participant answered.
    Reply,
    /// Something was due.
    Wake,
    /// An operator gave an order.
    Order,
}

/// One transition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The saga's revision after it.
    pub revision: u64,
    /// When it was decided.
    pub at: Timestamp,
    /// What happened.
    pub event: EntryKind,
    /// Where the saga stood after it.
    pub status: Status,
    /// The input, on `started`.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub input: Option<Json>,
    /// The step that a reply or an order is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// Direction of the command that a reply answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// Generation that a reply answers; 1 where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u32>,
    /// Attempt that a reply answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// What a reply says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// A reply's payload.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub payload: Option<Json>,
    /// The reply came too late to move anything; it is the truth nevertheless.
    #[serde(default, skip_serializing_if = "is_false")]
    pub late: bool,
    /// A wake's: whether the broker was known to have all that had been sent before.
    #[serde(default, skip_serializing_if = "is_false")]
    pub published: bool,
    /// Steps whose command is kept back after it, or was dropped by it, because their topics take nothing.
    /// Where `sent` names one of them, that command was not handed to the broker.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub withheld: Vec<String>,
    /// Steps whose silence counted for nothing, because their topics took nothing for some time: `sent` has
    /// the same attempt once more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excused: Vec<String>,
    /// The reply that a person gave in the participant's stead.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub substitute: Option<Json>,
    /// Steps whose condition was found not to hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<String>,
    /// The order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Order>,
    /// What came of the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<OrderResult>,
    /// What was sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sent: Vec<Sent>,
    /// The saga's result, once completed.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub output: Option<Json>,
    /// Why there is no result although the saga completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

impl Entry {
    /// An entry that says no more than what kind of event it was.
    pub(super) fn of(event: EntryKind, revision: u64, at: Timestamp, status: Status) -> Self {
        Self {
            revision,
            at,
            event,
            status,
            input: None,
            step: None,
            direction: None,
            generation: None,
            attempt: None,
            outcome: None,
            payload: None,
            late: false,
            published: false,
            withheld: Vec::new(),
            excused: Vec::new(),
            substitute: None,
            skipped: Vec::new(),
            order: None,
            result: None,
            sent: Vec::new(),
            output: None,
            trouble: None,
        }
    }
}

/// One command that was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// The step's name.
    pub step: String,
    /// Which way it goes.
    pub direction: Direction,
    /// Which payload.
    pub generation: u32,
    /// Which try.
    pub attempt: u32,
    /// A fence: whether of the compensation.
    #[serde(default, skip_serializing_if = "is_false")]
    pub fences_compensation: bool,
    /// The bytes, the first time; sent again as they are.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub payload: Option<Json>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes the field so"
)]
fn is_false(value: &bool) -> bool {
    !value
}

/// Reads a field that is there. Serde alone takes `null` for an absent `Option`; here `null` is a
/// value like any other: the input, payload or reply of a type that has nothing to say.
pub(super) fn present<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Json>, D::Error> {
    Json::deserialize(deserializer).map(Some)
}
