//! What a step waits for, in words: the question of whoever looks at a saga that does not move.

use sagas::Definition;
use sagas::definition::StepDefinition;
use sagas::machine::{Flight, Moving, Progress, Purpose, Waits};

/// `None` where nothing is waited for.
pub(super) fn tell(definition: &Definition, index: usize, moving: &Moving) -> Option<String> {
    let waits = of_itself(definition, index, moving)?;
    let Some(pause) = &moving.paused else {
        return Some(waits);
    };
    let (actor, since) = (&pause.actor, pause.since);
    Some(format!("paused by {actor} since {since}; then {waits}"))
}

/// The same, as if the saga were not paused.
fn of_itself(definition: &Definition, index: usize, moving: &Moving) -> Option<String> {
    let step = &definition.steps()[index];
    let is_unwinding = moving.reason.is_some();
    match &moving.steps[index] {
        Progress::Idle if is_unwinding => None,
        Progress::Idle => {
            let is_open = |earlier: &usize| !moving.steps[*earlier].is_settled();
            // Where the needs were done by hand, it waits for what comes before them.
            let needs = named(definition, step.needs.iter().filter(is_open), "to be done");
            let earlier = step.ancestors.iter().filter(is_open);
            needs.or_else(|| named(definition, earlier, "to be done"))
        }
        Progress::Forward(flight) => {
            let end = forward_end(step, flight, is_unwinding);
            Some(waiting(step.participant, "", flight, &end))
        }
        Progress::Fencing(fence) => {
            let what = match fence.purpose {
                Purpose::Cancel | Purpose::Skip => "the question whether it took effect, ",
                Purpose::Resolve => "the question whether its compensation took effect, ",
            };
            Some(waiting(
                step.participant,
                what,
                &fence.flight,
                &Next::Attempt,
            ))
        }
        Progress::Compensating(flight) => {
            let command = step.compensation.as_ref().map_or("", |undo| undo.command);
            let what = format!("the compensation {command}, ");
            Some(waiting(step.participant, &what, flight, &Next::Attempt))
        }
        Progress::Done | Progress::Unknown | Progress::ByHand if is_unwinding => {
            let standing = definition
                .dependents(index)
                .filter(|later| !moving.steps[*later].is_gone());
            named(definition, standing, "to be compensated first")
        }
        Progress::Done
        | Progress::Skipped
        | Progress::ByHand
        | Progress::Unknown
        | Progress::Rejected(_)
        | Progress::Compensated
        | Progress::Parked(_) => None,
    }
}

/// What comes when the time is up.
enum Next {
    Attempt,
    GiveUp,
    Compensation,
}

fn forward_end(step: &StepDefinition, flight: &Flight, is_unwinding: bool) -> Next {
    if is_unwinding {
        Next::Compensation
    } else if step.kind.may_be_given_up()
        && step.retry.is_last(flight.attempt)
        && flight.unreadable.is_none()
    {
        Next::GiveUp
    } else {
        Next::Attempt
    }
}

fn waiting(participant: &str, what: &str, flight: &Flight, next: &Next) -> String {
    let (attempt, due) = (flight.attempt, flight.due_at);
    if let Some(since) = flight.withheld_since {
        return format!(
            "waits for the topic of {participant} to take something, since {since}; then {what}attempt {attempt} \
             is sent, or sent again"
        );
    }
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
