//! Two commits under way: when the second begins, and that each answer means its own.

use super::*;

impl Bench {
    /// A lane whose second commit begins when so many sagas wait.
    fn overlapping(second_commit_min: usize) -> Self {
        let mut bench = Self::new();
        bench.lane.bounds.second_commit_min = second_commit_min;
        bench
    }

    /// The next commit that is asked for, with its number.
    fn asked(&mut self) -> (u64, Batch) {
        let batch = self.batch();
        (self.number, batch)
    }
}

fn data() -> CommitError {
    CommitError::Data(trouble())
}

fn moved(batch: &Batch) -> Vec<SagaId> {
    batch.updates.iter().map(|update| update.id).collect()
}

#[test]
fn a_second_commit_begins_only_when_enough_waits_and_a_third_never() {
    let mut bench = Bench::overlapping(2);
    bench.submit("a");
    let (one, first) = bench.asked();
    bench.submit("b");
    assert!(!bench.asks_for_a_commit(), "one event is not enough");
    bench.submit("c");
    let (two, second) = bench.asked();
    assert_ne!(one, two);
    assert_eq!((first.starts.len(), second.starts.len()), (1, 2));
    let tally = (first.tally_slot, second.tally_slot);
    assert_ne!(tally.0, tally.1, "they would wait for each other");
    assert_eq!(first.slot, second.slot, "a saga's events stay in order");
    for key in ["d", "e", "f"] {
        bench.submit(key);
    }
    assert!(!bench.asks_for_a_commit());
    bench.answer_to(two, Ok(bench.won(&second)));
    assert_eq!(bench.asked().1.starts.len(), 3);
}

#[test]
fn what_one_commit_has_no_room_for_may_go_into_a_second_at_once() {
    let mut bench = Bench::overlapping(2);
    for key in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"] {
        let submission = Submission {
            definition: bench.definition.clone(),
            input: Json::null(),
            key: Some(Key::new(key, "lane-test", &Json::null().canonical())),
        };
        let id = submission.id().expect("it has a key");
        let input = Input::start(id, Ticket(1), submission);
        bench.lane.take(input, bench.now);
    }
    bench.pass(Duration::ZERO);
    let sizes = [bench.batch(), bench.batch()].map(|batch| batch.starts.len());
    assert_eq!(sizes, [8, 2]);
}

#[test]
fn answers_come_in_any_order_and_the_offset_waits_for_both() {
    let mut bench = Bench::overlapping(2);
    let ids = ["a", "b", "c"].map(|key| bench.started(key).0);
    for id in ids {
        bench.reply(id, "first", Outcome::Succeeded, "7");
    }
    let (one, first) = bench.asked();
    let (two, second) = bench.asked();
    assert_eq!(
        (moved(&first), moved(&second)),
        (vec![ids[0]], ids[1..].to_vec())
    );
    bench.answer_to(two, Ok(bench.won(&second)));
    assert_eq!(bench.published(), ["second", "second"]);
    assert_eq!(
        bench.advanced_to(),
        None,
        "the first record is not committed"
    );
    bench.answer_to(two, Ok(bench.won(&second)));
    assert_eq!(bench.published().len(), 2, "an answer counts once");
    bench.answer_to(one, Ok(bench.won(&first)));
    assert_eq!(bench.published().len(), 3);
    assert_eq!(bench.advanced_to(), Some(3));
}

#[test]
fn a_saga_in_a_commit_is_in_no_other() {
    let mut bench = Bench::overlapping(1);
    let (id, _) = bench.started("a");
    bench.reply(id, "first", Outcome::Succeeded, "7");
    let (one, first) = bench.asked();
    bench.reply_to(2, id, "second", Outcome::Succeeded, "8");
    assert!(!bench.asks_for_a_commit() && !bench.asks_for_a_load());
    bench.submit("b");
    assert!(bench.batch().updates.is_empty());
    bench.answer_to(one, Ok(bench.won(&first)));
    let (_, next) = bench.asked();
    assert_eq!((moved(&next), next.updates[0].expected), (vec![id], 2));
}

#[test]
fn one_commit_in_doubt_is_settled_by_looking_while_the_other_holds() {
    let mut bench = Bench::overlapping(2);
    let (id, state) = bench.started("a");
    bench.reply(id, "first", Outcome::Succeeded, "7");
    let (one, _) = bench.asked();
    bench.submit("b");
    bench.submit("c");
    let (two, second) = bench.asked();
    bench.answer_to(one, Err(CommitError::Ambiguous(trouble())));
    bench.submit("d");
    bench.submit("e");
    bench.pass(Duration::from_secs(1));
    assert!(!bench.asks_for_a_commit(), "one at a time after a failure");
    bench.answer_to(two, Ok(bench.won(&second)));
    assert_eq!(bench.published(), ["first", "first"], "of b and c");
    assert_eq!(bench.advanced_to(), None);
    let (_, next) = bench.asked();
    assert_eq!(next.starts.len(), 2, "d and e");
    bench.load(id, state);
    bench.answer(Ok(bench.won(&next)));
    bench.commit();
    assert_eq!(bench.advanced_to(), Some(1));
}

