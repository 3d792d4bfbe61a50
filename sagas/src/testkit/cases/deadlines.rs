//! The saga's deadline passes after every event: the saga is undone, or past its point of no return
//! it completes. A definition without a deadline has no such case.

use super::super::failure::Failure;
use super::super::subject::Subject;

pub(in crate::testkit) fn run(subject: &Subject<'_>) -> Result<usize, Failure> {
    let Some(after_start) = subject.definition.deadline() else {
        return Ok(0);
    };
    super::at_every_point(subject, "the deadline passes", |run| {
        run.pass_until(run.saga.started_at + after_start)
    })
}
