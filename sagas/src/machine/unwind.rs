//! What to undo next: dependents first, independent steps in parallel.
//!
//! From the transition that turns a saga back, no forward command gets a new attempt. A sibling
//! that is in flight is waited for until it answers or its deadline passes: then its outcome is
//! unknown, and it is compensated. A compensation goes out only after every dependent was never
//! sent, was skipped, was refused, or is confirmed undone; so nothing is undone that a successor
//! still uses. What has no effect, a query or a hint, is not waited for and not undone. What a person
//! did, a person undoes: such a step is parked when its turn comes.

use super::Direction;
use super::progress::{Progress, Trouble, Waits};
use super::turn::Turn;
use crate::definition::StepKind;
use crate::sabotage::{Bug, is_seeded};

/// Settles what need not be waited for.
pub(super) fn let_go(turn: &mut Turn<'_>) {
    for step in 0..turn.definition.steps().len() {
        let kind = turn.definition.steps()[step].kind;
        if let Some(progress) = settled(kind, turn.progress(step)) {
            turn.set(step, progress);
        }
    }
}

/// Sends every compensation that nothing stands in the way of.
pub(super) fn undo_what_is_free(turn: &mut Turn<'_>) {
    // A step comes after those it needs, so the last step is looked at first.
    for step in (0..turn.definition.steps().len()).rev() {
        let has_effect = matches!(
            turn.progress(step),
            Progress::Done | Progress::Unknown | Progress::ByHand
        );
        let mut dependents = turn.definition.dependents(step);
        let is_free = dependents.all(|later| turn.progress(later).is_gone());
        if has_effect && (is_free || is_seeded(Bug::UndoesWithoutWaiting)) {
            undo(turn, step);
        }
    }
}

/// What a saga that turns back knows better of a step: `None` where nothing changes.
fn settled(kind: StepKind, progress: &Progress) -> Option<Progress> {
    match kind {
        StepKind::Query | StepKind::Hint => {
            return (!progress.is_gone()).then_some(Progress::Compensated);
        }
        StepKind::Compensatable | StepKind::Pivot | StepKind::Retriable | StepKind::Notify => {}
    }
    match progress {
        // It answered `failed`, and gets no new attempt.
        Progress::Forward(flight) if flight.waits == Waits::Retry => Some(Progress::Unknown),
        // It took effect; that its reply cannot be read matters only to successors.
        Progress::Parked(Trouble::ReplyUnreadable { .. }) => Some(Progress::Unknown),
        Progress::Parked(Trouble::RejectedUnexpectedly { fault }) => {
            Some(Progress::Rejected(fault.clone()))
        }
        Progress::Parked(Trouble::CommandUnbuildable {
            direction: Direction::Forward,
            ..
        }) => Some(Progress::Idle),
        Progress::Parked(
            Trouble::CommandUnbuildable { .. }
            | Trouble::CompensationRefused { .. }
            | Trouble::DoneByHand
            | Trouble::CompensatedElsewhere
            | Trouble::Expired { .. },
        )
        | Progress::Idle
        | Progress::Forward(_)
        | Progress::Fencing(_)
        | Progress::Done
        | Progress::Skipped
        | Progress::ByHand
        | Progress::Rejected(_)
        | Progress::Unknown
        | Progress::Compensating(_)
        | Progress::Compensated => None,
    }
}

fn undo(turn: &mut Turn<'_>, step: usize) {
    if *turn.progress(step) == Progress::ByHand {
        turn.park(step, Trouble::DoneByHand);
        return;
    }
    let definition = &turn.definition.steps()[step];
    match definition.compensation_payload(&turn.next.input, turn.next.known()) {
        Some(Ok(payload)) => turn.launch_compensation(step, payload),
        Some(Err(error)) => {
            let direction = Direction::Compensate;
            turn.park(step, Trouble::CommandUnbuildable { direction, error });
        }
        // Only compensatable steps are ever undone: `build()` puts all others with an effect after
        // the point of no return, and beyond it nothing turns back.
        None => unreachable!("step {:?} has no compensation to send", definition.name),
    }
}
