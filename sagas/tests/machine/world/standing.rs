//! Standing of a saga's steps, as the naive rules see them: the machine's progress without its papers.

use sagas::Direction;
use sagas::machine::{Progress, Purpose, Saga, Trouble, Waits};

/// Standing of a step, without the papers that the machine keeps of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Idle,
    Forward,
    Retrying,
    Fencing(Purpose),
    Done,
    Skipped,
    ByHand,
    Refused,
    Unknown,
    Undoing,
    Undone,
    Parked(Why),
}

/// Reason why a step is parked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    CommandUnbuildable,
    CompensationUnbuildable,
    ReplyUnreadable,
    Refused,
    CompensationRefused,
    CompensatedElsewhere,
    DoneByHand,
    Expired,
}

/// Standing of each step of a saga.
pub(crate) fn steps(saga: &Saga) -> Vec<Step> {
    saga.moving.steps.iter().map(step).collect()
}

fn step(progress: &Progress) -> Step {
    match progress {
        Progress::Idle => Step::Idle,
        Progress::Forward(flight) if flight.waits == Waits::Retry => Step::Retrying,
        Progress::Forward(_) => Step::Forward,
        Progress::Fencing(fence) => Step::Fencing(fence.purpose),
        Progress::Done => Step::Done,
        Progress::Skipped => Step::Skipped,
        Progress::ByHand => Step::ByHand,
        Progress::Rejected(_) => Step::Refused,
        Progress::Unknown => Step::Unknown,
        Progress::Compensating(_) => Step::Undoing,
        Progress::Compensated => Step::Undone,
        Progress::Parked(trouble) => Step::Parked(match trouble {
            Trouble::CommandUnbuildable {
                direction: Direction::Forward,
                ..
            } => Why::CommandUnbuildable,
            Trouble::CommandUnbuildable { .. } => Why::CompensationUnbuildable,
            Trouble::ReplyUnreadable { .. } => Why::ReplyUnreadable,
            Trouble::RejectedUnexpectedly { .. } => Why::Refused,
            Trouble::CompensationRefused { .. } => Why::CompensationRefused,
            Trouble::CompensatedElsewhere => Why::CompensatedElsewhere,
            Trouble::DoneByHand => Why::DoneByHand,
            Trouble::Expired { .. } => Why::Expired,
        }),
    }
}
