//! Whether two orders under one id are the same order.
//!
//! What they ask for and the reason decide, not who gives them: a colleague may repeat an order whose
//! answer was lost.

use std::fmt;

use super::{Order, OrderKind};
use crate::json::Json;

pub(super) fn asks_the_same(first: &Order, second: &Order) -> bool {
    first.reason == second.reason && is_same_kind(&first.kind, &second.kind)
}

fn is_same_kind(first: &OrderKind, second: &OrderKind) -> bool {
    use OrderKind::{Cancel, Edit, Pause, Resolve, Resume, RetryNow, Skip};
    match (first, second) {
        (Cancel, Cancel) | (Pause, Pause) | (Resume, Resume) => true,
        (RetryNow { step: one }, RetryNow { step: two }) => one == two,
        (
            Edit { step: one, payload },
            Edit {
                step: two,
                payload: other,
            },
        ) => one == two && payload.is_same_value(other),
        (
            Skip { step: one, reply },
            Skip {
                step: two,
                reply: other,
            },
        ) => one == two && is_same_reply(reply.as_ref(), other.as_ref()),
        (Resolve { step: one }, Resolve { step: two }) => one == two,
        (
            Cancel | Pause | Resume | RetryNow { .. } | Edit { .. } | Skip { .. } | Resolve { .. },
            _,
        ) => false,
    }
}

fn is_same_reply(first: Option<&Json>, second: Option<&Json>) -> bool {
    match (first, second) {
        (Some(one), Some(two)) => one.is_same_value(two),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// What is ordered, for people: `skip of the step "pack"`.
impl fmt::Display for OrderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cancel => f.write_str("cancel"),
            Self::Pause => f.write_str("pause"),
            Self::Resume => f.write_str("resume"),
            Self::RetryNow { step: None } => f.write_str("retry of every step"),
            Self::RetryNow { step: Some(step) } => write!(f, "retry of the step {step:?}"),
            Self::Edit { step, .. } => write!(f, "edit of the step {step:?}"),
            Self::Skip { step, .. } => write!(f, "skip of the step {step:?}"),
            Self::Resolve { step } => write!(f, "resolve of the step {step:?}"),
        }
    }
}
