//! The cases that are generated for every definition, one file a question.

pub(super) mod broken_promises;
pub(super) mod cancels;
pub(super) mod crashes;
pub(super) mod deadlines;
pub(super) mod expiries;
pub(super) mod orders;
pub(super) mod refusals;
pub(super) mod refused_compensations;
pub(super) mod repeats;
pub(super) mod silences;

use super::failure::Failure;
use super::invariants::Broken;
use super::report::Report;
use super::run::{Plan, Run};
use super::subject::Subject;
use crate::machine::{Event, Status};

/// Runs all of them, simplest first: the first failure has the shortest script.
pub(super) fn all(subject: &Subject<'_>, report: &mut Report) -> Result<(), Failure> {
    Run::new(subject).case(&|| "nothing goes wrong".to_owned(), |run| {
        run.play(&Plan::default())?;
        run.ended(Status::Completed)
    })?;
    report.refusals = refusals::run(subject)?;
    report.repeats = repeats::run(subject)?;
    report.silences = silences::run(subject)?;
    report.crashes = crashes::run(subject)?;
    report.cancels = cancels::run(subject)?;
    report.deadlines = deadlines::run(subject)?;
    report.broken_promises = broken_promises::run(subject)?;
    report.refused_compensations = refused_compensations::run(subject)?;
    report.expiries = expiries::run(subject)?;
    (report.orders, report.all_orders) = orders::run(subject)?;
    Ok(())
}

/// The two ways that a saga goes by itself, with the name of each: on, and back from every step
/// that may be refused.
fn ways(subject: &Subject<'_>) -> Vec<(String, Plan)> {
    let onward = ("nothing is refused".to_owned(), Plan::default());
    let refusals = refusals::refusable(subject).map(|step| {
        let plan = Plan {
            refuses: Some(step),
            ..Plan::default()
        };
        (format!("{} is refused", subject.name(step)), plan)
    });
    std::iter::once(onward).chain(refusals).collect()
}

/// Goes every way, stops at every point of it, disturbs the saga there, and goes on. Returns how
/// many points there are.
fn at_every_point<'a>(
    subject: &'a Subject<'a>,
    what: &str,
    disturb: impl Fn(&mut Run<'a>) -> Result<(), Broken>,
) -> Result<usize, Failure> {
    let mut points = 0;
    for (way, plan) in ways(subject) {
        let name = || format!("{what}; {way}");
        let mut undisturbed = Run::new(subject);
        undisturbed.case(&name, |run| run.apply(&Event::Start))?;
        let mut goes_on = true;
        while goes_on {
            points += 1;
            undisturbed.clone().case(&name, |run| {
                disturb(run)?;
                run.go_on(&plan)
            })?;
            undisturbed.case(&name, |run| {
                goes_on = run.advance(&plan)?;
                Ok(())
            })?;
        }
    }
    Ok(points)
}
