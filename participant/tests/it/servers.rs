//! One Kafka and one Postgres for all tests of this process; they end with it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use sagas_local::kafka::{Kafka, KafkaOptions};
use sagas_local::postgres::{Postgres, PostgresOptions};

pub struct Servers {
    pub kafka: Kafka,
    pub postgres: Postgres,
}

pub fn servers() -> &'static Servers {
    static SERVERS: OnceLock<Servers> = OnceLock::new();
    SERVERS.get_or_init(|| {
        let kafka = std::thread::spawn(|| Kafka::start(KafkaOptions::default()).unwrap());
        let postgres = start_postgres();
        Servers {
            kafka: kafka.join().unwrap(),
            postgres,
        }
    })
}

pub fn start_postgres() -> Postgres {
    let settings = vec![("max_connections".to_owned(), "200".to_owned())];
    Postgres::start(PostgresOptions {
        fsync: false,
        settings,
        ..PostgresOptions::default()
    })
    .unwrap()
}

/// A name that nothing else on the shared servers has.
pub fn unique(what: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{what}{}", COUNT.fetch_add(1, Ordering::Relaxed))
}
