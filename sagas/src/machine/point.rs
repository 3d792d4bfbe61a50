//! Where a saga stands to its point of no return: the pivot, or without one the first retriable step
//! or notification.

use super::progress::{Progress, Trouble};
use super::turn::Turn;
use crate::definition::StepKind;

pub(super) enum Point {
    /// The saga may still turn back.
    Ahead,
    /// The pivot's command may have taken effect.
    InFlight(usize),
    /// A fence asks whether it has.
    Asked,
    /// The saga can only go on.
    Passed,
}

pub(super) fn point_of_no_return(turn: &Turn<'_>) -> Point {
    let Some(pivot) = turn.definition.pivot() else {
        let steps = turn.definition.steps().iter().enumerate();
        let mut last = steps.filter(|(_, step)| match step.kind {
            StepKind::Retriable | StepKind::Notify => true,
            StepKind::Compensatable | StepKind::Query | StepKind::Hint | StepKind::Pivot => false,
        });
        let is_ahead = last.all(|(step, _)| is_out_of_play(turn.progress(step)));
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
        Progress::Done | Progress::ByHand | Progress::Parked(_) => Point::Passed,
        // A pivot that is out of play has turned the saga back.
        Progress::Idle
        | Progress::Skipped
        | Progress::Rejected(_)
        | Progress::Unknown
        | Progress::Compensating(_)
        | Progress::Compensated => Point::Ahead,
    }
}

/// Whether the step has no effect and gets none while the saga stands as it does: it was never
/// sent, or it was refused although its command promised never to be.
fn is_out_of_play(progress: &Progress) -> bool {
    match progress {
        Progress::Idle
        | Progress::Skipped
        | Progress::Parked(Trouble::RejectedUnexpectedly { .. }) => true,
        Progress::Parked(Trouble::CommandUnbuildable { direction, .. }) => {
            *direction == crate::direction::Direction::Forward
        }
        Progress::Parked(_)
        | Progress::Forward(_)
        | Progress::Fencing(_)
        | Progress::Done
        | Progress::ByHand
        | Progress::Rejected(_)
        | Progress::Unknown
        | Progress::Compensating(_)
        | Progress::Compensated => false,
    }
}
