//! What a commit writes, and who wins.

use std::time::Duration;

use sagas::Outcome;
use sagas_core::batch::{Batch, Postponement, StartOutcome};

use crate::database::{fresh, undisturbed};
use crate::sample::{self, NOON, id};

fn starts(starts: Vec<sagas_core::batch::Start>) -> Batch {
    Batch {
        starts,
        ..Batch::default()
    }
}

#[tokio::test]
async fn a_batch_commits_the_winners_and_leaves_no_trace_of_the_losers() {
    let mut db = fresh().await;
    let definition = sample::definition(2);
    let (first, first_start) = sample::start(&definition, id(1), "a");
    let (second, second_start) = sample::start(&definition, id(2), "b");
    let begun = starts(vec![first_start, second_start]);
    db.store.commit(&begun).await.unwrap();

    let (_, moved) = sample::reply(&definition, &first, 0, Outcome::Succeeded);
    let (_, mut stale) = sample::reply(&definition, &second, 0, Outcome::Rejected);
    stale.expected = 7;
    let (_, unknown) = {
        let (third, _) = sample::start(&definition, id(3), "c");
        sample::reply(&definition, &third, 0, Outcome::Succeeded)
    };
    let batch = Batch {
        updates: vec![unknown, stale, moved],
        ..Batch::default()
    };
    let committed = db.store.commit(&batch).await.unwrap();
    assert_eq!(committed.updates, [false, false, true]);
    assert_eq!(committed.outbox, None, "only the loser had news");

    let revisions = "SELECT string_agg(revision::text, ',' ORDER BY id)::text FROM saga";
    let revisions: String = sqlx::query_scalar(revisions)
        .fetch_one(&mut db.side)
        .await
        .unwrap();
    assert_eq!(revisions, "2,1");
    assert_eq!(db.entries().await, 3);
}

#[tokio::test]
async fn of_two_commits_from_the_same_revision_one_wins() {
    let mut db = fresh().await;
    let definition = sample::definition(2);
    let (saga, start) = sample::start(&definition, id(1), "a");
    db.store.commit(&starts(vec![start])).await.unwrap();
    let batch = |step| Batch {
        updates: vec![sample::reply(&definition, &saga, step, Outcome::Succeeded).1],
        ..Batch::default()
    };
    let (left, right) = (batch(0), batch(1));
    let (left, right) = tokio::join!(db.store.commit(&left), db.store.commit(&right));
    let won = [left.unwrap().updates[0], right.unwrap().updates[0]];
    assert_ne!(won[0], won[1]);
    assert_eq!(db.entries().await, 2);
}

#[tokio::test]
async fn a_key_gives_the_same_saga_again_and_refuses_other_data() {
    let mut db = fresh().await;
    let definition = sample::definition(1);
    let start = |digest| sample::keyed(sample::start(&definition, id(1), "a").1, digest);
    let outcomes = async |start| {
        let committed = db.store.commit(&starts(vec![start])).await.unwrap();
        (committed.starts[0], committed.outbox.is_some())
    };
    assert_eq!(outcomes(start(7)).await, (StartOutcome::Started, true));
    assert_eq!(outcomes(start(7)).await, (StartOutcome::SameBefore, false));
    assert_eq!(outcomes(start(8)).await, (StartOutcome::OtherBefore, false));
    assert_eq!(db.entries().await, 1);
    assert_eq!(db.number("SELECT count(*) FROM saga_key").await, 1);
}

#[tokio::test]
async fn of_many_racing_submissions_with_one_key_exactly_one_starts() {
    let mut db = fresh().await;
    let definition = sample::definition(1);
    for round in 0..20 {
        let batch = |digest| {
            let own = sample::start(
                &definition,
                id(1_000 + round * 10 + u128::from(digest)),
                "b",
            )
            .1;
            let shared = sample::start(&definition, id(round + 1), "a").1;
            starts(vec![own, sample::keyed(shared, digest)])
        };
        let (one, two, three) = (batch(1), batch(2), batch(1));
        let (one, two, three) = tokio::join!(
            db.store.commit(&one),
            db.store.commit(&two),
            db.store.commit(&three)
        );
        let outcomes = [one, two, three].map(|committed| committed.unwrap().starts[1]);
        let began = |outcome: &StartOutcome| *outcome == StartOutcome::Started;
        assert_eq!(outcomes.iter().filter(|o| began(o)).count(), 1);
        let expected = if began(&outcomes[1]) {
            [
                StartOutcome::OtherBefore,
                StartOutcome::Started,
                StartOutcome::OtherBefore,
            ]
        } else if began(&outcomes[0]) {
            [
                StartOutcome::Started,
                StartOutcome::OtherBefore,
                StartOutcome::SameBefore,
            ]
        } else {
            [
                StartOutcome::SameBefore,
                StartOutcome::OtherBefore,
                StartOutcome::Started,
            ]
        };
        assert_eq!(outcomes, expected);
    }
    // The shared ones, and per round two that had an id of their own (one came twice).
    assert_eq!(db.number("SELECT count(*) FROM saga").await, 20 + 2 * 20);
}

