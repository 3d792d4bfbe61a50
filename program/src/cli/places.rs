//! From settings to what store, bus and REST want; names of those places without their secrets.

use std::str::FromStr as _;
use std::time::Duration;

use sagas_core::Registry;
use sagas_log::chain;
use sagas_orchestrator::api::Limits;
use sagas_orchestrator::store::Store;
use sagas_orchestrator::store::retention::Policy;
use sagas_orchestrator::{bus, store};
use sqlx::postgres::PgConnectOptions;
use tokio::net::TcpStream;

use super::Failure;
use crate::config::{Http, Kafka, Postgres, Retention};
use crate::near::near;

/// A database that does not even take a connection within this time is away.
const PROBE_WITHIN: Duration = Duration::from_secs(3);

/// Prepares the store, for so many commits at a time; opens no connection.
pub(super) fn store(settings: &Postgres, commits_max: usize) -> Result<Store, Failure> {
    let settings = store::Settings {
        url: settings.database_url.expose().to_owned(),
        connections_max: settings.database_connections_max,
        commits_max: u32::try_from(commits_max).unwrap_or(u32::MAX),
        shards: settings.shards,
    };
    Store::connect(&settings).map_err(|error| {
        let text = chain(&error);
        Failure::Usage(format!("--database-url or --shards: {text}"))
    })
}

/// `Postgres at host:port`, without user and password.
pub(super) fn postgres_name(settings: &Postgres) -> String {
    match PgConnectOptions::from_str(settings.database_url.expose()) {
        Ok(options) => {
            let (host, port) = (options.get_host(), options.get_port());
            let database = options.get_database().unwrap_or("its default database");
            format!("Postgres at {host}:{port} (database {database})")
        }
        Err(_) => "Postgres".to_owned(),
    }
}

/// Why nothing answers at the database's address, if nothing does.
///
/// The pool only says that it had no connection in time; this says why.
pub(super) async fn postgres_trouble(settings: &Postgres) -> Option<String> {
    let options = PgConnectOptions::from_str(settings.database_url.expose()).ok()?;
    if options.get_socket().is_some() {
        return None;
    }
    let place = (options.get_host().to_owned(), options.get_port());
    match tokio::time::timeout(PROBE_WITHIN, TcpStream::connect(place)).await {
        Ok(Ok(_)) => None,
        // The system's words, not a server's.
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some(format!("no answer within {PROBE_WITHIN:?}")),
    }
}

/// What the bus wants to know.
pub(super) fn bus(settings: &Kafka) -> Result<bus::Settings, Failure> {
    sagas::name::check(&settings.topic_prefix)
        .map_err(|error| Failure::Usage(format!("--topic-prefix: {error}")))?;
    Ok(bus::Settings {
        brokers: settings.brokers.clone(),
        prefix: settings.topic_prefix.clone(),
        reply_partitions: settings.reply_partitions,
        command_partitions: settings.command_partitions,
        event_partitions: settings.event_partitions,
        replication: settings.replication,
        reply_retention: settings.reply_retention.0,
        command_retention: settings.command_retention.0,
        event_retention: settings.event_retention.0,
        extra: settings.kafka_options.expose().clone(),
    })
}

/// Bounds of one request to REST.
pub(super) fn limits(settings: &Http) -> Limits {
    let size = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    Limits {
        body_bytes_max: size(settings.body_bytes_max),
        json_depth_max: settings.json_depth_max,
        request: settings.request_limit.0,
        wait_max: settings.wait_max.0,
        requests_max: size(settings.requests_max),
    }
}

/// What is kept for how long. Says aloud which definitions of the settings this binary lacks: their
/// sagas may be kept nevertheless.
pub(super) fn policy(registry: &Registry, settings: &Retention) -> Result<Policy, Failure> {
    let policy = settings.policy();
    policy
        .check()
        .map_err(|error| Failure::Usage(format!("--retention-…: {error}")))?;
    for name in policy.definitions.keys() {
        if !registry.knows(name) {
            let hint = match near(registry.names(), name) {
                Some(near) => format!("; did you mean {near}?"),
                None => String::new(),
            };
            tracing::warn!("--retention-definitions: no definition {name:?} in this binary{hint}");
        }
    }
    Ok(policy)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::config::Secret;

    fn settings(url: &str) -> Postgres {
        Postgres {
            database_url: Secret::new(url),
            database_url_file: None::<PathBuf>,
            database_connections_max: 4,
            shards: 4,
        }
    }

    #[test]
    fn a_database_is_named_without_user_and_password() {
        let name = postgres_name(&settings("postgres://saga:hunter2@db.internal:6432/orders"));
        assert_eq!(name, "Postgres at db.internal:6432 (database orders)");
        let name = postgres_name(&settings("postgres://db/orders?password=hunter2&user=saga"));
        assert!(!name.contains("hunter2"), "{name}");
    }

    #[tokio::test]
    async fn an_address_where_nothing_listens_says_so() {
        let trouble = postgres_trouble(&settings("postgres://saga@127.0.0.1:1/saga")).await;
        assert!(trouble.unwrap().contains("refused"));
    }

    #[tokio::test]
    async fn a_malformed_url_names_the_flag_and_not_the_url() {
        let failure = store(&settings("postgers//saga:hunter2@db"), 1).unwrap_err();
        let text = failure.to_string();
        assert!(
            text.contains("--database-url") && !text.contains("hunter2"),
            "{text}"
        );
    }
}
