//! What stands in the outbox for longer, because the broker does not take it.

use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use crate::wait::until;
use crate::world::{SOON, World};

/// Rows that one round of the sweep looks at.
const ROUND: i32 = 10_000;

/// Rows as old as so many seconds, each a microsecond younger than the one before.
async fn leave(database: &PgPool, rows: i32, seconds: i32, events: &str) {
    let insert = "INSERT INTO event_outbox (slot, id, events, created_at)
        SELECT 3, gen_random_uuid(), $3,
            now() - $2 * interval '1 s' + number * interval '1 microsecond'
        FROM generate_series(1, $1) AS number";
    let insert = sqlx::query(insert).bind(rows).bind(seconds).bind(events);
    insert.execute(database).await.unwrap();
}

async fn count(database: &PgPool, what: &'static str) -> i64 {
    let count = sqlx::query_scalar(what);
    count.fetch_one(database).await.unwrap()
}

/// A notification to a participant that has no topic.
fn blocked() -> String {
    let notice = json!({
        "saga": Uuid::now_v7(),
        "definition": "place-order",
        "started_at": 1_795_439_436_123_000_i64,
        "revision": 1,
        "at": 1_795_439_436_123_000_i64,
        "step": "tell-nobody",
        "participant": "nobody",
        "command": "hear",
        "reply_partition": 0,
        "payload": null,
    });
    json!([{ "notice": notice }]).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_behind_more_blocked_ones_than_a_round_looks_at_are_met_in_the_next_rounds() {
    let world = World::without_services().await;
    let database = PgPool::connect(&world.urls.orchestrator).await.unwrap();
    leave(&database, 2 * ROUND + 100, 7_200, &blocked()).await;
    leave(&database, 3, 3_600, "[]").await;
    let others = "SELECT count(*) FROM event_outbox WHERE events = '[]'";
    until("the rows behind are met", SOON, async || {
        let left = count(&database, others).await;
        (left == 0).then_some(()).ok_or(left)
    })
    .await;
    let blocked = "SELECT count(*) FROM event_outbox WHERE events <> '[]'";
    let left = count(&database, blocked).await;
    assert_eq!(left, i64::from(2 * ROUND + 100), "nothing else may go");

    // The walk goes round: what comes later, and stands before, is met as well.
    leave(&database, 3, 9_000, "[]").await;
    until("the rows before are met", SOON, async || {
        let left = count(&database, others).await;
        (left == 0).then_some(()).ok_or(left)
    })
    .await;
}
