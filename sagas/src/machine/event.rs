//! What can happen to a saga.

use super::order::Order;
use crate::direction::{Direction, Outcome};
use crate::json::Json;

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The saga was accepted. The first event of every saga, and only the first.
    Start,
    /// A participant answered. Repeated or late, it is refused and changes nothing.
    Reply(Reply),
    /// Something may be due.
    Wake {
        /// Whether the broker is known to have acknowledged everything that the saga has in
        /// flight and not withheld. `false` where nobody knows, as after a restart: then what was sent longer ago
        /// than [`super::CONFIRM_WITHIN`] is sent again, as the same attempt. `true` never
        /// cancels the next attempt, because the participant may have lost what the broker had.
        published: bool,
    },
    /// An operator gave an order.
    Order(Order),
}

/// A participant's answer, as the state machine sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The step's name.
    pub step: String,
    /// Direction of the command that it answers.
    pub direction: Direction,
    /// Generation of the command that it answers.
    pub generation: u32,
    /// Attempt that it answers; 0, which none has, where that could not be read. Counts for `failed`
    /// alone: the other outcomes are final for every attempt.
    pub attempt: u32,
    /// What came of it.
    pub outcome: Outcome,
    /// With `succeeded` the command's reply, `null` for a compensation; with `rejected` and `failed`
    /// a [`crate::Fault`]; else `null`.
    pub payload: Json,
}
