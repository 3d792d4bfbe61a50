//! One Postgres and one Kafka for all tests of this process, and a pair of their own for tests that
//! stop them. They end with the process, however it ends.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use sagas_local::{Kafka, KafkaOptions, Postgres, PostgresOptions};
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

    /// The shared Kafka, and a Postgres of the test's own with these settings.
    pub(crate) async fn with_postgres(settings: &'static [(&str, &str)]) -> Self {
        let shared = Self::shared().await;
        let postgres = tokio::task::spawn_blocking(|| postgres(settings)).await;
        Self {
            postgres: Arc::new(Mutex::new(postgres.unwrap())),
            ..shared
        }
    }

    /// The shared Postgres, and this Kafka.
    pub(crate) async fn with_kafka(kafka: Kafka) -> Self {
        Self {
            kafka: Arc::new(Mutex::new(kafka)),
            ..Self::shared().await
        }
    }

    fn start() -> Self {
        let kafka = Kafka::start(KafkaOptions::default()).unwrap();
        Self {
            postgres: Arc::new(Mutex::new(postgres(&[]))),
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

fn postgres(settings: &[(&str, &str)]) -> Postgres {
    let settings = settings.iter();
    let settings = settings.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    // Tests check what survives a killed process, not a lost disk; fsync would only slow them.
    let options = PostgresOptions {
        fsync: false,
        settings: settings.collect(),
        ..PostgresOptions::default()
    };
    Postgres::start(options).unwrap()
}

/// `t0`, `t1`, …: fits into a database's name and a topic's.
fn next_prefix() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("t{}", NEXT.fetch_add(1, Ordering::Relaxed))
}
