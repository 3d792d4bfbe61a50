//! Every order, at every point where a person may give it, alone or to a paused saga: the saga ends,
//! its effects agree with the end, and what a person did a person undid.
//!
//! A pause and a retry change nothing of how a saga ends. After an order that sends something, what
//! was on the way arrives first, or last, or never. A cancel has a file of its own.
//!
//! There are many: about as many as events times steps. So those that are played are spread evenly
//! over all of them, and they are so few that about [`EVENTS_MAX`] events happen in them.

use super::super::failure::Failure;
use super::super::intent::Intent;
use super::super::invariants::{Broken, require};
use super::super::run::{Plan, Run};
use super::super::subject::Subject;
use crate::machine::{Event, Progress, Status};

/// Events that are played at most. A saga of six steps has fewer: two seconds in a debug build. One
/// of twenty takes ten, which its other cases take, too.
const EVENTS_MAX: usize = 80_000;

/// Events of a case for each step: its command and the answer, both ways, and half a wake.
const EVENTS_PER_STEP: usize = 5;

/// What is on the way when the order is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OnTheWay {
    ArrivesFirst,
    ArrivesLast,
    IsLost,
}

/// One case: what, and how.
#[derive(Debug, Clone, Copy)]
struct Case {
    order: Intent,
    /// The saga is paused when the order is given, and resumed then.
    is_held: bool,
    on_the_way: OnTheWay,
}

/// How many cases were played, and of how many.
pub(in crate::testkit) fn run(subject: &Subject<'_>) -> Result<(usize, usize), Failure> {
    let most = EVENTS_MAX / (EVENTS_PER_STEP * subject.definition.steps().len());
    let ways = super::ways(subject);
    // A long saga has more points than fit into memory: so it goes every way twice.
    let (mut all, mut ends) = (0, Vec::new());
    for way in &ways {
        ends.push(walk(subject, way, |at| {
            all += all_at(at).len();
            Ok(())
        })?);
    }
    let (mut index, mut played) = (0, 0);
    for (way, end) in ways.iter().zip(ends) {
        walk(subject, way, |at| {
            for case in all_at(at) {
                let is_played = all <= most || index * most % all < most;
                index += 1;
                if is_played {
                    let (way, plan) = way;
                    let name = || format!("{}; {way}", case.in_words(subject));
                    at.clone().case(&name, |run| case.play(run, plan, end))?;
                    played += 1;
                }
            }
            Ok(())
        })?;
    }
    Ok((played, all))
}

/// Goes one way and looks at every point of it. Returns how it ends.
fn walk<'a>(
    subject: &'a Subject<'a>,
    (way, plan): &(String, Plan),
    mut look: impl FnMut(&Run<'a>) -> Result<(), Failure>,
) -> Result<Status, Failure> {
    let name = || way.clone();
    let mut run = Run::new(subject);
    run.is_thorough = false;
    run.case(&name, |run| run.apply(&Event::Start))?;
    let mut goes_on = true;
    while goes_on {
        look(&run)?;
        run.case(&name, |run| {
            goes_on = run.advance(plan)?;
            Ok(())
        })?;
    }
    Ok(run.saga.status())
}

/// Every case at one point.
fn all_at(at: &Run<'_>) -> Vec<Case> {
    let mut cases = Vec::new();
    for order in at.orders() {
        let hows = hows(at, order).into_iter();
        cases.extend(hows.map(|(is_held, on_the_way)| Case {
            order,
            is_held,
            on_the_way,
        }));
    }
    cases
}

fn hows(at: &Run<'_>, order: Intent) -> Vec<(bool, OnTheWay)> {
    use OnTheWay::{ArrivesFirst, ArrivesLast, IsLost};
    let is_idle = |step: usize| *at.progress(step) == Progress::Idle;
    match (order, at.commands.is_empty()) {
        (Intent::Pause, true) => vec![(true, ArrivesFirst)],
        (Intent::Pause, false) => vec![(true, ArrivesFirst), (true, IsLost)],
        // Nothing is sent.
        (Intent::Skip(step), _) if is_idle(step) => vec![(false, ArrivesFirst)],
        (_, true) => vec![(false, ArrivesFirst), (true, ArrivesFirst)],
        (_, false) => vec![
            (false, ArrivesFirst),
            (false, ArrivesLast),
            (false, IsLost),
            (true, ArrivesFirst),
        ],
    }
}

impl Case {
    fn play(&self, run: &mut Run<'_>, plan: &Plan, end: Status) -> Result<(), Broken> {
        // What the order itself does is the same whatever is on the way.
        run.is_thorough = self.on_the_way == OnTheWay::ArrivesFirst;
        let on_the_way = run.commands.len();
        if self.is_held && self.order != Intent::Pause {
            require(run.order(Intent::Pause)?, "a saga cannot be paused")?;
        }
        run.order(self.order)?;
        run.is_thorough = false;
        if self.on_the_way == OnTheWay::IsLost {
            let new = run.commands.split_off(on_the_way);
            run.lose_commands();
            run.commands.extend(new);
        }
        if self.is_held {
            run.hold(plan)?;
        }
        if self.on_the_way == OnTheWay::ArrivesLast {
            run.commands.rotate_left(on_the_way.min(run.commands.len()));
        }
        run.go_on(plan)?;
        run.comes_back()?;
        match self.order {
            Intent::Pause | Intent::Resume | Intent::RetryAll | Intent::Retry(_) => run.ended(end),
            Intent::Cancel | Intent::Edit(_) | Intent::Skip(_) | Intent::Resolve(_) => Ok(()),
        }
    }

    fn in_words(&self, subject: &Subject<'_>) -> String {
        let name = self.order.name().as_str();
        let order = match self.order.step() {
            Some(step) => format!("the order {name} of {}", subject.name(step)),
            None => format!("the order {name}"),
        };
        let held = match (self.is_held, self.order) {
            (true, Intent::Pause) | (false, _) => "",
            (true, _) => " while it is paused",
        };
        let on_the_way = match self.on_the_way {
            OnTheWay::ArrivesFirst => "",
            OnTheWay::ArrivesLast => ", what was on the way arrives last",
            OnTheWay::IsLost => ", what was on the way is lost",
        };
        format!("{order}{held}{on_the_way}")
    }
}
