//! Out of the archive, and keys and dead letters after it.

use std::time::{Duration, Instant};

use sagas::{Status, Timestamp};
use sagas_core::batch::{Batch, DeadLetter, LetterKind, StartOutcome};
use sagas_core::membership::Replica;
use sagas_orchestrator::store::Store;
use sagas_orchestrator::store::list::ListFilter;
use sagas_orchestrator::store::retention::Policy;
use sqlx::{Connection as _, Executor as _, PgConnection};
use uuid::Uuid;

use super::{DAY, archive_all, completed, later};
use crate::database::{Database, SHARDS, connect, fresh};
use crate::overview::populate;
use crate::sample::{self, NOON, id};

const PARTITIONS: &str = "SELECT count(*) FROM pg_class
    WHERE relkind = 'r' AND relname LIKE 'saga\\_archive\\_2%'";

/// Frees the keys whose time has come, of all shards; returns how many.
async fn freed(store: &Store, now: Timestamp) -> u64 {
    let (mut freed, policy) = (0, Policy::default());
    for shard in 0..SHARDS {
        freed += store.free_keys(shard, 100, &policy, now).await.unwrap();
    }
    freed
}

/// Completed sagas 1 to 20, archived, and the day on which they go.
async fn archived() -> (Database, Timestamp) {
    let db = fresh().await;
    completed(&db.store, 1..=20).await;
    assert_eq!(archive_all(&db.store, later()).await, 20);
    (db, NOON + 31 * DAY)
}

#[tokio::test]
async fn a_partition_goes_when_its_day_has_come_and_takes_its_counts_along() {
    let (mut db, due) = archived().await;
    assert_eq!(db.number(PARTITIONS).await, 33);
    let early = db.store.drop_partitions(due - DAY).await.unwrap();
    assert_eq!(early.partitions.len(), 29, "they were empty");
    assert_eq!(db.number("SELECT count(*) FROM saga_archive").await, 20);
    let counted = db.store.counts().await.unwrap().by_status;
    assert_eq!(counted[&Status::Completed], 20);

    let dropped = db.store.drop_partitions(due).await.unwrap();
    assert!(dropped.held_up.is_none(), "{:?}", dropped.held_up);
    assert_eq!(dropped.partitions.len(), 1);
    assert!(dropped.partitions[0].bytes > 0);
    assert_eq!(db.number("SELECT count(*) FROM saga_archive").await, 0);
    assert_eq!(db.number(PARTITIONS).await, 3);
    let counted = db.store.counts().await.unwrap().by_status;
    assert_eq!(counted[&Status::Completed], 0);
    assert_eq!(db.store.load(&[id(1)]).await.unwrap().loaded, []);
}

#[tokio::test]
async fn a_drop_disturbs_no_reader_and_is_completed_once_they_are_done() {
    let (mut db, due) = archived().await;
    // Somebody, a backup, say, reads everything in one long transaction.
    let mut reader = PgConnection::connect(&db.url).await.unwrap();
    reader
        .execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        .await
        .unwrap();
    let everything = "SELECT count(*) FROM saga_archive";
    let count = sqlx::query_scalar::<_, i64>(everything);
    assert_eq!(count.fetch_one(&mut reader).await.unwrap(), 20);

    let store = db.store.clone();
    let dropping = tokio::spawn(async move { store.drop_partitions(due).await.unwrap() });
    db.until("SELECT count(*) FROM pg_inherits WHERE inhdetachpending", 1)
        .await;
    // The first of the empty ones is on its way out. Everybody else reads, ends and moves sagas
    // meanwhile.
    let begun = Instant::now();
    completed(&db.store, 21..=25).await;
    completed(&connect(&db.url, SHARDS), 26..=30).await;
    assert_eq!(archive_all(&db.store, later()).await, 5);
    let all = ListFilter {
        limit: 100,
        ..ListFilter::default()
    };
    assert_eq!(db.store.list(&all).await.unwrap().len(), 30);
    assert_eq!(
        db.store.load(&[id(1), id(21)]).await.unwrap().loaded.len(),
        2
    );
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    let dropped = dropping.await.unwrap();
    assert!(dropped.held_up.is_some() && dropped.partitions.is_empty());

    reader.execute("COMMIT").await.unwrap();
    let dropped = db.store.drop_partitions(due).await.unwrap();
    assert!(dropped.held_up.is_none(), "{:?}", dropped.held_up);
    assert_eq!(dropped.partitions.len(), 30);
    assert_eq!(db.number("SELECT count(*) FROM saga_archive").await, 0);
    let pending = "SELECT count(*) FROM pg_inherits WHERE inhdetachpending";
    assert_eq!(db.number(pending).await, 0);
}

