//! What a lane does when the database fails it, or a record makes no sense.

use super::*;
use crate::loaded::{Found, Unreadable};

#[test]
fn an_outage_holds_replies_and_tells_callers() {
    let mut bench = Bench::new();
    let (id, _) = bench.started("a");
    bench.reply(id, "first", Outcome::Succeeded, "7");
    bench.batch();
    bench.answer(Err(CommitError::Unavailable(trouble())));
    assert!(!bench.asks_for_a_commit(), "no busy loop");
    bench.pass(Duration::from_millis(60));
    bench.batch();
    bench.submit("b");
    bench.answer(Err(CommitError::Unavailable(trouble())));
    bench.pass(Duration::from_millis(60));
    assert!(!bench.asks_for_a_commit(), "the wait grows");
    bench.pass(Duration::from_millis(60));
    let batch = bench.commit();
    assert_eq!((batch.updates.len(), batch.starts.len()), (1, 1));
    assert_eq!(bench.advanced_to(), Some(1));
}

#[test]
fn a_hold_that_ends_while_a_commit_is_under_way_is_no_busy_loop() {
    let mut bench = Bench::new();
    bench.submit("a");
    bench.batch();
    let id = SagaId(Uuid::from_u128(77));
    bench.take(Input::wake(id));
    bench.take(Input::Loaded {
        asked: vec![id],
        result: Err(Cause::ours("the database is away")),
    });
    bench.pass(Duration::from_secs(1));
    assert_eq!(
        bench.lane.resume_at(),
        None,
        "the commit's answer comes first"
    );
    bench.answer(Err(CommitError::Unavailable(trouble())));
    assert!(bench.lane.resume_at() > Some(bench.now));
}

#[test]
fn a_start_that_the_database_did_not_take_is_answered_and_forgotten() {
    let mut bench = Bench::new();
    bench.submit("a");
    bench.batch();
    bench.answer(Err(CommitError::Unavailable(trouble())));
    assert!(matches!(
        bench.start_answers().as_slice(),
        [StartAnswer::Unavailable(_)]
    ));
    bench.pass(Duration::from_secs(5));
    assert!(!bench.asks_for_a_commit());
    assert!(bench.lane.is_idle());
}

#[test]
fn an_ambiguous_commit_is_settled_by_looking_again() {
    let mut bench = Bench::new();
    let id = bench.submit("a");
    bench.batch();
    bench.answer(Err(CommitError::Ambiguous(trouble())));
    assert!(bench.order_answers().is_empty(), "nobody knows yet");
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.batch().starts.len(), 1);
    let committed = Committed {
        starts: vec![StartOutcome::SameBefore],
        updates: Vec::new(),
        letters_left_out: BTreeSet::new(),
        outbox: None,
        database_time: bench.now,
    };
    bench.answer(Ok(committed));
    assert_eq!(
        bench.start_answers(),
        [StartAnswer::Accepted { id, is_new: false }]
    );
}

#[test]
fn a_start_says_from_then_on_that_a_commit_of_it_was_in_doubt() {
    let mut bench = Bench::new();
    bench.submit("a");
    assert!(!bench.batch().starts[0].is_retried);
    let mut is_retried_after = |error, newcomer: &str| -> Vec<bool> {
        bench.answer(Err(error));
        bench.submit(newcomer);
        bench.pass(Duration::from_secs(5));
        let starts = bench.batch().starts;
        starts.iter().map(|start| start.is_retried).collect()
    };
    let collided = || CommitError::Retry(trouble());
    let lost = CommitError::Ambiguous(trouble());
    assert_eq!(is_retried_after(collided(), "b"), [false, false]);
    assert_eq!(is_retried_after(lost, "c"), [true, true, false]);
    assert_eq!(
        is_retried_after(collided(), "d"),
        [true, true, false, false]
    );
}

#[test]
fn one_bad_event_is_found_and_the_others_are_committed() {
    let mut bench = Bench::new();
    let ids: Vec<_> = ["a", "b", "c", "d"].map(|key| bench.started(key).0).into();
    bench.submit("z");
    for id in &ids {
        bench.reply(*id, "first", Outcome::Succeeded, "7");
    }
    bench.commit();
    let bad = ids[2];
    let mut committed = BTreeSet::new();
    let mut buried = 0;
    while bench.asks_for_a_commit() {
        let batch = bench.batch();
        if batch.updates.iter().any(|update| update.id == bad) {
            bench.answer(Err(CommitError::Data(trouble())));
            continue;
        }
        committed.extend(batch.updates.iter().map(|update| update.id));
        buried += batch.dead_letters.len();
        let all = Committed {
            starts: Vec::new(),
            updates: vec![true; batch.updates.len()],
            letters_left_out: BTreeSet::new(),
            outbox: None,
            database_time: bench.now,
        };
        bench.answer(Ok(all));
    }
    let good = ids.iter().copied().filter(|id| *id != bad).collect();
    assert_eq!((committed, buried), (good, 1));
    assert_eq!(bench.advanced_to(), Some(4));
}

