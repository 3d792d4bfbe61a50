//! Every command and every reply twice, on every way: each takes effect once, and counts once.

use super::super::failure::Failure;
use super::super::run::{Plan, Run};
use super::super::subject::Subject;

pub(in crate::testkit) fn run(subject: &Subject<'_>) -> Result<usize, Failure> {
    let mut cases = 0;
    for (way, plan) in super::ways(subject) {
        let plan = Plan {
            twice: true,
            ..plan
        };
        let name = || format!("everything is delivered twice; {way}");
        Run::new(subject).case(&name, |run| run.play(&plan))?;
        cases += 1;
    }
    Ok(cases)
}