#[tokio::test]
async fn a_start_without_a_key_that_is_committed_twice_starts_once() {
    let mut db = fresh().await;
    let definition = sample::definition(1);
    let batch = starts(vec![sample::start(&definition, id(1), "a").1]);
    let first = db.store.commit(&batch).await.unwrap();
    let again = db.store.commit(&batch).await.unwrap();
    assert_eq!(first.starts, [StartOutcome::Started]);
    assert_eq!(again.starts, [StartOutcome::SameBefore]);
    assert_eq!(db.entries().await, 1);
}

#[tokio::test]
async fn a_repeated_start_beside_an_update_of_the_same_saga_does_not_mix_their_histories() {
    let mut db = fresh().await;
    let definition = sample::definition(2);
    let (saga, start) = sample::start(&definition, id(1), "a");
    let start = sample::keyed(start, 1);
    db.store.commit(&starts(vec![start.clone()])).await.unwrap();
    let batch = Batch {
        starts: vec![start],
        updates: vec![sample::reply(&definition, &saga, 0, Outcome::Succeeded).1],
        ..Batch::default()
    };
    let committed = db.store.commit(&batch).await.unwrap();
    assert_eq!(committed.starts, [StartOutcome::SameBefore]);
    assert_eq!(committed.updates, [true]);
    assert_eq!(db.entries().await, 2);
}

#[tokio::test]
async fn a_wake_is_postponed_only_if_nobody_has_moved_the_saga() {
    let mut db = fresh().await;
    let definition = sample::definition(1);
    let (_, still) = sample::start(&definition, id(1), "a");
    let (_, moved) = sample::start(&definition, id(2), "b");
    let wake_at = still.state.wake_at;
    db.store.commit(&starts(vec![still, moved])).await.unwrap();
    let later = Some(NOON + Duration::from_secs(3_600));
    let postpone = |number, expected| Postponement {
        id: id(number),
        expected,
        wake_at: later,
    };
    let batch = Batch {
        postponements: vec![postpone(2, 9), postpone(1, 1)],
        ..Batch::default()
    };
    db.store.commit(&batch).await.unwrap();
    let mut loaded = db.store.load(&[id(1), id(2)]).await.unwrap().loaded;
    loaded.sort_by_key(|saga| saga.row.id);
    assert_eq!(loaded[0].row.wake_at, later);
    assert_eq!(loaded[1].row.wake_at, wake_at);
    assert_eq!(loaded[0].row.revision, 1);
    assert_eq!(db.entries().await, 2);
}

#[tokio::test]
async fn ordinary_steps_are_hot_updates_even_if_all_neighbours_move_in_one_commit() {
    let (_server, mut db) = undisturbed().await;
    let definition = sample::definition(6);
    let mut sagas = Vec::new();
    let mut batch = Batch::default();
    for number in 1..=300 {
        let (saga, start) = sample::start(&definition, id(number), "a");
        sagas.push(saga);
        batch.starts.push(start);
    }
    db.store.commit(&batch).await.unwrap();
    for step in 0..5 {
        let mut batch = Batch::default();
        for saga in &mut sagas {
            let (next, update) = sample::reply(&definition, saga, step, Outcome::Succeeded);
            *saga = next;
            batch.updates.push(update);
        }
        let committed = db.store.commit(&batch).await.unwrap();
        assert!(committed.updates.iter().all(|won| *won));
    }
    db.store.close().await;
    let updates = "SELECT n_tup_upd FROM pg_stat_user_tables WHERE relname = 'saga'";
    db.until(updates, 1_500).await;
    let hot = "SELECT n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'saga'";
    let hot = db.number(hot).await;
    assert!(hot >= 1_480, "{hot} of 1500 updates were HOT");
}