#[test]
fn a_reply_for_no_saga_is_a_dead_letter_and_the_partition_goes_on() {
    let mut bench = Bench::new();
    let nobody = SagaId(Uuid::from_u128(77));
    bench.reply(nobody, "first", Outcome::Succeeded, "7");
    assert!(bench.asks_for_a_load());
    bench.take(Input::Loaded {
        asked: vec![nobody],
        result: Ok(Vec::new().into()),
    });
    let batch = bench.commit();
    assert_eq!(batch.dead_letters[0].reason, "there is no such saga");
    assert_eq!(bench.advanced_to(), Some(1));
}

#[test]
fn a_dead_letter_that_is_only_counted_is_told_as_such_and_is_done_with() {
    let mut bench = Bench::new();
    for offset in 0..3 {
        let at = Position {
            partition: 5,
            offset,
        };
        let letter = Box::new(letter(at));
        bench.take(Input::Garbage { at, letter });
    }
    assert_eq!(bench.commit().dead_letters.len(), 1);
    let batch = bench.batch();
    let won = bench.won(&batch);
    bench.answer(Ok(Committed {
        letters_left_out: [1].into(),
        ..won
    }));
    let told: Vec<_> = bench
        .outputs
        .iter()
        .filter_map(|output| match output {
            Output::Note(Note::LetterKept(letter)) => Some(Ok(letter.offset)),
            Output::Note(Note::LetterCounted(kind)) => Some(Err(*kind)),
            _ => None,
        })
        .collect();
    assert_eq!(told, [Ok(0), Ok(1), Err(LetterKind::Unreadable)]);
    assert_eq!(bench.advanced_to(), Some(3));
}

#[test]
fn a_saga_that_the_cache_has_no_room_for_is_not_missing() {
    let mut bench = Bench::new();
    let (one, first) = Bench::new().started("a");
    let (two, second) = Bench::new().started("b");
    bench.lane.cache = Cache::new(NonZeroUsize::MIN);
    // A commit is under way, so both replies wait for the same load.
    bench.submit("c");
    bench.reply(one, "first", Outcome::Succeeded, "7");
    bench.reply(two, "first", Outcome::Succeeded, "7");
    bench.commit();
    let load = |bench: &mut Bench| {
        let loads = bench.outputs.iter().find_map(|output| match output {
            Output::Load(sagas) => Some(sagas.clone()),
            _ => None,
        });
        let asked = loads.expect("a load is asked for");
        bench.outputs.clear();
        let found = asked.iter().map(|id| {
            let state = if *id == one { &first } else { &second };
            Loaded {
                row: bench.row(*id, state),
                history: state.entries.clone(),
            }
        });
        let result = Ok(found.collect::<Vec<_>>().into());
        bench.take(Input::Loaded { asked, result });
    };
    load(&mut bench);
    assert_eq!(bench.commit().updates[0].id, two);
    load(&mut bench);
    let batch = bench.commit();
    assert!(batch.dead_letters.is_empty(), "{:?}", batch.dead_letters);
    assert_eq!(batch.updates[0].id, one);
    assert_eq!(bench.advanced_to(), Some(2));
}

#[test]
fn a_reply_from_the_future_decides_nothing() {
    let mut bench = Bench::new();
    let (id, state) = bench.started("a");
    bench.reply_to(9, id, "first", Outcome::Succeeded, "7");
    bench.load(id, state);
    let batch = bench.commit();
    assert!(batch.updates.is_empty());
    assert!(batch.dead_letters[0].reason.contains("set back"));
}

/// Another replica has taken the first reply, sent the second command, and this one reads both
/// replies: a commit that will lose proves nothing about the database.
#[test]
fn a_reply_ahead_of_a_stale_state_is_kept_until_the_state_is_read() {
    let mut bench = Bench::new();
    let (id, _) = bench.started("a");
    bench.submit("b");
    bench.reply(id, "first", Outcome::Succeeded, "7");
    bench.reply_to(2, id, "second", Outcome::Succeeded, "8");
    bench.reply_to(3, id, "second", Outcome::Succeeded, "8");
    bench.commit();
    let batch = bench.batch();
    assert_eq!(batch.updates.len(), 1);
    assert!(batch.dead_letters.is_empty(), "{:?}", batch.dead_letters);
    bench.outputs.clear();
    bench.answer(Ok(Committed {
        starts: Vec::new(),
        updates: vec![false],
        letters_left_out: BTreeSet::new(),
        outbox: None,
        database_time: bench.now,
    }));
    assert!(bench.asks_for_a_load());
}

