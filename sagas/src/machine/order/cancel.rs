//! Cancel: the saga turns back, if it has not passed its point of no return.

use super::super::Refusal;
use super::super::point::{Point, point_of_no_return};
use super::super::progress::{Progress, Purpose};
use super::super::saga::Reason;
use super::super::turn::Turn;
use super::{Order, OrderResult};
use crate::fault::Fault;
use crate::sabotage::{Bug, is_seeded};

pub(super) fn cancel(turn: &mut Turn<'_>, order: &Order) -> Result<OrderResult, Refusal> {
    if turn.next.is_unwinding() {
        return Err(Refusal::OrderMakesNoSense(
            "the saga is being compensated already",
        ));
    }
    match point_of_no_return(turn) {
        Point::Ahead => {
            turn.turn_back(cancelled(order));
            Ok(OrderResult::Cancelling)
        }
        Point::InFlight(pivot) if is_seeded(Bug::CancelsWithoutFence) => {
            turn.set(pivot, Progress::Compensated);
            turn.turn_back(cancelled(order));
            Ok(OrderResult::Cancelling)
        }
        Point::InFlight(pivot) => {
            turn.launch_fence(pivot, Purpose::Cancel, order);
            Ok(OrderResult::Fencing)
        }
        Point::Asked => Err(Refusal::OrderMakesNoSense(
            "another order waits for the pivot's participant; its answer decides",
        )),
        Point::Passed => Err(Refusal::OrderMakesNoSense(
            "the saga has passed its point of no return and can only be completed",
        )),
    }
}

/// The reason of a saga that an operator's cancel turned back.
pub(in super::super) fn cancelled(order: &Order) -> Reason {
    let fault = Fault::new("cancelled", order.reason.clone());
    Reason::Cancelled {
        actor: order.actor.clone(),
        fault,
    }
}
