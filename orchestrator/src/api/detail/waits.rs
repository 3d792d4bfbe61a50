//! What a step waits for, in words: the question of whoever looks at a saga that does not move.

use sagas::machine::{Flight, Moving, Progress, Waits};
use sagas::{Definition, StepKind};

/// `None` where nothing is waited for.
pub(super) fn tell(definition: &Definition, index: usize, moving: &Moving) -> Option<String> {
    let step = &definition.steps()[index];
    let is_unwinding = moving.reason.is_some();
    match &moving.steps[index] {
        Progress::Idle if is_unwinding => None,
        Progress::Idle => {
            let open = step.needs.iter();
            let open = open.filter(|need| moving.steps[*need] != Progress::Done);
            named(definition, open, "to be done")
        }
        Progress::Forward(flight) => {
            let end = forward_end(step.kind, flight, definition, is_unwinding);
            Some(waiting(step.participant, "", flight, &end))
        }
        Progress::Fencing(flight) => Some(waiting(
            step.participant,
            "the question whether it took effect, ",
            flight,
            &Next::Attempt,
        )),
        Progress::Undoing(flight) => {
            let command = step.compensation.as_ref().map_or("", |undo| undo.command);
            let what = format!("the compensation {command}, ");
            Some(waiting(step.participant, &what, flight, &Next::Attempt))
        }
        Progress::Done | Progress::Unknown if is_unwinding => {
            let standing = definition
                .dependents(index)
                .filter(|later| !is_gone(&moving.steps[*later]));
            named(definition, standing, "to be undone first")
        }
        Progress::Done
        | Progress::Unknown
        | Progress::Refused(_)
        | Progress::Undone
        | Progress::Parked(_) => None,
    }
}

/// What comes when the time is up.
enum Next {
    Attempt,
    GiveUp,
    Compensation,
}

fn forward_end(
    kind: StepKind,
    flight: &Flight,
    definition: &Definition,
    is_unwinding: bool,
) -> Next {
    if is_unwinding {
        Next::Compensation
    } else if kind == StepKind::Compensatable && definition.retry().is_last(flight.attempt) {
        Next::GiveUp
    } else {
        Next::Attempt
    }
}

fn waiting(participant: &str, what: &str, flight: &Flight, next: &Next) -> String {
    let (attempt, due) = (flight.attempt, flight.due_at);
    let following = attempt.saturating_add(1);
    if flight.waits == Waits::Retry {
        let failure = flight.failure.as_ref();
        let said = failure.map(|fault| format!(" ({}: {})", fault.code, fault.message));
        let said = said.unwrap_or_default();
        return format!(
            "{what}attempt {attempt} failed{said}; attempt {following} goes out at {due}"
        );
    }
    let then = match next {
        Next::Attempt => format!("attempt {following} goes out at {due}"),
        Next::GiveUp => format!("the saga gives up on it at {due} and turns back"),
        Next::Compensation => format!("it is compensated from {due} on, its outcome unknown"),
    };
    format!("waits for {participant} to answer {what}attempt {attempt}; if it stays silent, {then}")
}

fn named(definition: &Definition, steps: impl Iterator<Item = usize>, end: &str) -> Option<String> {
    let names: Vec<_> = steps
        .map(|step| definition.steps()[step].name.as_str())
        .collect();
    (!names.is_empty()).then(|| format!("waits for {} {end}", names.join(", ")))
}

fn is_gone(progress: &Progress) -> bool {
    matches!(
        progress,
        Progress::Idle | Progress::Refused(_) | Progress::Undone
    )
}
