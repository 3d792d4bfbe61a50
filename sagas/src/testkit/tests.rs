//! Broken rules in the place of the real ones: the kit notices each, so its promises can fail.
//!
//! Broken definitions are in `tests/testkit`, through the public surface.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::subject::Rules;
use super::{Failure, Kit};
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
            const REFUSABLE: bool = $refusable;
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
    ];
    assert!(counts.iter().all(|count| *count > 2), "{report}");
    assert!(report.states > 100, "{report}");
}

#[test]
fn a_participant_that_runs_a_command_twice_is_noticed() {
    let rules = barrier(|row, ask, generation, below| match ask {
        Ask::Forward => Decision::RunForward,
        Ask::Compensate | Ask::FenceForward | Ask::FenceCompensation => {
            barrier::decide(row, ask, generation, below)
        }
    });
    is_noticed_as(rules, "was done 2 times");
}

#[test]
fn a_participant_that_forgets_its_refusal_is_noticed() {
    let rules = barrier(|row, ask, generation, below| match row {
        Some(Row::Refused { .. }) => barrier::decide(None, ask, generation, below),
        Some(Row::Done { .. } | Row::Undone { .. }) | None => {
            barrier::decide(row, ask, generation, below)
        }
    });
    is_noticed_as(rules, "took effect");
}

#[test]
fn a_participant_that_leaves_no_tombstone_is_noticed() {
    let rules = barrier(|row, ask, generation, below| match (row, ask) {
        (None, Ask::Compensate | Ask::FenceForward) => {
            let outcome = if ask == Ask::Compensate {
                Outcome::Succeeded
            } else {
                Outcome::Fenced
            };
            Decision::Answer(Answer::bare(outcome))
        }
        (None, Ask::Forward | Ask::FenceCompensation) | (Some(_), _) => {
            barrier::decide(row, ask, generation, below)
        }
    });
    is_noticed_as(rules, "took effect");
}

#[test]
fn a_participant_that_undoes_nothing_is_noticed() {
    let rules =
        barrier(
            |row, ask, generation, below| match barrier::decide(row, ask, generation, below) {
                Decision::RunCompensation => Decision::Answer(Answer {
                    outcome: Outcome::Succeeded,
                    effective: None,
                    payload: Cow::Borrowed("null"),
                }),
                other @ (Decision::RunForward | Decision::Write(..) | Decision::Answer(_)) => other,
            },
        );
    is_noticed_as(rules, "took effect and was not undone");
}

#[test]
fn an_orchestrator_that_takes_silence_for_a_refusal_is_noticed() {
    let rules = machine(|definition, saga, event, now| {
        let is_wake = matches!(event, Event::Wake { .. });
        let mut transition = machine::transition(definition, saga, event, now)?;
        let step = transition.sends.first().map(|send| send.step);
        if let (true, Some(step)) = (is_wake, step)
            && let Progress::Forward(_) = transition.next.moving.steps[step]
        {
            let fault = Fault::new("silent", "made up");
            let name = definition.steps()[step].name.clone();
            let refused = Progress::Refused(fault.clone());
            transition.next.moving.steps[step] = refused;
            transition.next.moving.reason = Some(Reason::Refused { step: name, fault });
            transition.sends.clear();
            transition.entry.sent.clear();
            transition.entry.status = transition.next.status();
            transition.announcement =
                Some(machine::Announcement::Entered(transition.next.status()));
        }
        Ok(transition)
    });
    is_noticed_as(rules, "");
}

#[test]
fn an_orchestrator_that_never_looks_again_is_noticed() {
    let rules = machine(|definition, saga, event, now| {
        let mut transition = machine::transition(definition, saga, event, now)?;
        transition.next.wake_at = None;
        Ok(transition)
    });
    is_noticed_as(rules, "the saga does not end; it is running");
}

#[test]
fn an_orchestrator_that_stores_no_reply_is_noticed() {
    let rules = machine(|definition, saga, event, now| {
        let mut transition = machine::transition(definition, saga, event, now)?;
        transition.entry.payload = None;
        Ok(transition)
    });
    is_noticed_as(rules, "restored");
}