#[tokio::test]
async fn a_drop_that_was_interrupted_after_the_detach_is_taken_up() {
    let (mut db, due) = archived().await;
    db.side
        .execute("ALTER TABLE saga_archive DETACH PARTITION saga_archive_20231215 CONCURRENTLY")
        .await
        .unwrap();
    let dropped = db.store.drop_partitions(due).await.unwrap();
    assert_eq!(dropped.partitions.len(), 30);
    let counted = db.store.counts().await.unwrap().by_status;
    assert_eq!(counted[&Status::Completed], 0);
}

#[tokio::test]
async fn a_key_is_refused_after_its_saga_was_dropped_until_it_is_freed_itself() {
    let (db, due) = archived().await;
    db.store.drop_partitions(due).await.unwrap();
    let again = async || {
        let definition = sample::chain();
        let (_, start) = sample::start(&definition, id(1), "a");
        let batch = Batch {
            starts: vec![sample::keyed(start, 1)],
            ..Batch::default()
        };
        db.store.commit(&batch).await.unwrap().starts[0]
    };
    assert_eq!(again().await, StartOutcome::SameBefore);
    assert!(db.store.is_key_known(id(1)).await.unwrap());
    // Its first use was today, whatever the clock of the sagas says.
    let today = db.store.heartbeat(&nobody()).await.unwrap().1;
    assert_eq!(freed(&db.store, today + 180 * DAY).await, 0);
    assert_eq!(again().await, StartOutcome::SameBefore);
    assert_eq!(freed(&db.store, today + 182 * DAY).await, 20);
    assert!(!db.store.is_key_known(id(1)).await.unwrap());
    assert_eq!(again().await, StartOutcome::Started);
}

#[tokio::test]
async fn a_key_is_not_freed_while_its_saga_is_open_or_in_the_archive() {
    let mut db = fresh().await;
    populate(&db.store).await;
    let keys = "INSERT INTO saga_key (shard, id, digest, created_on)
                SELECT shard, id, '', '2023-11-14' FROM saga";
    db.side.execute(keys).await.unwrap();
    archive_all(&db.store, later()).await;
    let now = NOON + 365 * DAY;
    assert_eq!(freed(&db.store, now).await, 0);
    db.store.drop_partitions(now).await.unwrap();
    assert_eq!(freed(&db.store, now).await, 5);
    assert_eq!(freed(&db.store, now).await, 0, "seven are open");
    assert_eq!(db.number("SELECT count(*) FROM saga_key").await, 7);
}

#[tokio::test]
async fn dead_letters_go_a_few_at_a_time() {
    let mut db = fresh().await;
    let letter = |offset| DeadLetter {
        cluster: "".into(),
        topic: "saga.replies".into(),
        partition: 0,
        offset,
        kind: LetterKind::Unreadable,
        reason: "garbage".to_owned(),
        key: None,
        headers: sagas::wire::Headers::default(),
        value: Some(vec![u8::try_from(offset).unwrap()]),
    };
    let batch = Batch {
        dead_letters: (0..5).map(letter).collect(),
        ..Batch::default()
    };
    db.store.commit(&batch).await.unwrap();
    db.side
        .execute("UPDATE dead_letter SET received_at = '2023-11-14' WHERE record_offset < 3")
        .await
        .unwrap();
    let (policy, now) = (Policy::default(), NOON + 90 * DAY);
    let due = db.store.due_to_go(&policy, now).await.unwrap();
    assert_eq!((due.dead_letters, due.keys, due.sagas), (3, 0, 0));
    assert_eq!(
        db.store.drop_dead_letters(2, &policy, now).await.unwrap(),
        2
    );
    assert_eq!(
        db.store.drop_dead_letters(2, &policy, now).await.unwrap(),
        1
    );
    assert_eq!(db.number("SELECT count(*) FROM dead_letter").await, 2);
}

fn nobody() -> Replica {
    Replica {
        id: Uuid::from_u128(1),
        name: "a".to_owned(),
        started_at: NOON,
        definitions: vec![],
    }
}
