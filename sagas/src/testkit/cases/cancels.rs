//! A cancel after every event: the saga is undone, or past its point of no return it completes.

use super::super::failure::Failure;
use super::super::run::Run;
use super::super::subject::Subject;

pub(in crate::testkit) fn run(subject: &Subject<'_>) -> Result<usize, Failure> {
    super::at_every_point(subject, "a cancel", Run::cancel)
}
