//! What becomes of an event whose database and broker are well.

use super::*;

#[test]
fn nothing_is_published_or_answered_before_the_commit() {
    let mut bench = Bench::new();
    let id = bench.submit("a");
    assert!(bench.published().is_empty() && bench.order_answers().is_empty());
    bench.commit();
    assert_eq!(bench.published(), ["first"]);
    assert_eq!(
        bench.start_answers(),
        [StartAnswer::Accepted { id, is_new: true }]
    );
}

#[test]
fn what_arrives_during_a_commit_is_the_next_batch() {
    let mut bench = Bench::new();
    bench.submit("a");
    bench.submit("b");
    bench.submit("c");
    assert_eq!(bench.commit().starts.len(), 1);
    assert_eq!(bench.commit().starts.len(), 2);
}

#[test]
fn what_was_begun_moves_before_anything_new_starts() {
    let mut bench = Bench::new();
    let (begun, _) = bench.started("a");
    for key in ["b", "c", "d", "e", "f", "g", "h", "i", "j"] {
        bench.submit(key);
    }
    bench.reply(begun, "first", Outcome::Succeeded, "7");
    assert_eq!(bench.commit().starts.len(), 1, "all others came after it");
    let full = bench.commit();
    assert_eq!((full.updates.len(), full.starts.len()), (1, 7));
    assert_eq!(bench.commit().starts.len(), 1);
}

#[test]
fn a_reply_moves_a_cached_saga_without_a_load_and_then_its_offset_advances() {
    let mut bench = Bench::new();
    let (id, _) = bench.started("a");
    bench.reply(id, "first", Outcome::Succeeded, "7");
    assert!(!bench.asks_for_a_load());
    assert_eq!(bench.advanced_to(), None);
    let batch = bench.commit();
    assert_eq!(
        (batch.updates[0].expected, batch.updates[0].state.revision),
        (1, 2)
    );
    assert_eq!(bench.published(), ["second"]);
    assert_eq!(bench.advanced_to(), Some(1));
}

#[test]
fn a_probe_moves_nothing_but_the_offset() {
    let mut bench = Bench::new();
    bench.take(Input::Probe(Position {
        partition: 0,
        offset: 4,
    }));
    assert!(!bench.asks_for_a_commit() && !bench.asks_for_a_load());
    assert_eq!(bench.advanced_to(), Some(5));
}

#[test]
fn a_lost_race_is_applied_again_to_what_is_stored() {
    let mut bench = Bench::new();
    let (id, state) = bench.started("a");
    bench.reply(id, "first", Outcome::Succeeded, "7");
    bench.batch();
    let lost = Committed {
        starts: Vec::new(),
        updates: vec![false],
        letters_left_out: BTreeSet::new(),
        outbox: None,
        database_time: bench.now,
    };
    bench.answer(Ok(lost));
    assert!(bench.published().is_empty());
    assert_eq!(bench.advanced_to(), None);
    bench.load(id, state);
    bench.commit();
    assert_eq!(bench.published(), ["second"]);
    assert_eq!(bench.advanced_to(), Some(1));
}

#[test]
fn a_refusal_from_a_cached_state_is_checked_against_the_database_first() {
    let mut bench = Bench::new();
    let (id, _) = bench.started("a");
    // Another replica has moved the saga on: this one's cache is stale.
    bench.reply(id, "second", Outcome::Succeeded, "8");
    assert_eq!(bench.advanced_to(), None);
    let mut elsewhere = Bench::new();
    elsewhere.started("a");
    elsewhere.reply(id, "first", Outcome::Succeeded, "7");
    let stored = elsewhere.commit().updates.remove(0).state;
    let mut state = State {
        entries: Vec::new(),
        ..stored.clone()
    };
    let (_, started) = Bench::new().started("a");
    state.entries.extend(started.entries);
    state.entries.extend(stored.entries);
    assert_eq!(state.revision, 2);
    bench.load(id, state);
    let batch = bench.commit();
    assert_eq!(batch.updates[0].state.status, Status::Completed);
    assert_eq!(bench.advanced_to(), Some(1));
}

#[test]
fn a_duplicate_reply_is_dropped_after_one_look_at_the_database() {
    let mut bench = Bench::new();
    let (id, mut state) = bench.started("a");
    bench.reply(id, "first", Outcome::Succeeded, "7");
    let moved = bench.commit().updates.remove(0).state;
    bench.outputs.clear();
    bench.reply(id, "first", Outcome::Succeeded, "7");
    state.entries.extend(moved.entries.clone());
    bench.load(
        id,
        State {
            entries: state.entries,
            ..moved
        },
    );
    assert!(!bench.asks_for_a_commit());
    assert_eq!(bench.advanced_to(), Some(2));
}

#[test]
fn events_of_one_saga_that_wait_together_become_one_row_write() {
    let mut bench = Bench::new();
    let (id, _) = bench.started("a");
    bench.submit("b");
    bench.reply(
        id,
        "first",
        Outcome::Failed,
        r#"{"code":"busy","message":""}"#,
    );
    bench.take(Input::order(id, Ticket(1), cancel(1)));
    bench.commit();
    let batch = bench.commit();
    assert_eq!(batch.updates.len(), 1);
    assert_eq!(
        (batch.updates[0].expected, batch.updates[0].state.revision),
        (1, 3)
    );
    assert_eq!(batch.updates[0].state.entries.len(), 2);
}

#[test]
fn an_order_given_twice_is_applied_once_and_answered_twice() {
    let mut bench = Bench::new();
    let (id, mut state) = bench.started("a");
    bench.take(Input::order(id, Ticket(1), cancel(1)));
    let moved = bench.commit().updates.remove(0).state;
    bench.take(Input::order(id, Ticket(2), cancel(1)));
    bench
        .outputs
        .retain(|output| !matches!(output, Output::Publish { .. }));
    let answers = bench.order_answers();
    bench
        .outputs
        .retain(|output| matches!(output, Output::Load(_)));
    state.entries.extend(moved.entries.clone());
    bench.load(
        id,
        State {
            entries: state.entries,
            ..moved
        },
    );
    assert!(!bench.asks_for_a_commit());
    let expected = OrderAnswer::Applied {
        order: cancel(1).id,
        result: OrderResult::Cancelling,
    };
    assert_eq!(
        (answers, bench.order_answers()),
        (vec![expected.clone()], vec![expected])
    );
}

#[test]
fn the_same_key_with_another_input_is_told_so() {
    let mut bench = Bench::new();
    let id = bench.submit("a");
    bench.batch();
    let committed = Committed {
        starts: vec![StartOutcome::OtherBefore],
        updates: Vec::new(),
        letters_left_out: BTreeSet::new(),
        outbox: None,
        database_time: bench.now,
    };
    bench.answer(Ok(committed));
    assert_eq!(
        bench.start_answers(),
        [StartAnswer::KeyUsedOtherwise { id }]
    );
    assert!(bench.published().is_empty());
}
