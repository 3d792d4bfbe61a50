//! What a saga costs on disk.

use sagas_orchestrator::store::retention::Policy;

use super::completed;
use crate::database::{Database, undisturbed};
use crate::sample::NOON;

/// Sagas in a round: enough that pages count, not tables.
const SAGAS: i64 = 3_000;

/// After so many rounds the hot tables are as large as they get: pages of an index that were emptied
/// are used again only after the next vacuum but one.
const FIRST_ROUNDS: i64 = 3;

#[tokio::test]
async fn a_finished_saga_of_three_steps_takes_at_most_1200_bytes() {
    let (_server, mut db) = undisturbed().await;
    let policy = Policy::default();
    db.store.make_partitions(&policy, NOON).await.unwrap();
    for number in 0..FIRST_ROUNDS {
        round(&mut db, number).await;
    }
    let before = bytes(&mut db).await;
    round(&mut db, FIRST_ROUNDS).await;
    let kept = (bytes(&mut db).await - before) / SAGAS;
    assert!(kept < 1_200, "{kept} bytes a saga");
}

/// Runs sagas to their end, and vacuums as autovacuum would.
async fn round(db: &mut Database, number: i64) {
    let first = number * SAGAS + 1;
    for begin in (first..first + SAGAS).step_by(500) {
        let begin = u128::try_from(begin).unwrap();
        completed(&db.store, begin..=begin + 499).await;
    }
    for sql in ["VACUUM", "SELECT txid_current()", "VACUUM"] {
        sqlx::query(sql).execute(&mut db.side).await.unwrap();
    }
}

/// All tables of sagas, their keys and indexes included.
async fn bytes(db: &mut Database) -> i64 {
    db.number(
        "SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class
         WHERE relkind = 'r' AND (relname IN ('saga', 'saga_history', 'saga_key')
             OR relname LIKE 'saga\\_archive\\_2%')",
    )
    .await
}
