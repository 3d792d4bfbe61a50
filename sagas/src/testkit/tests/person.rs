//! Broken rules about what a person may do, and what a participant may no longer know: the cases for
//! it notice each.

use super::{Case, barrier, machine, play};
use crate::barrier::{Answer, Ask, Decision, Row};
use crate::direction::{Direction, Outcome};
use crate::json::Json;
use crate::machine::{EntryKind, Event, OrderKind, Progress, Reply, Transition};
use crate::testkit::Failure;
use crate::testkit::cases::{broken_promises, expiries, orders, refused_compensations};
use crate::testkit::subject::{Rules, Subject};

fn orders(subject: &Subject<'_>) -> Result<usize, Failure> {
    orders::run(subject).map(|(played, _)| played)
}

#[track_caller]
fn is_noticed(case: Case, rules: Rules, expected: &str) {
    assert!(play(case, Rules::REAL).expect("the real rules pass") > 2);
    let failure = play(case, rules).expect_err(expected);
    assert!(failure.broken.contains(expected), "{failure}");
    assert!(failure.script.contains("start"), "{failure}");
}

fn is_order(event: &Event, is_it: fn(&OrderKind) -> bool) -> bool {
    matches!(event, Event::Order(order) if is_it(&order.kind))
}

/// A reply as the broken machine understands it.
fn mistaken(event: Event, mistake: fn(&mut Reply)) -> Event {
    match event {
        Event::Reply(mut reply) => {
            mistake(&mut reply);
            Event::Reply(reply)
        }
        Event::Start | Event::Wake { .. } | Event::Order(_) => event,
    }
}

/// Whatever comes to a paused saga sends what it would send to another.
#[test]
fn a_paused_saga_that_sends_is_noticed() {
    let goes_on = machine(|definition, saga, event, now| {
        if matches!(event, Event::Order(_)) {
            return machine::transition(definition, saga, event, now);
        }
        let paused = saga.moving.paused.clone();
        let mut running = saga.clone();
        running.moving.paused = None;
        let mut transition = machine::transition(definition, &running, event, now)?;
        transition.next.moving.paused = paused;
        Ok(transition)
    });
    is_noticed(orders, goes_on, "a paused saga sent something");
}

#[test]
fn a_paused_saga_that_is_woken_is_noticed() {
    let looks_again = machine(|definition, saga, event, now| {
        let mut transition = machine::transition(definition, saga, event, now)?;
        if transition.next.moving.paused.is_some() {
            transition.next.wake_at = Some(now);
        }
        Ok(transition)
    });
    is_noticed(orders, looks_again, "a paused saga is to be woken");
}

#[test]
fn a_resume_that_sends_nothing_is_noticed() {
    let stays_silent = machine(|definition, saga, event, now| {
        let is_resume = is_order(&event, |kind| matches!(kind, OrderKind::Resume));
        let mut transition = machine::transition(definition, saga, event, now)?;
        if is_resume {
            transition.sends.clear();
            transition.entry.sent.clear();
            transition.next.wake_at = None;
        }
        Ok(transition)
    });
    is_noticed(orders, stays_silent, "the saga does not end");
}

#[test]
fn a_pause_that_changes_how_the_saga_ends_is_noticed() {
    let turns_back = machine(|definition, saga, event, now| {
        let is_pause = is_order(&event, |kind| matches!(kind, OrderKind::Pause));
        let mut transition = machine::transition(definition, saga, event, now)?;
        if is_pause {
            super::turn_back(&mut transition);
        }
        Ok(transition)
    });
    is_noticed(orders, turns_back, "the saga should be completed");
}

#[test]
fn an_order_that_counts_twice_is_noticed() {
    let forgets = machine(|definition, saga, event, now| {
        let mut transition = machine::transition(definition, saga, event, now)?;
        transition.next.orders.clear();
        transition.entry.order = None;
        Ok(transition)
    });
    is_noticed(orders, forgets, "given twice changed the saga twice");
}

/// The message's id decides, so an edited command and its first version take effect both.
#[test]
fn a_barrier_that_tells_generations_apart_is_noticed() {
    let runs_each = barrier(|row, ask, generation, below| match (row, ask) {
        (Some(Row::Done { forward, .. }), Ask::Forward) if forward.generation != generation => {
            Decision::RunForward
        }
        _ => barrier::decide(row, ask, generation, below),
    });
    is_noticed(orders, runs_each, "was done 2 times");
}

/// A skip counts at once, although the command may be on the way.
#[test]
fn a_skip_without_a_fence_is_noticed() {
    let trusts_the_person = machine(|definition, saga, event, now| {
        let is_skip = is_order(&event, |kind| matches!(kind, OrderKind::Skip { .. }));
        let mut transition = machine::transition(definition, saga, event, now)?;
        let Some(step) = fenced(&transition).filter(|_| is_skip) else {
            return Ok(transition);
        };
        forget_fence(&mut transition, step);
        let Some(OrderKind::Skip { reply, .. }) =
            transition.entry.order.as_ref().map(|order| &order.kind)
        else {
            return Ok(transition);
        };
        transition.entry.substitute.clone_from(reply);
        transition.next.replies[step].clone_from(reply);
        transition.next.moving.steps[step] = Progress::ByHand;
        Ok(transition)
    });
    is_noticed(orders, trusts_the_person, "took effect and was not undone");
}

