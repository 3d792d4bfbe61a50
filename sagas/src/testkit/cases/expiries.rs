//! The participant of every step drops its rows too early, and answers `expired` from then on: nobody
//! knows any more what took effect, so a person decides, forward and back.

use super::super::failure::Failure;
use super::super::intent::Intent;
use super::super::invariants::Broken;
use super::super::run::{How, Plan, Quiet, Run};
use super::super::subject::Subject;
use crate::definition::StepKind;
use crate::direction::Direction;
use crate::machine::{Event, Progress, Status};

const HOWS: [(How, &str); 2] = [
    (How::LosesCommands, "before its command came"),
    (How::LosesReplies, "before its answer came"),
];

/// What happens beside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    GoesOn,
    IsRefusedLater,
    IsCancelledAtOnce,
    IsCancelledWhenStuck,
}

const THENS: [(Then, &str); 4] = [
    (Then::GoesOn, ""),
    (Then::IsRefusedLater, "; a later step is refused"),
    (Then::IsCancelledAtOnce, "; it is cancelled at once"),
    (
        Then::IsCancelledWhenStuck,
        "; it is cancelled when a person looks",
    ),
];

pub(in crate::testkit) fn run(subject: &Subject<'_>) -> Result<usize, Failure> {
    let mut cases = 0;
    for step in subject.steps() {
        let definition = &subject.definition.steps()[step];
        if !definition.kind.is_awaited() {
            continue;
        }
        for (how, words) in HOWS {
            for (then, too) in THENS {
                let name = || format!("the inbox of {} is purged {words}{too}", definition.name);
                Run::new(subject).case(&name, |run| forward(run, step, how, then))?;
                cases += 1;
            }
        }
        if definition.kind == StepKind::Compensatable {
            let name = || {
                format!(
                    "the inbox of {} is purged before it is undone",
                    definition.name
                )
            };
            Run::new(subject).case(&name, |run| back(run, step))?;
            cases += 1;
        }
    }
    Ok(cases)
}

fn forward(run: &mut Run<'_>, step: usize, how: How, then: Then) -> Result<(), Broken> {
    let refused = super::refusals::refusable(run.subject).last();
    let plan = Plan {
        refuses: refused.filter(|_| then == Then::IsRefusedLater),
        quiet: Some(Quiet {
            step,
            direction: Direction::Forward,
            how,
            attempts: 1,
        }),
        ..Plan::default()
    };
    run.apply(&Event::Start)?;
    while !is_silent(run, step) && run.advance(&plan)? {}
    run.purge(step);
    match then {
        Then::GoesOn | Then::IsRefusedLater => {}
        Then::IsCancelledAtOnce => {
            run.order(Intent::Cancel)?;
        }
        Then::IsCancelledWhenStuck => {
            while run.saga.status() != Status::Stuck && run.advance(&plan)? {}
            run.order(Intent::Cancel)?;
        }
    }
    run.is_thorough = false;
    run.go_on(&plan)?;
    run.comes_back()
}

fn back(run: &mut Run<'_>, step: usize) -> Result<(), Broken> {
    let plan = Plan::default();
    run.apply(&Event::Start)?;
    while *run.progress(step) != Progress::Done && run.advance(&plan)? {}
    run.purge(step);
    run.order(Intent::Cancel)?;
    run.is_thorough = false;
    run.go_on(&plan)?;
    run.comes_back()
}

/// Whether the command of the step, or its answer, has just been lost.
fn is_silent(run: &Run<'_>, step: usize) -> bool {
    let is_on_the_way = run.commands.iter().any(|command| command.step == step);
    matches!(run.progress(step), Progress::Forward(_)) && !is_on_the_way
}
