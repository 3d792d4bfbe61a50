//! A refusal at every step that promised not to refuse: behind the point of no return nothing turns
//! the saga back, so a person skips the step, retries it or edits it, and the saga completes.

use super::super::failure::Failure;
use super::super::invariants::require;
use super::super::person::Remedy;
use super::super::run::{Plan, Run};
use super::super::subject::Subject;
use crate::machine::Status;

const REMEDIES: [(Remedy, &str); 3] = [
    (Remedy::ByHand, "done by hand"),
    (Remedy::Edits, "edited"),
    (Remedy::Retries, "retried"),
];

pub(in crate::testkit) fn run(subject: &Subject<'_>) -> Result<usize, Failure> {
    let mut cases = 0;
    for step in subject.steps() {
        let definition = &subject.definition.steps()[step];
        if definition.refusable || !definition.kind.is_awaited() {
            continue;
        }
        for (remedy, words) in REMEDIES {
            let plan = Plan {
                refuses: Some(step),
                remedy,
                ..Plan::default()
            };
            let name = || {
                format!(
                    "{} is refused against its word, and {words}",
                    definition.name
                )
            };
            Run::new(subject).case(&name, |run| {
                run.play(&plan)?;
                run.comes_back()?;
                require(
                    run.participants.has_run(step) == (run.helped > 0),
                    "a refusal against its word, and nothing else, waits for a person",
                )?;
                run.ended(Status::Completed)
            })?;
            cases += 1;
        }
    }
    Ok(cases)
}
