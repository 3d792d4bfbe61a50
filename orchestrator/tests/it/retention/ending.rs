//! The commit that ends a saga puts it into the archive.

use sagas::machine::Entry;
use sagas::{Outcome, SagaId, Status};
use sagas_core::batch::{Batch, Start, StartOutcome, Update};
use sagas_orchestrator::store::Store;
use sagas_orchestrator::store::retention::Policy;
use sqlx::Executor as _;

use super::{DAY, archive_all, completed, later};
use crate::database::{Database, fresh};
use crate::overview::populate;
use crate::sample::{self, NOON, id};

/// A database with partitions for what ends at noon.
async fn prepared() -> Database {
    let db = fresh().await;
    let policy = Policy::default();
    db.store.make_partitions(&policy, NOON).await.unwrap();
    db
}

fn starts(start: Start) -> Batch {
    Batch {
        starts: vec![start],
        ..Batch::default()
    }
}

fn updates(update: Update) -> Batch {
    Batch {
        updates: vec![update],
        ..Batch::default()
    }
}

/// Runs one saga of `chain` to its end; what each of its commits wrote, and how it is read after it.
async fn run(store: &Store, number: u128, texts: [&str; 4]) -> (Vec<Entry>, Vec<Entry>) {
    let definition = sample::chain();
    let (mut saga, start) = sample::start(&definition, id(number), texts[0]);
    let mut written = start.state.entries.clone();
    store.commit(&starts(start)).await.unwrap();
    for (step, text) in texts[1..].iter().enumerate() {
        let outcome = Outcome::Succeeded;
        let (next, mut update) = sample::reply(&definition, &saga, step, outcome);
        saga = next;
        update.state.entries[0].payload = Some(sample::input(text));
        written.extend(update.state.entries.clone());
        let committed = store.commit(&updates(update)).await.unwrap();
        assert_eq!(committed.updates, [true]);
        assert_eq!(read(store, number).await, written, "after step {step}");
    }
    let read = read(store, number).await;
    (written, read)
}

async fn read(store: &Store, number: u128) -> Vec<Entry> {
    let loaded = store.load(&[id(number)]).await.unwrap().loaded;
    loaded.into_iter().next().unwrap().history
}

#[tokio::test]
async fn a_saga_that_ends_lies_in_the_archive_and_reads_as_if_it_did_not() {
    let mut db = prepared().await;
    let mut other = fresh().await;
    populate(&db.store).await;
    populate(&other.store).await;
    let hot = "SELECT count(*) FROM saga WHERE finished_at IS NOT NULL";
    assert_eq!((db.number(hot).await, other.number(hot).await), (0, 5));
    assert_eq!(db.number("SELECT count(*) FROM saga_archive").await, 5);

    let ids: Vec<SagaId> = (1..=13).map(id).collect();
    let mut here = db.store.load(&ids).await.unwrap().loaded;
    let mut there = other.store.load(&ids).await.unwrap().loaded;
    here.sort_by_key(|loaded| loaded.row.id);
    there.sort_by_key(|loaded| loaded.row.id);
    assert_eq!(here, there);
    let counts = db.store.counts().await.unwrap();
    assert_eq!(counts, other.store.counts().await.unwrap());
    assert_eq!(counts.by_status[&Status::Completed], 3);
    let tally = "SELECT sum(sagas)::bigint FROM saga_archive_tally";
    assert_eq!(db.number(tally).await, 5);
    assert_eq!(archive_all(&db.store, later()).await, 0, "nothing is left");
}

#[tokio::test]
async fn a_history_that_has_no_room_in_the_row_keeps_its_order() {
    let mut db = prepared().await;
    let large = "x".repeat(3_000);
    let huge = "y".repeat(1 << 20);
    let texts = [
        ["a", "b", "c", "d"],
        ["a", &large, "c", "d"],
        [&large, "b", "c", "d"],
        ["a", "b", &huge, "d"],
        ["a", "b", "c", &huge],
        [&huge, &huge, &huge, &huge],
    ];
    for (texts, number) in texts.into_iter().zip(1..) {
        let (written, read) = run(&db.store, number, texts).await;
        assert_eq!(written, read, "saga {number}");
    }
    assert_eq!(db.number("SELECT count(*) FROM saga").await, 0);
    assert_eq!(db.number("SELECT count(*) FROM saga_history").await, 0);
    assert_eq!(db.entries().await, 6 * 4);
}

