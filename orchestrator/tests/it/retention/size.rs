//! What a saga costs on disk.

use super::{archive_all, completed, later};
use crate::database::{Database, undisturbed};

/// Sagas in a round: enough that pages count, not tables.
const SAGAS: i64 = 3_000;

/// After so many rounds the hot tables are as large as they get: pages of an index that were emptied
/// are used again only after the next vacuum but one.
const FIRST_ROUNDS: i64 = 3;

#[tokio::test]
async fn a_finished_saga_of_three_steps_takes_at_most_1200_bytes() {
    let (_server, mut db) = undisturbed().await;
    let empty = bytes(&mut db).await;
    let hot = (round(&mut db, 0).await - empty) / SAGAS;
    for number in 1..FIRST_ROUNDS {
        round(&mut db, number).await;
    }
    let before = bytes(&mut db).await;
    round(&mut db, FIRST_ROUNDS).await;
    let kept = (bytes(&mut db).await - before) / SAGAS;
    assert!(hot > 2_000, "{hot} bytes a saga before it is archived");
    assert!(
        kept < 1_200,
        "{kept} bytes a saga in the archive, {hot} before"
    );
}

/// Runs sagas, archives them, and vacuums as autovacuum would. Returns the bytes in between.
async fn round(db: &mut Database, number: i64) -> i64 {
    let first = number * SAGAS + 1;
    for begin in (first..first + SAGAS).step_by(500) {
        let begin = u128::try_from(begin).unwrap();
        completed(&db.store, begin..=begin + 499).await;
    }
    let hot = bytes(db).await;
    while archive_all(&db.store, later()).await > 0 {}
    for sql in ["VACUUM", "SELECT txid_current()", "VACUUM"] {
        sqlx::query(sql).execute(&mut db.side).await.unwrap();
    }
    hot
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
