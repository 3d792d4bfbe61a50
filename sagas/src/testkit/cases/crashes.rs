//! A crash after every event, before or after its commands are published: the saga comes back from
//! its stored row and history, equal to the one that was lost, and goes on to an end.

use super::super::failure::Failure;
use super::super::run::Run;
use super::super::subject::Subject;
use crate::machine::Event;

pub(in crate::testkit) fn run(subject: &Subject<'_>) -> Result<usize, Failure> {
    let crash = |run: &mut Run<'_>, loses_commands| {
        run.crash(loses_commands)?;
        // The restored saga is the one that was lost: from there on only the end is open.
        run.is_thorough = false;
        Ok(())
    };
    let published = super::at_every_point(subject, "a crash", |run| crash(run, false))?;
    let unpublished =
        super::at_every_point(subject, "a crash before publishing", |run| crash(run, true))?;
    Ok(published + unpublished + crash_after_crash(subject)?)
}

/// No replica lives longer than one event.
fn crash_after_crash(subject: &Subject<'_>) -> Result<usize, Failure> {
    let ways = super::ways(subject);
    for (way, plan) in &ways {
        let name = || format!("a crash after every event; {way}");
        Run::new(subject).case(&name, |run| {
            run.apply(&Event::Start)?;
            run.crash(true)?;
            while run.advance(plan)? {
                run.crash(false)?;
            }
            run.go_on(plan)
        })?;
    }
    Ok(ways.len())
}