#[test]
fn two_commits_may_both_fail_and_nothing_is_lost() {
    let mut bench = Bench::overlapping(2);
    for key in ["a", "b", "c"] {
        bench.submit(key);
    }
    let ((one, _), (two, _)) = (bench.asked(), bench.asked());
    bench.answer_to(two, Err(CommitError::Retry(trouble())));
    bench.answer_to(one, Err(CommitError::Ambiguous(trouble())));
    assert!(bench.lane.resume_at() > Some(bench.now));
    bench.pass(Duration::from_secs(1));
    let retried = bench.commit().starts.into_iter();
    let mut retried: Vec<_> = retried.map(|start| start.is_retried).collect();
    retried.sort_unstable();
    assert_eq!(retried, [false, false, true]);
    assert_eq!(bench.start_answers().len(), 3);
}

#[test]
fn a_culprit_is_searched_by_one_commit_at_a_time() {
    let mut bench = Bench::overlapping(1);
    let ids = ["a", "b", "c", "d"].map(|key| bench.started(key).0);
    bench.lane.bounds.second_commit_min = 4;
    bench.submit("y");
    for id in ids {
        bench.reply(id, "first", Outcome::Succeeded, "7");
    }
    let (one, first) = bench.asked();
    let (two, second) = bench.asked();
    bench.answer_to(two, Err(data()));
    assert_eq!(bench.lane.batch_limit, 2);
    assert!(!bench.asks_for_a_commit(), "four wait, but one is bad");
    bench.answer_to(one, Ok(bench.won(&first)));
    assert_eq!(bench.lane.batch_limit, 2, "it began before the search");
    assert_eq!(moved(&second), ids);
    let (half, batch) = bench.asked();
    assert_eq!(moved(&batch), ids[..2]);
    assert!(!bench.asks_for_a_commit());
    bench.answer_to(half, Err(data()));
    assert_eq!(moved(&bench.batch()), ids[..1]);
}

/// New events come faster than they are committed: what is searched must not stand behind them.
#[test]
fn a_search_ends_although_more_and_more_waits() {
    let mut bench = Bench::overlapping(8);
    let ids = ["a", "b", "c", "d", "e", "f", "g"].map(|key| bench.started(key).0);
    let bad = ids[5];
    bench.submit("y");
    for id in ids {
        bench.reply(id, "first", Outcome::Succeeded, "7");
    }
    for number in 0..60 {
        for one in 0..8 {
            bench.submit(&format!("more-{number}-{one}"));
        }
        let (commit, batch) = bench.asked();
        if batch.dead_letters.len() == 1 {
            assert_eq!(batch.dead_letters[0].offset, 5);
            return;
        }
        let result = if moved(&batch).contains(&bad) {
            Err(data())
        } else {
            Ok(bench.won(&batch))
        };
        bench.answer_to(commit, result);
        for publication in 0..1_000 {
            let is_acknowledged = true;
            bench
                .lane
                .published(publication, is_acknowledged, bench.now);
        }
    }
    panic!("the bad event was not found");
}

/// What a commit decides cannot go out before the producer has an answer for what went out before.
#[test]
fn a_commit_of_few_events_waits_while_the_broker_owes_the_commands_of_two() {
    let mut bench = Bench::overlapping(3);
    bench.lane.bounds.ahead_max = 2;
    bench.submit("a");
    bench.commit();
    bench.submit("b");
    bench.commit();
    bench.submit("c");
    assert!(!bench.asks_for_a_commit());
    assert_eq!(bench.lane.resume_at(), Some(bench.now + PACE_MAX));
    bench.submit("d");
    bench.submit("e");
    assert_eq!(
        bench.commit().starts.len(),
        3,
        "so many need no further wait"
    );

    bench.submit("f");
    assert!(!bench.asks_for_a_commit());
    bench.acknowledge();
    assert_eq!(bench.commit().starts.len(), 1, "the broker owes nothing");

    for key in ["g", "h", "i"] {
        bench.lane.batch_limit = 1;
        bench.submit(key);
        assert_eq!(bench.commit().starts.len(), 1, "no commit can have more");
    }
}

#[test]
fn a_topic_that_is_slow_or_takes_nothing_holds_a_commit_for_a_moment_only() {
    let mut bench = Bench::overlapping(usize::MAX);
    bench.lane.bounds.ahead_max = 2;
    for key in ["a", "b"] {
        bench.submit(key);
        bench.commit();
    }
    bench.submit("c");
    assert!(!bench.asks_for_a_commit());
    bench.pass(PACE_MAX);
    bench.commit();
    for key in ["d", "e"] {
        bench.submit(key);
        bench.commit();
    }
    bench.pass(Duration::from_secs(1));
    bench.submit("f");
    bench.commit();
    bench.submit("g");
    bench.commit();
}

#[test]
fn a_lane_that_holds_after_a_failure_is_in_no_hurry_to_look_at_the_broker() {
    let mut bench = Bench::overlapping(usize::MAX);
    bench.lane.bounds.ahead_max = 2;
    for key in ["a", "b"] {
        bench.submit(key);
        bench.commit();
    }
    bench.submit("c");
    bench.pass(PACE_MAX);
    let _ = bench.asked();
    bench.answer(Err(CommitError::Unavailable(trouble())));
    bench.submit("d");
    assert!(!bench.asks_for_a_commit());
    let resume = bench.lane.resume_at().expect("the hold ends");
    assert!(resume > bench.now, "it would turn again at once, and again");
}
