//! One Postgres for all tests, one database for each.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use sagas_local::{Postgres, PostgresOptions};
use sagas_orchestrator::store::{Settings, Store};
use sqlx::{Connection as _, PgConnection};

pub(crate) const SHARDS: u16 = 16;

/// A migrated database, a store on it, and a connection to look at it from the side.
pub(crate) struct Database {
    pub(crate) store: Store,
    pub(crate) side: PgConnection,
    pub(crate) url: String,
}

/// The URL of an empty database.
pub(crate) fn empty() -> String {
    static SERVER: OnceLock<Postgres> = OnceLock::new();
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let server = SERVER.get_or_init(|| {
        let options = PostgresOptions {
            fsync: false,
            ..PostgresOptions::default()
        };
        Postgres::start(options).unwrap()
    });
    let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    server.create_database(&name).unwrap();
    server.url(&name)
}

pub(crate) fn connect(url: &str, shards: u16) -> Store {
    let settings = Settings {
        url: url.to_owned(),
        connections_max: 6,
        commits_max: 2,
        shards,
    };
    Store::connect(&settings).unwrap()
}

/// As [`connect`], with room for so many statements at once, half of them commits.
pub(crate) fn connect_with(url: &str, connections_max: u32) -> Store {
    let settings = Settings {
        url: url.to_owned(),
        connections_max,
        commits_max: connections_max / 2,
        shards: SHARDS,
    };
    Store::connect(&settings).unwrap()
}

pub(crate) async fn fresh() -> Database {
    let url = empty();
    let store = connect(&url, SHARDS);
    store.migrate().await.unwrap();
    let side = PgConnection::connect(&url).await.unwrap();
    Database { store, side, url }
}

/// As [`fresh`], on a server of its own where nobody but the test looks at the tables: an ANALYZE
/// that runs meanwhile keeps dead rows in their place.
pub(crate) async fn undisturbed() -> (Postgres, Database) {
    let options = PostgresOptions {
        fsync: false,
        settings: vec![("autovacuum".to_owned(), "off".to_owned())],
        ..PostgresOptions::default()
    };
    let start = || Postgres::start(options).unwrap();
    let server = tokio::task::spawn_blocking(start).await.unwrap();
    let url = server.url("postgres");
    let store = connect(&url, SHARDS);
    store.migrate().await.unwrap();
    let side = PgConnection::connect(&url).await.unwrap();
    (server, Database { store, side, url })
}

impl Database {
    /// Entries of all histories, wherever they lie.
    pub(crate) async fn entries(&mut self) -> i64 {
        let all =
            "SELECT coalesce(sum(json_array_length(history::json)), 0)::bigint FROM every_saga";
        self.number(all).await
    }

    /// Runs a query that gives one number.
    pub(crate) async fn number(&mut self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql)
            .fetch_one(&mut self.side)
            .await
            .unwrap()
    }

    /// Waits until the query gives that number.
    pub(crate) async fn until(&mut self, sql: &'static str, expected: i64) {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let number = self.number(sql).await;
            if number == expected {
                return;
            }
            assert!(Instant::now() < deadline, "{sql} gives {number}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
