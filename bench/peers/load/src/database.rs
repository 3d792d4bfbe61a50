//! A real Postgres for a peer that keeps its books there, as ours is: fsync on, no other setting.

use anyhow::Context as _;
use sagas_local::{Postgres, PostgresOptions};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

/// The name of the peer's database.
const NAME: &str = "peer";

/// A Postgres with an empty database; stops when this value is dropped.
#[derive(Debug)]
pub struct Database {
    server: Postgres,
    /// One connection of our own, so that asking takes none of the peer's.
    pool: PgPool,
}

impl Database {
    /// Starts the server and creates the database.
    ///
    /// # Errors
    ///
    /// When Postgres is not installed or does not start.
    pub async fn start() -> anyhow::Result<Self> {
        let start = || {
            let server = Postgres::start(PostgresOptions::default())?;
            server.create_database(NAME)?;
            Ok::<_, sagas_local::Error>(server)
        };
        let server = tokio::task::spawn_blocking(start).await??;
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .connect(&server.url(NAME))
            .await
            .context("connect to the peer's Postgres")?;
        Ok(Self { server, pool })
    }

    /// Where the peer finds it: `postgres://…`.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.url(NAME)
    }

    /// The number that a statement `SELECT count(*) …` gives.
    ///
    /// # Errors
    ///
    /// When Postgres refuses the statement; the text names it.
    pub async fn count(&self, statement: &'static str) -> anyhow::Result<u64> {
        let count: i64 = sqlx::query_scalar(statement)
            .fetch_one(&self.pool)
            .await
            .with_context(|| format!("ask the peer's Postgres: {statement}"))?;
        Ok(count.try_into()?)
    }
}
