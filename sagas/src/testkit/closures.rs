//! What a definition's closures must keep: they give a value for everything that can happen, and
//! the same value for the same arguments.
//!
//! The second is asked three ways: the same event on the same state gives the same transition; the
//! stored state, read again, gives the bytes that were sent; and a condition does not change its
//! mind. A closure that looks at a clock or a counter answers one of them differently.

use super::invariants::{Broken, require};
use super::subject::Subject;
use crate::definition::{Replies, StepDefinition, Unbuildable};
use crate::direction::Direction;
use crate::json::Json;
use crate::machine::{Paper, Progress, Refusal, Saga, Transition, Trouble};

/// The same event on the same state, decided twice.
pub(super) fn decide_alike(
    once: &Result<Transition, Refusal>,
    twice: &Result<Transition, Refusal>,
) -> Result<(), Broken> {
    if once == twice {
        return Ok(());
    }
    let (Ok(once), Ok(twice)) = (once, twice) else {
        return Err("the same event on the same saga is refused once and taken once".to_owned());
    };
    let (first, second) = (&once.entry, &twice.entry);
    if first.skipped != second.skipped {
        let (first, second) = (first.skipped.join(", "), second.skipped.join(", "));
        return Err(impure(&format!(
            "a condition skips [{first}] first and [{second}] then"
        )));
    }
    let differs = first.sent.iter().zip(&second.sent).find(|(a, b)| a != b);
    Err(impure(&match differs {
        Some((a, b)) => {
            let text = |json: &Option<Json>| {
                json.as_ref()
                    .map_or_else(String::new, |json| json.text().to_owned())
            };
            let (step, direction) = (&a.step, a.direction);
            let (first, second) = (text(&a.payload), text(&b.payload));
            format!(
                "step {step:?} builds its {direction} command as {first} first and as {second} then"
            )
        }
        None if first.output != second.output => "the output is another the second time".to_owned(),
        None => "a closure gives a value only one time of two".to_owned(),
    }))
}

/// Every closure that ran gave a value.
pub(super) fn all_gave_a_value(
    subject: &Subject<'_>,
    transition: &Transition,
    may_wait: impl Fn(usize, &Trouble) -> bool,
) -> Result<(), Broken> {
    let next = &transition.next;
    for (step, progress) in next.moving.steps.iter().enumerate() {
        let Progress::Parked(trouble) = progress else {
            continue;
        };
        let name = subject.name(step);
        if may_wait(step, trouble) {
            continue;
        }
        let Trouble::CommandUnbuildable { direction, error } = trouble else {
            return Err(format!("step {name:?} waits for a person: {trouble}"));
        };
        return Err(match direction {
            Direction::Forward => no_value(subject, name, "command", error),
            Direction::Compensate | Direction::Fence if next.replies[step].is_some() => {
                no_value(subject, name, "compensation, with its own reply,", error)
            }
            Direction::Compensate | Direction::Fence => {
                no_value(subject, name, "compensation, without its own reply,", error)
            }
        });
    }
    match &transition.entry.trouble {
        Some(trouble) => Err(format!("the saga completed, but {trouble}")),
        None => Ok(()),
    }
}

fn no_value(subject: &Subject<'_>, name: &str, what: &str, error: &Unbuildable) -> Broken {
    let missing = match error {
        Unbuildable::ReplyMissing { step } | Unbuildable::ReplyUnreadable { step, .. } => {
            format!(" ({:?})", subject.name(*step))
        }
        Unbuildable::InputUnreadable { .. }
        | Unbuildable::Unserializable { .. }
        | Unbuildable::Panicked { .. } => String::new(),
    };
    format!("step {name:?}: its {what} cannot be built: {error}{missing}")
}

/// The saga, as it was stored and read again, gives the commands and verdicts that it gave.
pub(super) fn rebuild(subject: &Subject<'_>, restored: &Saga) -> Result<(), Broken> {
    let (input, replies) = (&restored.input, Replies(&restored.replies));
    for (step, papers) in restored.papers.iter().enumerate() {
        let definition = &subject.definition.steps()[step];
        let name = &definition.name;
        if let Some(paper) = &papers.forward {
            keeps_its_verdict(definition, input, replies, true)?;
            same(name, "command", paper, definition.payload(input, replies))?;
        }
        if restored.moving.steps[step] == Progress::Skipped && is_asked(definition, restored) {
            keeps_its_verdict(definition, input, replies, false)?;
        }
        if let Some(paper) = &papers.compensation
            && let Some(rebuilt) = definition.compensation_payload(input, replies)
        {
            same(name, "compensation", paper, rebuilt)?;
        }
    }
    Ok(())
}

/// Whether a step that was skipped was skipped by its own condition.
fn is_asked(definition: &StepDefinition, saga: &Saga) -> bool {
    let is_skipped = |need| saga.moving.steps[need] == Progress::Skipped;
    !definition.given.iter().any(is_skipped)
}

fn keeps_its_verdict(
    definition: &StepDefinition,
    input: &Json,
    replies: Replies<'_>,
    ran: bool,
) -> Result<(), Broken> {
    let name = &definition.name;
    require(
        definition.runs(input, replies) == Ok(ran),
        &impure(&format!("the condition of step {name:?} changes its mind")),
    )
}

fn same(
    name: &str,
    what: &str,
    paper: &Paper,
    rebuilt: Result<Json, Unbuildable>,
) -> Result<(), Broken> {
    let sent = paper.payload.text();
    match rebuilt {
        Ok(rebuilt) if rebuilt == paper.payload => Ok(()),
        Ok(rebuilt) => {
            let rebuilt = rebuilt.text();
            Err(impure(&format!(
                "the {what} of step {name:?} was sent as {sent} and is rebuilt as {rebuilt}"
            )))
        }
        Err(error) => Err(impure(&format!(
            "the {what} of step {name:?} was sent as {sent} and cannot be rebuilt: {error}"
        ))),
    }
}

fn impure(what: &str) -> Broken {
    format!("a closure looks at more than its arguments: {what}")
}
