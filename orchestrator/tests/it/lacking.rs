//! What open sagas pin and a binary lacks, as `serve` asks for it.

use sagas_core::registry::Pin;
use sagas_orchestrator::store::lacking::{Counted, Lacking};
use sqlx::AssertSqlSafe;

use crate::database::{Database, fresh};
use crate::overview::{deployed, populate};
use crate::sample;

/// Twelve sagas of which seven are open, and replicas that live with their definition and another.
async fn populated() -> (Database, Pin, Pin) {
    let db = fresh().await;
    populate(&db.store).await;
    let (theirs, other) = (sample::definition(2), sample::definition(3));
    deployed(&db.store, &[&theirs, &other]).await;
    (db, Pin::of(&theirs), Pin::of(&other))
}

/// Sets when the definitions were last seen, as SQL says it.
async fn seen(db: &mut Database, at: &str) {
    let update = AssertSqlSafe(format!("UPDATE definition_seen SET seen_at = {at}"));
    sqlx::query(update).execute(&mut db.side).await.unwrap();
}

#[tokio::test]
async fn a_binary_lacks_what_a_replica_has_published_and_it_does_not_have() {
    let (mut db, theirs, other) = populated().await;
    let held = [theirs.clone(), other.clone()];
    assert_eq!(db.store.lacking(&held).await.unwrap(), []);
    let lacking = |is_live| Lacking {
        pin: theirs.clone(),
        is_live,
    };
    let without = [other];
    assert_eq!(db.store.lacking(&without).await.unwrap(), [lacking(true)]);
    seen(&mut db, "statement_timestamp() - interval '11 s'").await;
    assert_eq!(db.store.lacking(&without).await.unwrap(), [lacking(false)]);
}

#[tokio::test]
async fn open_sagas_of_a_definition_are_counted_and_ended_ones_are_not() {
    let (db, theirs, other) = populated().await;
    let store = &db.store;
    assert_eq!(
        store.open_sagas_of(&theirs, None).await.unwrap(),
        Counted::Exactly(7)
    );
    assert_eq!(
        store.open_sagas_of(&other, None).await.unwrap(),
        Counted::Exactly(0)
    );
}

#[tokio::test]
async fn sagas_that_started_long_after_a_definition_was_last_seen_are_not_looked_at() {
    let (mut db, theirs, _) = populated().await;
    let noon = "timestamptz '2023-11-14 22:13:20Z'";
    seen(&mut db, &format!("{noon} - interval '2 hours'")).await;
    let counted = db.store.open_sagas_of(&theirs, None).await.unwrap();
    assert_eq!(counted, Counted::Exactly(0));
    // Within the hour they are.
    seen(&mut db, &format!("{noon} - interval '50 minutes'")).await;
    let counted = db.store.open_sagas_of(&theirs, None).await.unwrap();
    assert_eq!(counted, Counted::Exactly(7));
}

#[tokio::test]
async fn beyond_ten_thousand_open_sagas_are_not_counted_on() {
    let (mut db, theirs, _) = populated().await;
    let copies = "INSERT INTO saga (id, fingerprint, revision, version, started_at, updated_at,
            wake_at, shard, needs_attention, spilled, status, definition, moving, entries)
        SELECT gen_random_uuid(), fingerprint, revision, version, started_at, updated_at,
            wake_at, shard, needs_attention, spilled, status, definition, moving, entries
        FROM (SELECT * FROM saga WHERE status = 'running' LIMIT 1) AS one, generate_series(1, 10000)";
    sqlx::query(copies).execute(&mut db.side).await.unwrap();
    let counted = db.store.open_sagas_of(&theirs, None).await.unwrap();
    assert_eq!(counted, Counted::AtLeast(10_000));
}

#[tokio::test]
async fn shards_are_searched_one_by_one() {
    let (db, theirs, _) = populated().await;
    let mut found = 0;
    for shard in 0..db.store.shards() {
        match db.store.open_sagas_of(&theirs, Some(shard)).await.unwrap() {
            Counted::Exactly(count) => found += count,
            other => panic!("shard {shard}: {other:?}"),
        }
    }
    assert_eq!(found, 7);
}
