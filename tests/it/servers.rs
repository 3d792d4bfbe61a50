//! One Postgres and one Kafka for all tests of this process, and a pair of their own for tests that
//! stop them. They end with the process, however it ends.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use local::{Kafka, KafkaOptions, Postgres, PostgresOptions};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// A Postgres and a Kafka.
#[derive(Debug, Clone)]
pub(crate) struct Servers {
    postgres: Arc<Mutex<Postgres>>,
    kafka: Arc<Mutex<Kafka>>,
    /// Names of databases and topics of one test begin with this.
    prefix: String,
}

impl Servers {
    /// The servers that all tests share, under names of this test's own.
    pub(crate) async fn shared() -> Self {
        static SHARED: OnceLock<Servers> = OnceLock::new();
        let shared = tokio::task::spawn_blocking(|| SHARED.get_or_init(Self::start));
        let shared = shared.await.unwrap().clone();
        Self {
            prefix: next_prefix(),
            ..shared
        }
    }

    /// Servers for one test alone, to be stopped and killed.
    pub(crate) async fn own() -> Self {
        tokio::task::spawn_blocking(Self::start).await.unwrap()
    }

    fn start() -> Self {
        // Tests check what survives a killed process, not a lost disk; fsync would only slow them.
        let postgres = PostgresOptions {
            fsync: false,
            ..PostgresOptions::default()
        };
        let postgres = Postgres::start(postgres).unwrap();
        let kafka = Kafka::start(KafkaOptions::default()).unwrap();
        Self {
            postgres: Arc::new(Mutex::new(postgres)),
            kafka: Arc::new(Mutex::new(kafka)),
            prefix: next_prefix(),
        }
    }

    pub(crate) fn postgres(&self) -> MutexGuard<'_, Postgres> {
        self.postgres.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn kafka(&self) -> MutexGuard<'_, Kafka> {
        self.kafka.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn brokers(&self) -> String {
        self.kafka().bootstrap()
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Creates a database and gives its URL.
    pub(crate) async fn database(&self, name: &str) -> String {
        let database = format!("{}_{name}", self.prefix);
        let (maintenance, url) = {
            let postgres = self.postgres();
            (postgres.url("postgres"), postgres.url(&database))
        };
        let mut connection = PgConnection::connect(&maintenance).await.unwrap();
        let create = AssertSqlSafe(format!("CREATE DATABASE {database}"));
        sqlx::raw_sql(create)
            .execute(&mut connection)
            .await
            .unwrap();
        url
    }
}

/// `t0`, `t1`, …: fits into a database's name and a topic's.
fn next_prefix() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("t{}", NEXT.fetch_add(1, Ordering::Relaxed))
}
