//! What an operator may do. Orders are part of the protocol, not edits of stored state: each has
//! an id, comes through the same door as every event, and is history.
//!
//! | order | what it does | makes no sense |
//! |---|---|---|
//! | cancel | turns the saga back; with the pivot in flight, fences it first | past the point of no return |
//! | pause, resume | holds everything that would be sent, lets it go again; replies are taken | twice |
//! | | after the deadline, resume turns the saga back, unless it has passed the point of no return | |
//! | retry now | the next attempt at once; the next generation of what was refused | where nothing waits |
//! | edit | a new payload: the next generation of a command or a compensation | where nothing is in flight or parked |
//! | skip | declares a step done by hand, after a fence | before the step's turn; while the saga turns back |
//! | resolve | declares a compensation done by hand, after a fence | while the saga goes forward |
//!
//! Skip and resolve fence first, unless nothing of the step was ever put in flight: until the
//! participant has said that the command can never take effect, it may.
//!
//! An order that is given again under its id is answered with what came of it. Another order under that
//! id is refused: it would be dropped, and its giver told of the first one's result.

mod by_hand;
mod cancel;
mod name;
mod pause;
mod retry;
mod same;

use serde::{Deserialize, Serialize};

use super::entry::{EntryKind, present};
use super::saga::{Applied, Status};
use super::turn::Turn;
use super::{Refusal, Transition};
use crate::id::OrderId;
use crate::json::Json;
use crate::sabotage::{Bug, is_seeded};

pub(super) use cancel::cancelled;
pub use name::OrderName;

/// An operator's order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Chosen by the client; repeated, the order is applied once.
    pub id: OrderId,
    /// Who gives it.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// What is to be done.
    pub kind: OrderKind,
}

/// What an operator can order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderKind {
    /// Turn the saga back, if it has not passed the point of no return: the pivot, or without one
    /// the first retriable step or notification. With the pivot in flight, its participant decides
    /// which came first, the pivot's command or the cancel ([`OrderResult::Fencing`]).
    Cancel,
    /// Send nothing new until [`OrderKind::Resume`]. Replies are still taken; nothing is due.
    Pause,
    /// Go on, and send what is in flight once more.
    Resume,
    /// Do not wait for the next attempt.
    RetryNow {
        /// Which step; `None`: every one that waits.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<String>,
    },
    /// Send another payload instead, as the next generation: of the forward command, or of the
    /// compensation where that is in flight or was refused.
    Edit {
        /// Which step.
        step: String,
        /// Of the command's type.
        payload: Json,
    },
    /// The step was done out of band; its command must not take effect any more.
    Skip {
        /// Which step.
        step: String,
        /// What the participant would have replied; needed where a later step reads it.
        #[serde(
            default,
            deserialize_with = "present",
            skip_serializing_if = "Option::is_none"
        )]
        reply: Option<Json>,
    },
    /// The step was undone out of band; its compensation must not take effect any more.
    Resolve {
        /// Which step.
        step: String,
    },
}

/// What came of an order at once. What a fence's answer makes of it is history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderResult {
    /// The saga turns back.
    Cancelling,
    /// A participant was asked to make a step final; its answer decides.
    Fencing,
    /// Nothing new is sent.
    Paused,
    /// The saga goes on.
    Resumed,
    /// The saga's deadline passed while it was paused: it turns back instead of going on.
    TurnedBack,
    /// A command is in flight again.
    Retrying,
    /// The step counts as done.
    Skipped,
    /// The step counts as undone.
    Resolved,
}

impl Order {
    /// The step that it is about.
    #[must_use]
    pub fn step(&self) -> Option<&str> {
        match &self.kind {
            OrderKind::Cancel | OrderKind::Pause | OrderKind::Resume => None,
            OrderKind::RetryNow { step } => step.as_deref(),
            OrderKind::Edit { step, .. }
            | OrderKind::Skip { step, .. }
            | OrderKind::Resolve { step } => Some(step),
        }
    }

    pub(super) fn substitute(&self) -> Option<&Json> {
        match &self.kind {
            OrderKind::Skip { reply, .. } => reply.as_ref(),
            OrderKind::Cancel
            | OrderKind::Pause
            | OrderKind::Resume
            | OrderKind::RetryNow { .. }
            | OrderKind::Edit { .. }
            | OrderKind::Resolve { .. } => None,
        }
    }
}

pub(super) fn apply(
    mut turn: Turn<'_>,
    status: Status,
    mut order: Order,
) -> Result<Transition, Refusal> {
    let settled = settle(&turn, &mut order);
    let before = turn.before.orders.get(&order.id);
    if let Some(applied) = before.filter(|_| !is_seeded(Bug::AppliesOrdersAgain)) {
        let is_same = settled.is_ok() && same::asks_the_same(&applied.order, &order);
        if is_same || is_seeded(Bug::TakesAnyOrderForTheFirst) {
            return Err(Refusal::OrderAppliedBefore(applied.result));
        }
        let first = Box::new(applied.clone());
        return Err(Refusal::OrderIdUsedOtherwise { first });
    }
    match status {
        Status::Completed | Status::Compensated => return Err(Refusal::Ended(status)),
        Status::Running | Status::Compensating | Status::Stuck => {}
    }
    settled?;
    let result = carry_out(&mut turn, &order)?;
    let (id, step) = (order.id, order.step().map(str::to_owned));
    let applied = Applied {
        order: order.clone(),
        result,
        at: turn.now,
    };
    turn.next.orders.insert(id, applied);
    let mut transition = turn.finish(EntryKind::Order);
    transition.entry.step = step;
    transition.entry.order = Some(order);
    transition.entry.result = Some(result);
    Ok(transition)
}

fn position(turn: &Turn<'_>, step: &str) -> Result<usize, Refusal> {
    let position = turn.definition.position(step);
    position.ok_or_else(|| Refusal::UnknownStep(step.to_owned()))
}

/// Fills in the reply that stands for the participant's, as history is to show it.
fn settle(turn: &Turn<'_>, order: &mut Order) -> Result<(), Refusal> {
    if let OrderKind::Skip { step, reply } = &mut order.kind {
        *reply = by_hand::substitute(turn, position(turn, step)?, reply.take())?;
    }
    Ok(())
}

fn carry_out(turn: &mut Turn<'_>, order: &Order) -> Result<OrderResult, Refusal> {
    match &order.kind {
        OrderKind::Cancel => cancel::cancel(turn, order),
        OrderKind::Pause => pause::pause(turn, order),
        OrderKind::Resume => pause::resume(turn),
        OrderKind::RetryNow { step: None } => retry::everything(turn),
        OrderKind::RetryNow { step: Some(step) } => retry::now(turn, position(turn, step)?),
        OrderKind::Edit { step, payload } => retry::edit(turn, position(turn, step)?, payload),
        OrderKind::Skip { step, .. } => by_hand::skip(turn, position(turn, step)?, order),
        OrderKind::Resolve { step } => by_hand::resolve(turn, position(turn, step)?, order),
    }
}
