//! What the service says of commits that wait for no standby.

use sagas_orchestrator::store::Store;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::database::{SHARDS, connect, empty};

#[tokio::test]
async fn commits_that_wait_for_no_standby_are_found_with_the_setting_to_change() {
    let url = empty();
    assert_eq!(said(&connect(&url, SHARDS)).await, None);

    let mut side = PgConnection::connect(&url).await.unwrap();
    let database: String = sqlx::query_scalar("SELECT current_database()::text")
        .fetch_one(&mut side)
        .await
        .unwrap();
    let set = format!("ALTER DATABASE {database} SET synchronous_commit = local");
    let set = sqlx::raw_sql(AssertSqlSafe(set));
    set.execute(&mut side).await.unwrap();
    let by_database = said(&connect(&url, SHARDS)).await.unwrap();
    assert!(
        by_database.contains("synchronous_commit = local"),
        "{by_database}"
    );
    let change = format!("ALTER DATABASE {database} RESET synchronous_commit");
    assert!(by_database.contains(&change), "{by_database}");

    let url = format!("{url}?options=-c%20synchronous_commit%3Doff");
    let by_url = said(&connect(&url, SHARDS)).await.unwrap();
    assert!(by_url.contains("synchronous_commit = off"), "{by_url}");
    assert!(by_url.contains("URL"), "{by_url}");
}

async fn said(store: &Store) -> Option<String> {
    let lax = store.lax_commits().await.unwrap();
    lax.map(|lax| lax.to_string())
}
