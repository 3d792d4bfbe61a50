//! Gates under load: late answers, many failures at once, floods, clocks that jump, and the end of a lane.

use std::time::Duration;

use super::gates::asking_at_most;
use super::*;

impl Bench {
    /// Serves loads and commits until the lane asks for nothing, and gives what was published.
    fn serve(&mut self) -> Vec<String> {
        let mut published = Vec::new();
        while self.asks_for_a_commit() {
            self.commit();
            published.extend(self.published().iter().map(|step| (*step).to_owned()));
            let _ = self.acknowledge_all_but("ask");
        }
        published
    }
}

/// The broker had the command for a tenth of a second when the participant's time was over.
#[test]
fn silence_that_passed_while_the_topic_took_nothing_gives_nothing_up() {
    let mut bench = Bench::of(asking_at_most(1));
    let id = bench.submit("a");
    bench.commit();
    let silent = bench.acknowledge_all_but("ask");
    bench.reply(id, "write", Outcome::Succeeded, "null");
    bench.commit();
    for _ in 0..4 {
        bench.pass(Duration::from_secs(2));
        bench.take(Input::wake(id));
        bench.commit();
    }
    bench.pass(Duration::from_millis(1_900));
    bench.outputs.clear();
    bench.answer_for(silent[0], true);
    bench.pass(Duration::from_millis(150));
    bench.take(Input::wake(id));
    let batch = bench.commit();
    let state = &batch.updates[0].state;
    assert_eq!(
        state.status,
        Status::Running,
        "given up 0.15 s after the topic took it: {:?}",
        state.moving.reason
    );
}

/// The same with attempts left: one of them is over.
#[test]
fn silence_that_passed_while_the_topic_took_nothing_is_no_attempt() {
    let mut bench = Bench::of(asking_at_most(5));
    let id = bench.submit("a");
    bench.commit();
    let silent = bench.acknowledge_all_but("ask");
    bench.reply(id, "write", Outcome::Succeeded, "null");
    bench.commit();
    bench.pass(Duration::from_millis(9_900));
    bench.outputs.clear();
    bench.answer_for(silent[0], true);
    bench.pass(Duration::from_millis(150));
    bench.take(Input::wake(id));
    let batch = bench.commit();
    let flight = batch.updates[0].state.moving.steps[0].flight().unwrap();
    assert_eq!(flight.attempt, 1);
}

/// Two commands for one topic: one was sent before it took nothing, and one is withheld.
#[test]
fn what_is_withheld_goes_out_although_silence_about_another_command_says_nothing() {
    let mut bench = Bench::of(publishing::side_by_side());
    let id = bench.submit("a");
    bench.commit();
    let silent = bench.publication();
    bench.pass(Duration::from_secs(1));
    bench.reply(id, "first", Outcome::Succeeded, "7");
    bench.commit();
    bench.outputs.clear();
    bench.answer_for(silent, true);
    bench.commit();
    assert_eq!(bench.published(), ["next"]);
    bench.acknowledge();
    assert!(!bench.asks_for_a_commit());
    assert!(!bench.asks_for_a_load());
}

/// A lane that is told to stop reads nothing more: no input would make it look.
#[test]
fn a_lane_that_stops_looks_again_when_a_topic_falls_silent() {
    let mut bench = Bench::of(asking_at_most(5));
    bench.submit("a");
    bench.commit();
    bench.acknowledge_all_but("ask");
    let mut turns = 0;
    while !bench.lane.is_idle() {
        let at = bench.lane.resume_at();
        let at = at.expect("the shell would sleep for ever: no input, nothing to resume at");
        bench.now = at.max(bench.now);
        bench.pass(Duration::ZERO);
        turns += 1;
        assert!(turns < 10);
    }
}

/// The database's clock is an hour ahead for some seconds; one record fails meanwhile.
#[test]
fn a_clock_that_was_ahead_keeps_no_topic_closed() {
    let mut bench = Bench::of(asking_at_most(5));
    bench.submit("a");
    bench.commit();
    let lost = bench.acknowledge_all_but("ask");
    bench.now = bench.now + Duration::from_secs(3_600);
    bench.answer_for(lost[0], false);
    bench.now = bench.now - Duration::from_secs(3_595);
    bench.submit("b");
    let mut published = bench.serve();
    for _ in 0..600 {
        bench.pass(Duration::from_secs(1));
        published.extend(bench.serve());
    }
    assert!(
        published.iter().any(|step| step == "ask"),
        "nothing was tried for ten minutes: {published:?}"
    );
}

/// Ten thousand sagas wait for the oracle; the scribe's topic is silent for a second only.
#[test]
fn those_that_wait_for_one_topic_push_none_of_another_out() {
    let mut bench = Bench::of(asking_at_most(5));
    bench.submit("a");
    bench.commit();
    bench.acknowledge_all_but("ask");
    bench.pass(Duration::from_secs(1));
    for number in 0..10_000 {
        bench.outputs.clear();
        bench.submit(&format!("w{number}"));
        bench.commit();
        bench.acknowledge_all_but("ask");
    }
    bench.submit("b");
    bench.commit();
    let silent = bench.acknowledge_all_but("write");
    bench.pass(Duration::from_secs(1));
    let id = bench.submit("c");
    bench.commit();
    bench.outputs.clear();
    bench.answer_for(silent[0], true);
    assert!(
        bench.asks_for_a_commit(),
        "{id} is not woken although the scribe's topic is open"
    );
}

