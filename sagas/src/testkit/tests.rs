//! Broken rules in the place of the real ones: the kit notices each, so its promises can fail; and
//! each case, played alone, notices the bug that it is there for.
//!
//! Broken definitions are in `tests/testkit`, through the public surface.

mod person;

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cases::{cancels, crashes, deadlines, refusals, repeats, silences};
use super::report::Report;
use super::subject::{Rules, Subject};
use super::{Failure, Kit, interleavings};
use crate::barrier::{self, Answer, Ask, Decision, Row};
use crate::definition::Definition;
use crate::direction::Outcome;
use crate::fault::Fault;
use crate::machine::{self, Event, Progress, Reason, Refusal, Saga, Transition};
use crate::time::Timestamp;

macro_rules! commands {
    ($($name:ident => $command:literal $refusable:literal)+) => {$(
        #[derive(Serialize, Deserialize, JsonSchema)]
        struct $name(u32);

        impl crate::Command for $name {
            const PARTICIPANT: &'static str = "hotel";
            const NAME: &'static str = $command;
            const REJECTABLE: bool = $refusable;
            type Reply = u32;
        }
    )+};
}
commands! {
    BookRoom => "book-room" true
    ReleaseRoom => "release-room" false
    BookMeal => "book-meal" true
    CancelMeal => "cancel-meal" false
    Charge => "charge" true
    Confirm => "confirm" false
}

fn trip() -> Definition {
    let mut saga = Definition::of::<u32>("book-trip");
    saga.deadline(Duration::from_secs(3600));
    let room = saga
        .step("book-room")
        .send(|trip, ()| BookRoom(*trip))
        .compensate(|trip, (), _| ReleaseRoom(*trip));
    let meal = saga
        .step("book-meal")
        .after(room)
        .send(|_, room| BookMeal(room))
        .compensate(|trip, _, _| CancelMeal(*trip));
    let charge = saga
        .step("charge")
        .after(meal)
        .send(|trip, _| Charge(*trip))
        .pivot();
    saga.step("confirm")
        .after(charge)
        .send(|trip, _| Confirm(*trip))
        .retriable();
    saga.build().expect("the definition is legal")
}

fn failure(rules: Rules) -> Failure {
    let trip = trip();
    let kit = Kit {
        rules,
        ..Kit::new(&trip, 7)
    };
    kit.run().expect_err("the kit notices the seeded bug")
}

#[track_caller]
fn is_noticed_as(rules: Rules, expected: &str) {
    let failure = failure(rules);
    assert!(failure.broken.contains(expected), "{failure}");
    assert!(failure.script.contains("start"), "{failure}");
}

fn barrier(decide: fn(Option<&Row>, Ask, u32, bool) -> Decision) -> Rules {
    Rules {
        decide,
        ..Rules::REAL
    }
}

fn machine(
    transition: fn(&Definition, &Saga, Event, Timestamp) -> Result<Transition, Refusal>,
) -> Rules {
    Rules {
        transition,
        ..Rules::REAL
    }
}

#[test]
fn the_real_rules_keep_every_promise() {
    let report = Kit::new(&trip(), 7).run().expect("nothing is broken");
    assert!(report.never_sent.is_empty(), "{report}");
    assert!(report.never_undone_with_reply.is_empty(), "{report}");
    assert!(report.never_undone_without_reply.is_empty(), "{report}");
    let counts = [
        report.refusals,
        report.repeats,
        report.silences,
        report.crashes,
        report.cancels,
        report.deadlines,
        report.broken_promises,
        report.refused_compensations,
        report.expiries,
        report.orders,
    ];
    assert!(counts.iter().all(|count| *count > 2), "{report}");
    assert!(report.states > 100, "{report}");
}

/// Runs a command again that it has done.
fn runs_twice() -> Rules {
    barrier(|row, ask, generation, below| match ask {
        Ask::Forward => Decision::RunForward,
        Ask::Compensate | Ask::FenceForward | Ask::FenceCompensation => {
            barrier::decide(row, ask, generation, below)
        }
    })
}

fn forgets_refusals() -> Rules {
    barrier(|row, ask, generation, below| {
        let row = row.filter(|row| !matches!(row, Row::Rejected { .. }));
        barrier::decide(row, ask, generation, below)
    })
}

/// A compensation or fence that finds nothing leaves no row, so a late command takes effect.
fn leaves_no_tombstone() -> Rules {
    barrier(|row, ask, generation, below| match (row, ask) {
        (None, Ask::Compensate) => Decision::Answer(Answer::bare(Outcome::Succeeded)),
        (None, Ask::FenceForward) => Decision::Answer(Answer::bare(Outcome::Fenced)),
        (None, Ask::Forward | Ask::FenceCompensation) | (Some(_), _) => {
            barrier::decide(row, ask, generation, below)
        }
    })
}

/// Says that it has undone what it has not.
fn undoes_nothing() -> Rules {
    barrier(
        |row, ask, generation, below| match barrier::decide(row, ask, generation, below) {
            Decision::RunCompensation => Decision::Answer(Answer::bare(Outcome::Succeeded)),
            other @ (Decision::RunForward | Decision::Write(..) | Decision::Answer(_)) => other,
        },
    )
}

