//! A refusal at every step that may be refused: the saga undoes what took effect, and no more.

use super::super::failure::Failure;
use super::super::run::{Plan, Run};
use super::super::subject::Subject;
use crate::machine::Status;

pub(in crate::testkit) fn run(subject: &Subject<'_>) -> Result<usize, Failure> {
    let mut cases = 0;
    for step in refusable(subject) {
        let plan = Plan {
            refuses: Some(step),
            ..Plan::default()
        };
        let name = || format!("{} is refused", subject.name(step));
        Run::new(subject).case(&name, |run| {
            run.play(&plan)?;
            // A step that its condition skips is never asked.
            run.ended(if run.participants.has_run(step) {
                Status::Compensated
            } else {
                Status::Completed
            })
        })?;
        cases += 1;
    }
    Ok(cases)
}

/// The steps whose refusal turns a saga back. Nobody hears a refused notification.
pub(super) fn refusable<'a>(subject: &'a Subject<'a>) -> impl Iterator<Item = usize> + 'a {
    let steps = subject.definition.steps();
    subject
        .steps()
        .filter(|step| steps[*step].refusable && steps[*step].kind.is_awaited())
}