/// As many starts wait all the time as admission lets in, or half of it.
#[test]
fn what_was_withheld_is_woken_although_new_sagas_come_all_the_time() {
    let mut bench = Bench::of(asking_at_most(5));
    bench.submit("a");
    bench.commit();
    let silent = bench.acknowledge_all_but("ask");
    bench.pass(Duration::from_secs(1));
    let withheld = bench.submit("b");
    bench.commit();
    bench.acknowledge_all_but("ask");
    let mut next = 0;
    let mut some = |bench: &mut Bench| {
        for _ in 0..8 {
            next += 1;
            bench.submit(&format!("n{next}"));
        }
    };
    // Eight start, sixteen wait: four commits may wait.
    some(&mut bench);
    some(&mut bench);
    some(&mut bench);
    bench.answer_for(silent[0], true);
    let (mut moved, mut was_open) = (false, false);
    let mut round = |bench: &mut Bench| {
        bench.now = bench.now + Duration::from_millis(500);
        let batch = bench.commit();
        let (commits, rest) = std::mem::take(&mut bench.outputs)
            .into_iter()
            .partition(|output| matches!(output, Output::Commit { .. }));
        bench.outputs = rest;
        was_open |= bench.published().contains(&"ask");
        bench.acknowledge();
        bench
            .outputs
            .retain(|output| matches!(output, Output::Commit { .. }));
        bench.outputs.extend::<Vec<_>>(commits);
        batch.updates.iter().any(|update| update.id == withheld)
    };
    for _ in 0..8 {
        // What comes while a commit is under way.
        some(&mut bench);
        moved |= round(&mut bench);
    }
    let woken_in_time = moved;
    while bench.asks_for_a_commit() {
        moved |= round(&mut bench);
    }
    assert!(was_open);
    assert!(moved, "it is woken once nothing new comes");
    assert!(
        woken_in_time,
        "it was not woken within four seconds of an open topic"
    );
}

/// Twenty sagas that wait for a failed topic are paused by a person, one is not.
#[test]
fn the_trials_of_a_topic_are_not_spent_on_sagas_that_send_nothing() {
    let mut bench = Bench::of(asking_at_most(5));
    bench.submit("a");
    bench.commit();
    let lost = bench.acknowledge_all_but("ask");
    bench.answer_for(lost[0], false);
    let mut ids = Vec::new();
    for number in 0..21 {
        ids.push(bench.submit(&format!("w{number}")));
        bench.commit();
        bench.acknowledge_all_but("ask");
    }
    ids.sort();
    for (number, id) in ids.iter().take(20).enumerate() {
        let order = Order {
            kind: OrderKind::Pause,
            ..cancel(number as u128 + 1)
        };
        bench.take(Input::order(*id, Ticket(1_000 + number as u64), order));
        bench.commit();
    }
    bench.outputs.clear();
    let mut seconds = 0;
    while !bench.published().contains(&"ask") {
        bench.pass(Duration::from_secs(1));
        seconds += 1;
        if bench.asks_for_a_commit() {
            bench.commit();
        }
        assert!(
            seconds <= 3,
            "the topic may be well, and nobody is sent to it"
        );
    }
}

/// A person's word that tries a step again while its topic takes nothing.
#[test]
fn an_order_to_try_again_uses_up_no_attempt_while_nothing_is_sent() {
    let mut bench = Bench::of(asking_at_most(3));
    bench.submit("a");
    bench.commit();
    let silent = bench.acknowledge_all_but("ask");
    bench.pass(Duration::from_secs(1));
    let id = bench.submit("b");
    bench.commit();
    bench.acknowledge_all_but("ask");
    for number in 0..2 {
        let order = Order {
            kind: OrderKind::RetryNow {
                step: Some("ask".to_owned()),
            },
            ..cancel(number + 1)
        };
        bench.take(Input::order(id, Ticket(9), order));
        bench.commit();
        bench.outputs.clear();
    }
    bench.answer_for(silent[0], true);
    let batch = bench.commit();
    let flight = batch.updates[0].state.moving.steps[0].flight().unwrap();
    assert_eq!(
        flight.attempt, 1,
        "the first command that the oracle ever gets; three attempts are all"
    );
}

/// One incident: the producer is replaced, and all that it held ends with an error at the same instant.
#[test]
fn one_incident_with_several_commits_on_their_way_is_one_failure() {
    let mut bench = Bench::of(asking_at_most(5));
    let mut lost = Vec::new();
    for key in ["a", "b", "c", "d"] {
        bench.submit(key);
        bench.commit();
        lost.extend(bench.acknowledge_all_but("ask"));
    }
    bench.pass(Duration::from_millis(10));
    for publication in &lost {
        bench.answer_for(*publication, false);
    }
    bench.submit("e");
    bench.commit();
    assert_eq!(
        bench.lane.resume_at(),
        Some(bench.now + Duration::from_secs(1)),
        "{} commits were on their way; with six it is 32 s",
        lost.len()
    );
}