fn fenced(transition: &Transition) -> Option<usize> {
    let mut steps = transition.next.moving.steps.iter();
    steps.position(|step| matches!(step, Progress::Fencing(_)))
}

fn forget_fence(transition: &mut Transition, step: usize) {
    transition.next.papers[step].fences = 0;
    transition.sends.clear();
    transition.entry.sent.clear();
}

/// What a person did needs no undoing.
#[test]
fn a_step_that_was_done_by_hand_and_is_forgotten_is_noticed() {
    let forgets = machine(|definition, saga, event, now| {
        let mut forgetful = saga.clone();
        for step in &mut forgetful.moving.steps {
            if *step == Progress::ByHand {
                *step = Progress::Skipped;
            }
        }
        machine::transition(definition, &forgetful, event, now)
    });
    is_noticed(orders, forgets, "was done by hand, and nobody undid it");
}

/// The person's reply is in the state, and not in the history.
#[test]
fn a_substitute_that_is_not_stored_is_noticed() {
    let loses = machine(|definition, saga, event, now| {
        let mut transition = machine::transition(definition, saga, event, now)?;
        if transition.entry.event == EntryKind::Reply {
            transition.entry.substitute = None;
        }
        Ok(transition)
    });
    is_noticed(orders, loses, "comes back from its store as another");
}

/// The fence of a compensation answers, and does not keep the compensation out.
#[test]
fn a_resolve_whose_fence_leaves_no_row_is_noticed() {
    let lets_it_in = barrier(|row, ask, generation, below| match (row, ask) {
        (Some(Row::Done { .. }), Ask::FenceCompensation) => {
            Decision::Answer(Answer::bare(Outcome::Fenced))
        }
        _ => barrier::decide(row, ask, generation, below),
    });
    is_noticed(orders, lets_it_in, "took effect after the saga's end");
}

#[test]
fn a_refused_compensation_that_counts_as_done_is_noticed() {
    let takes_it_for_done = machine(|definition, saga, event, now| {
        let event = mistaken(event, |reply| {
            if (reply.direction, reply.outcome) == (Direction::Compensate, Outcome::Rejected) {
                reply.outcome = Outcome::Succeeded;
            }
        });
        machine::transition(definition, saga, event, now)
    });
    let expected = "took effect and was not undone";
    is_noticed(refused_compensations::run, takes_it_for_done, expected);
}

#[test]
fn a_refusal_against_its_word_that_counts_as_success_is_noticed() {
    let takes_it_for_done = machine(|definition, saga, event, now| {
        let event = mistaken(event, |reply| {
            if (reply.step.as_str(), reply.outcome) == ("confirm", Outcome::Rejected) {
                reply.outcome = Outcome::Succeeded;
                reply.payload = Json::of(&1).expect("a number is JSON");
            }
        });
        machine::transition(definition, saga, event, now)
    });
    let expected = "took no effect and was not undone";
    is_noticed(broken_promises::run, takes_it_for_done, expected);
}

/// An edited or repeated compensation gets the stored refusal of the first.
#[test]
fn a_compensation_that_is_refused_for_ever_is_noticed() {
    let never_again = barrier(|row, ask, generation, below| match (row, ask) {
        (
            Some(Row::Done {
                refusal: Some(_), ..
            }),
            Ask::Compensate,
        ) => barrier::decide(row, ask, 1, below),
        _ => barrier::decide(row, ask, generation, below),
    });
    let expected = "a person decides again and again";
    is_noticed(refused_compensations::run, never_again, expected);
}

#[test]
fn a_purge_without_a_watermark_is_noticed() {
    let guesses = barrier(|row, ask, generation, _| barrier::decide(row, ask, generation, false));
    is_noticed(expiries::run, guesses, "was done 2 times");
}

fn takes_expired_for(reply: &mut Reply, direction: Direction, outcome: Outcome) {
    if (reply.direction, reply.outcome) == (direction, Outcome::Expired) {
        reply.outcome = outcome;
        reply.payload = Json::null();
    }
}

#[test]
fn a_participant_that_no_longer_knows_is_not_taken_at_its_word() {
    let nothing_happened = machine(|definition, saga, event, now| {
        let event = mistaken(event, |reply| {
            takes_expired_for(reply, Direction::Forward, Outcome::Rejected);
        });
        machine::transition(definition, saga, event, now)
    });
    let it_is_undone = machine(|definition, saga, event, now| {
        let event = mistaken(event, |reply| {
            takes_expired_for(reply, Direction::Compensate, Outcome::Succeeded);
        });
        machine::transition(definition, saga, event, now)
    });
    for rules in [nothing_happened, it_is_undone] {
        is_noticed(expiries::run, rules, "took effect and was not undone");
    }
}
