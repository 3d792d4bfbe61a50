//! What can happen to a saga.

use super::order::Order;
use crate::direction::{Direction, Outcome};
use crate::json::Json;

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The saga was accepted.
    Start,
    /// A participant answered.
    Reply(Reply),
    /// Something may be due.
    Wake {
        /// Whether the broker is known to have acknowledged everything that the saga has in
        /// flight. `false` where nobody knows: then what was sent a while ago is sent again.
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
    /// Attempt that it answers.
    pub attempt: u32,
    /// What came of it.
    pub outcome: Outcome,
    /// The command's reply, a [`super::Fault`], or `null`; by outcome.
    pub payload: Json,
}