#[tokio::test]
async fn of_two_commits_that_end_a_saga_one_wins_and_the_archive_has_it_once() {
    let mut db = prepared().await;
    let definition = sample::definition(1);
    let (saga, start) = sample::start(&definition, id(1), "a");
    db.store.commit(&starts(start)).await.unwrap();
    let end = |outcome| updates(sample::reply(&definition, &saga, 0, outcome).1);
    let (left, right) = (end(Outcome::Succeeded), end(Outcome::Rejected));
    let (left, right) = tokio::join!(db.store.commit(&left), db.store.commit(&right));
    let (left, right) = (left.unwrap(), right.unwrap());
    assert_ne!(left.updates, right.updates);
    assert_ne!(left.outbox.is_some(), right.outbox.is_some());
    assert_eq!(db.number("SELECT count(*) FROM saga_archive").await, 1);
    assert_eq!(db.entries().await, 2);
}

#[tokio::test]
async fn without_a_partition_a_saga_ends_where_it_ran_and_is_moved_later() {
    let mut db = prepared().await;
    // It would go on 2023-12-15.
    db.side
        .execute("DROP TABLE saga_archive_20231215")
        .await
        .unwrap();
    let definition = sample::definition(1);
    let (saga, start) = sample::start(&definition, id(1), "a");
    db.store.commit(&starts(start)).await.unwrap();
    let end = updates(sample::reply(&definition, &saga, 0, Outcome::Succeeded).1);
    assert_eq!(db.store.commit(&end).await.unwrap().updates, [true]);
    assert_eq!(db.number("SELECT count(*) FROM saga").await, 1);
    assert_eq!(archive_all(&db.store, later()).await, 1);
    assert_eq!(db.number("SELECT count(*) FROM saga").await, 0);
}

#[tokio::test]
async fn partitions_that_were_made_long_ago_are_not_counted_on() {
    let mut db = fresh().await;
    let policy = Policy::default();
    let long_ago = NOON - 2 * DAY;
    db.store.make_partitions(&policy, long_ago).await.unwrap();
    completed(&db.store, 1..=3).await;
    assert_eq!(db.number("SELECT count(*) FROM saga").await, 3);
    db.store.make_partitions(&policy, NOON).await.unwrap();
    completed(&db.store, 4..=6).await;
    assert_eq!(db.number("SELECT count(*) FROM saga").await, 3);
    assert_eq!(db.number("SELECT count(*) FROM saga_archive").await, 3);
}

#[tokio::test]
async fn a_definition_of_its_own_time_goes_on_its_own_day() {
    let mut db = fresh().await;
    let policy = Policy {
        definitions: [("take-notes".to_owned(), 7 * DAY)].into(),
        ..Policy::default()
    };
    db.store.make_partitions(&policy, NOON).await.unwrap();
    completed(&db.store, 1..=3).await;
    let days = "SELECT count(*) FROM saga_archive WHERE drop_on = '2023-11-22'";
    assert_eq!(db.number(days).await, 3);
}

#[tokio::test]
async fn a_start_whose_answer_was_lost_does_not_begin_again_what_has_ended() {
    let mut db = prepared().await;
    completed(&db.store, 1..=1).await;
    let (_, mut start) = sample::start(&sample::chain(), id(1), "a");
    start.is_retried = true;
    let (_, other) = sample::start(&sample::chain(), id(2), "a");
    let batch = |starts| Batch {
        starts,
        ..Batch::default()
    };
    let beside = batch(vec![start.clone(), other]);
    let committed = db.store.commit(&beside).await.unwrap();
    let expected = [StartOutcome::SameBefore, StartOutcome::Started];
    assert_eq!(committed.starts, expected);
    let alone = db.store.commit(&batch(vec![start])).await.unwrap();
    assert_eq!(alone.starts, [StartOutcome::SameBefore]);
    assert_eq!(db.number("SELECT count(*) FROM saga").await, 1);
}
