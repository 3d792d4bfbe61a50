//! What to undo next: dependents first, independent steps in parallel.
//!
//! From the transition that turns a saga back, no forward command gets a new attempt. A sibling
//! that is in flight is waited for until it answers or its deadline passes: then its outcome is
//! unknown, and it is compensated. A compensation goes out only after every dependent was never
//! sent, was refused, or is confirmed undone; so nothing is undone that a successor still uses.

use super::Direction;
use super::saga::{Progress, Trouble, Waits};
use super::turn::Turn;

/// Sends every compensation that nothing stands in the way of.
pub(super) fn undo_what_is_free(turn: &mut Turn<'_>) {
    for step in 0..turn.definition.steps().len() {
        if let Some(progress) = settled(turn.progress(step)) {
            turn.set(step, progress);
        }
    }
    // A step comes after those it needs, so the last step is looked at first.
    for step in (0..turn.definition.steps().len()).rev() {
        let has_effect = matches!(turn.progress(step), Progress::Done | Progress::Unknown);
        if has_effect
            && turn
                .definition
                .dependents(step)
                .all(|later| is_gone(turn.progress(later)))
        {
            undo(turn, step);
        }
    }
}

fn is_gone(progress: &Progress) -> bool {
    matches!(
        progress,
        Progress::Idle | Progress::Refused(_) | Progress::Undone
    )
}

/// What a saga that turns back knows better of a step: `None` where nothing changes.
fn settled(progress: &Progress) -> Option<Progress> {
    match progress {
        // It answered `failed`, and gets no new attempt.
        Progress::Forward(flight) if flight.waits == Waits::Retry => Some(Progress::Unknown),
        // It took effect; that its reply cannot be read matters only to successors.
        Progress::Parked(Trouble::ReplyUnreadable { .. }) => Some(Progress::Unknown),
        Progress::Parked(Trouble::RefusedUnexpectedly { fault }) => {
            Some(Progress::Refused(fault.clone()))
        }
        Progress::Parked(Trouble::CommandUnbuildable {
            direction: Direction::Forward,
            ..
        }) => Some(Progress::Idle),
        Progress::Parked(
            Trouble::CommandUnbuildable { .. }
            | Trouble::CompensationRefused { .. }
            | Trouble::UndoneElsewhere
            | Trouble::Expired { .. },
        )
        | Progress::Idle
        | Progress::Forward(_)
        | Progress::Fencing(_)
        | Progress::Done
        | Progress::Refused(_)
        | Progress::Unknown
        | Progress::Undoing(_)
        | Progress::Undone => None,
    }
}

fn undo(turn: &mut Turn<'_>, step: usize) {
    let definition = &turn.definition.steps()[step];
    match definition.compensation_payload(&turn.next.input, turn.next.known()) {
        Some(Ok(payload)) => turn.launch(step, Direction::Compensate, payload),
        Some(Err(error)) => {
            let direction = Direction::Compensate;
            turn.park(step, Trouble::CommandUnbuildable { direction, error });
        }
        // Only compensatable steps are ever undone: `build()` puts all others after the point of
        // no return, and beyond it nothing turns back.
        None => unreachable!("step {:?} has no compensation to send", definition.name),
    }
}