fn takes_silence_for_a_refusal() -> Rules {
    machine(|definition, saga, event, now| {
        let is_wake = matches!(event, Event::Wake { .. });
        let mut transition = machine::transition(definition, saga, event, now)?;
        let sent = transition.sends.first().map(|send| send.step);
        let step = sent.filter(|step| {
            is_wake && matches!(transition.next.moving.steps[*step], Progress::Forward(_))
        });
        if let Some(step) = step {
            transition.next.moving.steps[step] = Progress::Rejected(Fault::new("silent", ""));
            transition.sends.clear();
            transition.entry.sent.clear();
            turn_back(&mut transition);
        }
        Ok(transition)
    })
}

/// Turns back at once when it is cancelled, or its deadline passes, wherever the pivot is.
fn turns_back_without_asking() -> Rules {
    machine(|definition, saga, event, now| {
        let is_cancel = matches!(event, Event::Order(_));
        let mut transition = machine::transition(definition, saga, event, now)?;
        let is_overdue = transition.next.moving.overdue_since.is_some();
        let is_fencing = |step: &Progress| matches!(step, Progress::Fencing(_));
        if is_overdue || is_cancel && transition.next.moving.steps.iter().any(is_fencing) {
            turn_back(&mut transition);
        }
        Ok(transition)
    })
}

fn never_looks_again() -> Rules {
    machine(|definition, saga, event, now| {
        let mut transition = machine::transition(definition, saga, event, now)?;
        transition.next.wake_at = None;
        Ok(transition)
    })
}

/// Sends nothing again after a restart.
fn trusts_that_all_was_published() -> Rules {
    machine(|definition, saga, event, now| match event {
        Event::Wake { published: false } => Err(Refusal::NothingDue { wake_at: None }),
        Event::Start | Event::Reply(_) | Event::Wake { .. } | Event::Order(_) => {
            machine::transition(definition, saga, event, now)
        }
    })
}

fn stores_no_reply() -> Rules {
    machine(|definition, saga, event, now| {
        let mut transition = machine::transition(definition, saga, event, now)?;
        transition.entry.payload = None;
        Ok(transition)
    })
}

/// Makes a reason up, and the rest of the transition fit.
fn turn_back(transition: &mut Transition) {
    let fault = Fault::new("made-up", "");
    let was = transition.next.status();
    let reason = Reason::DeadlinePassed { fault };
    transition.next.moving.reason.get_or_insert(reason);
    let is = transition.next.status();
    transition.entry.status = is;
    if was != is {
        let announced = transition.announcement;
        transition.announcement = Some(machine::Announcement::Entered(is));
        transition.next.moving.announced += u32::from(announced.is_none());
    }
}

#[test]
fn every_broken_rule_is_noticed() {
    is_noticed_as(runs_twice(), "was done 2 times");
    is_noticed_as(forgets_refusals(), "took effect after the saga's end");
    is_noticed_as(leaves_no_tombstone(), "took effect after the saga's end");
    is_noticed_as(undoes_nothing(), "took effect and was not undone");
    is_noticed_as(
        takes_silence_for_a_refusal(),
        "took effect after the saga's end",
    );
    is_noticed_as(never_looks_again(), "the saga does not end; it is running");
    is_noticed_as(trusts_that_all_was_published(), "does not end");
    is_noticed_as(stores_no_reply(), "restored");
    let pivot = "turned back while the pivot might still take effect";
    is_noticed_as(turns_back_without_asking(), pivot);
}

type Case = fn(&Subject<'_>) -> Result<usize, Failure>;

/// One case, under these rules.
fn play(case: Case, rules: Rules) -> Result<usize, Failure> {
    let trip = trip();
    let kit = Kit {
        rules,
        ..Kit::new(&trip, 7)
    };
    case(&kit.subject().expect("the sample fits"))
}

#[test]
fn every_case_alone_notices_the_bug_that_it_is_there_for() {
    let interleavings: Case = |subject| {
        let mut report = Report::new("book-trip");
        interleavings::search(subject, 2_000, &mut report).map(|()| report.states)
    };
    let cases: [(&str, Case, Rules); 10] = [
        ("refusals", refusals::run, undoes_nothing()),
        ("repeats", repeats::run, runs_twice()),
        ("silences", silences::run, leaves_no_tombstone()),
        ("crashes", crashes::run, trusts_that_all_was_published()),
        ("cancels", cancels::run, turns_back_without_asking()),
        ("deadlines", deadlines::run, turns_back_without_asking()),
        ("interleavings", interleavings, runs_twice()),
        ("interleavings", interleavings, leaves_no_tombstone()),
        ("interleavings", interleavings, undoes_nothing()),
        ("interleavings", interleavings, turns_back_without_asking()),
    ];
    for (name, case, rules) in cases {
        assert!(play(case, Rules::REAL).is_ok(), "{name}");
        let failure = play(case, rules).expect_err(name);
        assert!(failure.script.contains("start"), "{name}: {failure}");
    }
}