/// The reply came while the answer of the database was on its way, and another replica moved the
/// saga in between.
#[test]
fn a_reply_that_comes_during_a_load_is_no_proof_of_a_database_that_was_set_back() {
    let mut bench = Bench::new();
    let (id, state) = Bench::new().started("a");
    bench.take(Input::wake(id));
    assert!(bench.asks_for_a_load());
    bench.reply_to(2, id, "first", Outcome::Succeeded, "7");
    bench.load(id, state.clone());
    bench.commit();
    assert!(bench.asks_for_a_load());
    bench.load(id, state);
    let batch = bench.commit();
    assert!(batch.dead_letters[0].reason.contains("set back"));
}

/// The load was asked for by an earlier event; its answer then waits for a commit to end, while
/// another replica moves the saga and an operator sees the new state.
#[test]
fn an_order_is_not_refused_on_a_state_that_was_read_before_it_came() {
    let mut bench = Bench::new();
    let (id, state) = Bench::new().started("a");
    bench.take(Input::wake(id));
    assert!(bench.asks_for_a_load());
    bench.submit("b");
    let batch = bench.batch();
    bench.load(id, state.clone());
    let order = Order {
        kind: OrderKind::Resume,
        ..cancel(1)
    };
    bench.take(Input::order(id, Ticket(1), order));
    bench.answer(Ok(bench.won(&batch)));
    let refused = |answer: &OrderAnswer| matches!(answer, OrderAnswer::Refused(_));
    assert!(
        !bench.order_answers().iter().any(refused),
        "it was not paused then"
    );
    bench.commit();
    bench.load(id, state);
    assert!(bench.order_answers().iter().any(refused), "nor is it now");
}

/// Two attempts' worth of one answer, and only the first cannot be stored.
#[test]
fn what_a_bad_event_made_pointless_is_not_buried_with_it() {
    let mut bench = Bench::new();
    let (id, state) = bench.started("a");
    bench.submit("b");
    for code in ["bad", "busy"] {
        let payload = format!(r#"{{"code":"{code}","message":""}}"#);
        bench.reply(id, "first", Outcome::Failed, &payload);
    }
    bench.commit();
    assert_eq!(bench.batch().updates[0].state.entries.len(), 1);
    bench.answer(Err(CommitError::Data(trouble())));
    let letters = bench.commit().dead_letters;
    assert_eq!((letters.len(), letters[0].offset), (1, 0));
    assert_eq!(bench.advanced_to(), Some(1));
    bench.load(id, state);
    assert_eq!(bench.commit().updates.len(), 1);
    assert_eq!(bench.advanced_to(), Some(2));
}

#[test]
fn a_start_in_doubt_leaves_no_state_that_was_known_before_it() {
    let mut bench = Bench::new();
    let (id, _) = bench.started("a");
    bench.submit("a");
    bench.batch();
    bench.answer(Err(CommitError::Ambiguous(trouble())));
    bench.pass(Duration::from_secs(1));
    bench.batch();
    bench.answer(Err(CommitError::Unavailable(trouble())));
    assert!(matches!(
        bench.start_answers()[..],
        [StartAnswer::Unavailable(_)]
    ));
    bench.pass(Duration::from_secs(1));
    bench.reply(id, "first", Outcome::Succeeded, "7");
    assert!(bench.asks_for_a_load());
}

#[test]
fn a_saga_that_cannot_be_read_stops_none_that_is_loaded_with_it() {
    let mut bench = Bench::new();
    let (good, state) = Bench::new().started("a");
    let bad = SagaId(Uuid::from_u128(78));
    // A commit is under way, so both wait for the same load.
    bench.submit("c");
    bench.reply(good, "first", Outcome::Succeeded, "7");
    bench.take(Input::order(bad, Ticket(9), cancel(1)));
    bench.commit();
    let row = bench.row(good, &state);
    let unreadable = Unreadable {
        id: bad,
        definition: row.definition.clone(),
        version: 1,
        status: "running".to_owned(),
        revision: 1,
        started_at: row.started_at,
        updated_at: row.updated_at,
        finished_at: None,
        why: "the state: EOF".to_owned(),
    };
    let loaded = Loaded {
        row,
        history: state.entries,
    };
    bench.take(Input::Loaded {
        asked: vec![good, bad],
        result: Ok(Found {
            loaded: vec![loaded],
            unreadable: vec![unreadable],
        }),
    });
    let why = NotRunnable::Unreadable("the state: EOF".to_owned());
    assert_eq!(bench.order_answers(), [OrderAnswer::NotRunnable(why)]);
    let batch = bench.commit();
    assert_eq!(batch.updates[0].id, good);
    assert!(batch.dead_letters.is_empty(), "{:?}", batch.dead_letters);
}
