//! A primary with a synchronous standby: what waits while the standby is away, and what a failover keeps.

mod kinds;
mod promotion;
mod silence;

use std::time::{Duration, Instant};

use sagas_local::{Postgres, PostgresOptions};
use sagas_orchestrator::store::Store;
use sqlx::{Connection as _, PgConnection};

use crate::database::connect_with;

/// Longer than anything here takes on a loaded machine.
const SOON: Duration = Duration::from_secs(30);

/// Both servers, a store on the primary, and a connection to look at it from the side.
struct Pair {
    primary: Postgres,
    standby: Postgres,
    store: Store,
    side: PgConnection,
}

/// What waits for the standby on the primary.
const WAITING: &str = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";

impl Pair {
    /// A migrated primary, and a standby that has all of it.
    async fn open() -> Self {
        let servers = tokio::task::spawn_blocking(|| {
            let options = PostgresOptions {
                fsync: false,
                ..PostgresOptions::default()
            };
            let primary = Postgres::start(options).unwrap();
            let standby = primary.standby().unwrap();
            (primary, standby)
        });
        let (primary, standby) = servers.await.unwrap();
        let url = primary.url("postgres");
        let store = connect_with(&url, 60);
        store.migrate().await.unwrap();
        let side = PgConnection::connect(&url).await.unwrap();
        let mut pair = Self {
            primary,
            standby,
            store,
            side,
        };
        pair.wait_for(Postgres::STANDBY).await;
        let synchronous = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
        pair.until(synchronous, |standbys| standbys == 1).await;
        pair
    }

    /// Commits wait for this standby from now on.
    async fn wait_for(&mut self, standby: &str) {
        let name = format!("ALTER SYSTEM SET synchronous_standby_names = '{standby}'");
        for statement in [name.as_str(), "SELECT pg_reload_conf()"] {
            let statement = sqlx::raw_sql(sqlx::AssertSqlSafe(statement));
            statement.execute(&mut self.side).await.unwrap();
        }
    }

    /// From now on every commit waits. Not while the standby stops: that takes its time.
    async fn take_standby_away(&mut self) {
        self.wait_for("").await;
        tokio::task::block_in_place(|| self.standby.stop()).unwrap();
        let standbys = "SELECT count(*) FROM pg_stat_replication";
        self.until(standbys, |standbys| standbys == 0).await;
        self.wait_for(Postgres::STANDBY).await;
        // The server learns of it by and by: it has once something waits.
        let url = self.primary.url("postgres");
        let first = tokio::spawn(async move {
            let mut first = PgConnection::connect(&url).await.unwrap();
            let write = "SELECT pg_logical_emit_message(true, 'first', '')";
            while sqlx::raw_sql(write).execute(&mut first).await.is_ok() {
                tokio::task::yield_now().await;
            }
        });
        self.until(WAITING, |waiting| waiting > 0).await;
        first.abort();
    }

    fn bring_standby_back(&mut self) {
        tokio::task::block_in_place(|| self.standby.start_again()).unwrap();
    }

    /// The primary is gone, and the standby takes its place; a connection to it.
    async fn fail_over(&mut self) -> PgConnection {
        tokio::task::block_in_place(|| {
            self.primary.kill().unwrap();
            self.standby.start_again().unwrap();
            self.standby.promote().unwrap();
        });
        let url = self.standby.url("postgres");
        PgConnection::connect(&url).await.unwrap()
    }

    async fn number(&mut self, sql: &'static str) -> i64 {
        let number = sqlx::query_scalar(sql).fetch_one(&mut self.side).await;
        number.unwrap()
    }

    /// Waits until the query gives such a number.
    async fn until(&mut self, sql: &'static str, is_right: impl Fn(i64) -> bool) {
        let deadline = Instant::now() + SOON;
        loop {
            let number = self.number(sql).await;
            if is_right(number) {
                return;
            }
            assert!(Instant::now() < deadline, "{sql} gives {number}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
