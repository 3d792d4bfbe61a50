//! What an operator may do. Orders are part of the protocol, not edits of stored state: each has
//! an id, comes through the same door as every event, and is history.

use serde::{Deserialize, Serialize};

use super::entry::EntryKind;
use super::saga::{Progress, Reason, Status, Trouble};
use super::turn::Turn;
use super::{Direction, Refusal, Transition};
use crate::definition::StepKind;
use crate::fault::Fault;
use crate::id::OrderId;
use crate::json::Json;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderKind {
    /// Turn the saga back, if it has not passed the point of no return: the pivot, or without one
    /// the first retriable step. With the pivot in flight, its participant decides which came first,
    /// the pivot's command or the cancel ([`OrderResult::Fencing`]).
    Cancel,
}

/// What came of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderResult {
    /// The saga turns back.
    Cancelling,
    /// The pivot is in flight: its participant was asked to make it final. If it has taken effect,
    /// the saga goes on; if not, the saga turns back.
    Fencing,
}

pub(super) fn apply(
    mut turn: Turn<'_>,
    status: Status,
    order: Order,
) -> Result<Transition, Refusal> {
    if let Some(result) = turn.before.orders.get(&order.id) {
        return Err(Refusal::OrderAppliedBefore(*result));
    }
    let OrderKind::Cancel = order.kind;
    match status {
        Status::Completed | Status::Compensated => return Err(Refusal::Ended(status)),
        Status::Running | Status::Compensating | Status::Stuck => {}
    }
    let result = cancel(&mut turn, &order)?;
    turn.next.orders.insert(order.id, result);
    let mut transition = turn.finish(EntryKind::Order);
    transition.entry.order = Some(order);
    transition.entry.result = Some(result);
    Ok(transition)
}

fn cancel(turn: &mut Turn<'_>, order: &Order) -> Result<OrderResult, Refusal> {
    if turn.next.is_unwinding() {
        return Err(Refusal::OrderMakesNoSense(
            "the saga is being compensated already",
        ));
    }
    match point_of_no_return(turn) {
        Point::Ahead => {
            turn.next.moving.reason = Some(cancelled(order));
            Ok(OrderResult::Cancelling)
        }
        Point::InFlight(pivot) => {
            turn.launch(pivot, Direction::Fence, Json::null());
            turn.next.moving.cancel = Some(order.clone());
            Ok(OrderResult::Fencing)
        }
        Point::Asked => Err(Refusal::OrderMakesNoSense(
            "another cancel waits for the pivot's participant; its answer decides",
        )),
        Point::Passed => Err(Refusal::OrderMakesNoSense(
            "the saga has passed its point of no return and can only be completed",
        )),
    }
}

/// The reason of a saga that an operator's cancel turned back.
pub(super) fn cancelled(order: &Order) -> Reason {
    let fault = Fault::new("cancelled", order.reason.clone());
    Reason::Cancelled {
        actor: order.actor.clone(),
        fault,
    }
}

enum Point {
    Ahead,
    InFlight(usize),
    Asked,
    Passed,
}

/// Where the saga stands to its pivot; without one, to its first retriable step.
fn point_of_no_return(turn: &Turn<'_>) -> Point {
    let Some(pivot) = turn.definition.pivot() else {
        let steps = turn.definition.steps().iter().enumerate();
        let mut retriable = steps.filter(|(_, step)| step.kind == StepKind::Retriable);
        let is_ahead = retriable.all(|(step, _)| is_out_of_play(turn.progress(step)));
        return if is_ahead {
            Point::Ahead
        } else {
            Point::Passed
        };
    };
    match turn.progress(pivot) {
        progress if is_out_of_play(progress) => Point::Ahead,
        Progress::Forward(_) => Point::InFlight(pivot),
        Progress::Fencing(_) => Point::Asked,
        // It took effect, or nobody can tell.
        Progress::Done | Progress::Parked(_) => Point::Passed,
        // A pivot that is out of play has turned the saga back.
        Progress::Idle
        | Progress::Refused(_)
        | Progress::Unknown
        | Progress::Undoing(_)
        | Progress::Undone => Point::Ahead,
    }
}

/// Whether the step has no effect and gets none while the saga stands as it does: it was never
/// sent, or it was refused although its command promised never to be.
fn is_out_of_play(progress: &Progress) -> bool {
    match progress {
        Progress::Idle | Progress::Parked(Trouble::RefusedUnexpectedly { .. }) => true,
        Progress::Parked(Trouble::CommandUnbuildable { direction, .. }) => {
            *direction == Direction::Forward
        }
        Progress::Parked(_)
        | Progress::Forward(_)
        | Progress::Fencing(_)
        | Progress::Done
        | Progress::Refused(_)
        | Progress::Unknown
        | Progress::Undoing(_)
        | Progress::Undone => false,
    }
}
