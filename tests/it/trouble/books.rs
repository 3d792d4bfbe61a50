//! What customers were told, held against what is stored, and what history says about time.

use std::collections::BTreeMap;
use std::time::Duration;

use shop::services::ServiceName;
use sqlx::{Connection as _, PgConnection, Row as _};
use uuid::Uuid;

use super::ALL_ENDED_WITHIN;
use super::shoppers::Placed;
use crate::world::World;

/// Waits until every saga has ended; then every acknowledged order has exactly the saga that its
/// customer was told, there is no other saga, and the books of all services agree.
pub(super) async fn settle(world: &World, placed: &[Placed]) {
    let audit = world.audited(ALL_ENDED_WITHIN).await;
    assert_eq!(audit.exit_code(), 0, "{audit:?}");
    let told: BTreeMap<Uuid, Uuid> = placed.iter().map(|one| (one.order, one.saga)).collect();
    assert_eq!(told.len(), placed.len(), "an order has one customer");
    let mut connection = connect(world).await;
    let rows = sqlx::query(
        "SELECT (history::json #>> '{0,input,order}')::uuid AS customers_order, id AS saga_id
         FROM every_saga",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    let stored: BTreeMap<Uuid, Uuid> = rows
        .iter()
        .map(|row| (row.get("customers_order"), row.get("saga_id")))
        .collect();
    assert_eq!(stored.len(), rows.len(), "an order has one saga");
    assert_eq!(stored, told);
}

/// Sagas by whether they have ended: open ones, ended ones.
pub(super) async fn open_and_ended(world: &World) -> (i64, i64) {
    let counts = "SELECT count(*) FILTER (WHERE finished_at IS NULL) AS open,
                         count(finished_at) AS ended FROM every_saga";
    let mut connection = connect(world).await;
    let row = sqlx::query(counts).fetch_one(&mut connection);
    let row = row.await.unwrap();
    (row.get("open"), row.get("ended"))
}

/// Payments that were captured: their sagas have passed the pivot, and may have ended.
pub(super) async fn captured(world: &World) -> i64 {
    let url = world.database_of(ServiceName::Payments);
    let mut payments = PgConnection::connect(url).await.unwrap();
    let count = sqlx::query_scalar("SELECT count(*) FROM payment WHERE state = 'captured'");
    // A service that has just been started may not have made its tables.
    count.fetch_one(&mut payments).await.unwrap_or(0)
}

/// Commands that were sent again because something was due: all of them, and the most of one saga.
pub(super) async fn sent_again(world: &World) -> (i64, i64) {
    let counts = "SELECT coalesce(sum(wakes), 0)::bigint AS total, coalesce(max(wakes), 0) AS most
                  FROM (SELECT count(*) AS wakes
                        FROM every_saga, json_array_elements(history::json) AS entry
                        WHERE entry ->> 'event' = 'wake' GROUP BY id) AS sagas";
    let mut connection = connect(world).await;
    let row = sqlx::query(counts).fetch_one(&mut connection).await;
    let row = row.unwrap();
    (row.get("total"), row.get("most"))
}

/// Database time now, for [`stillness_after`].
pub(super) async fn now(world: &World) -> String {
    let now = sqlx::query_scalar("SELECT clock_timestamp()::text");
    now.fetch_one(&mut connect(world).await).await.unwrap()
}

/// How long sagas stood still after `instant`.
#[derive(Debug)]
pub(super) struct Stillness {
    /// Sagas that were open at the instant.
    pub(super) sagas: i64,
    /// The longest time from the instant to a saga's next transition.
    pub(super) longest: Duration,
}

/// How long the sagas that were open at `instant` stood still from then on.
pub(super) async fn stillness_after(world: &World, instant: &str) -> Stillness {
    let row = sqlx::query(
        "SELECT count(*) AS sagas, coalesce(max(extract(epoch FROM gap)), 0)::float8 AS longest
         FROM (SELECT min(at) - $1::timestamptz AS gap
               FROM every_saga, json_array_elements(history::json) AS entry,
                   to_timestamp((entry ->> 'at')::float8 / 1e6) AS at
               WHERE started_at < $1::timestamptz AND at > $1::timestamptz
               GROUP BY id) AS gaps",
    )
    .bind(instant)
    .fetch_one(&mut connect(world).await)
    .await
    .unwrap();
    Stillness {
        sagas: row.get("sagas"),
        longest: Duration::from_secs_f64(row.get("longest")),
    }
}

async fn connect(world: &World) -> PgConnection {
    PgConnection::connect(&world.urls.orchestrator)
        .await
        .unwrap()
}
