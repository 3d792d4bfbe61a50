//! `dev`: the service on this machine alone, with a Postgres and a Kafka broker of its own.
//!
//! Postgres is the machine's own program with a private data folder. The broker is librdkafka's
//! in-process one: right for a first look and for writing definitions, wrong for load or proof. It
//! keeps nothing beyond this process and little within it, so sagas that were in flight at the end
//! go on by being sent again.

use std::path::PathBuf;

use clap::{Args as _, Command, FromArgMatches as _};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use sagas_log::chain;
use sagas_orchestrator::bus;

use super::arguments::{DevArguments, ServeArguments};
use super::serve::{Surroundings, serve};
use super::signals::ending;
use super::{Failure, say};
use crate::Registry;

type Broker = MockCluster<'static, DefaultProducerContext>;

/// The database of the service, within the private server.
const DATABASE: &str = "saga";

/// Partitions of the topics: enough to see them shared out, few enough for the broker.
const PARTITIONS: i32 = 4;

/// The in-process broker does not wake a fetch when a record comes, so fetches must be short.
const BROKER_OPTIONS: &str = "fetch.wait.max.ms=5";

pub(super) async fn run(registry: Registry, arguments: DevArguments) -> Result<(), Failure> {
    let ending = ending()?;
    let postgres = start_postgres(arguments.data.clone()).await?;
    let url = postgres.url(DATABASE);
    let broker = start_broker(&registry)?;
    let brokers = broker.bootstrap_servers();
    if let Some(path) = &arguments.addresses {
        let text = format!("SAGA_BROKERS={brokers}\nSAGA_DATABASE_URL={url}\n");
        std::fs::write(path, text).map_err(|error| {
            Failure::Failed(format!("cannot write {}: {error}", path.display()))
        })?;
    }
    let port = arguments.port;
    say(&format!("dashboard  http://127.0.0.1:{port}/"));
    say(&format!("postgres   {url}"));
    say(&format!(
        "kafka      {brokers} (in this process; gone with it)"
    ));
    let settings = settings(&url, &brokers, port)?;
    let surroundings = Surroundings {
        ending,
        // They were created above: the in-process broker cannot be asked to.
        is_ensuring_topics: false,
    };
    let result = Box::pin(serve(registry, settings, surroundings)).await;
    // Both must outlive the service.
    drop(broker);
    stop_postgres(postgres).await;
    result
}

async fn start_postgres(data: Option<PathBuf>) -> Result<sagas_local::Postgres, Failure> {
    let start = move || {
        let options = sagas_local::PostgresOptions {
            data,
            ..sagas_local::PostgresOptions::default()
        };
        let postgres = sagas_local::Postgres::start(options)?;
        match postgres.create_database(DATABASE) {
            Ok(()) => Ok(postgres),
            // A folder that was used before has it.
            Err(sagas_local::Error::Failed { output, .. }) if output.contains("already exists") => {
                Ok(postgres)
            }
            Err(error) => Err(error),
        }
    };
    let started = tokio::task::spawn_blocking(start).await;
    let started = started.map_err(|error| Failure::Failed(chain(&error)))?;
    started.map_err(|error| {
        let error: sagas_local::Error = error;
        Failure::Failed(format!("cannot start Postgres: {}", chain(&error)))
    })
}

async fn stop_postgres(postgres: sagas_local::Postgres) {
    // Its drop waits for the server's end, which must not hold up a thread of the runtime.
    let stopped = tokio::task::spawn_blocking(move || drop(postgres)).await;
    if let Err(error) = stopped {
        tracing::warn!(error = chain(&error), "Postgres was not stopped in order");
    }
}

fn start_broker(registry: &Registry) -> Result<Broker, Failure> {
    let refused = |error: rdkafka::error::KafkaError| {
        Failure::Failed(format!("cannot start the in-process broker: {error}"))
    };
    let broker = MockCluster::new(1).map_err(refused)?;
    let settings = bus::Settings {
        reply_partitions: PARTITIONS,
        command_partitions: PARTITIONS,
        event_partitions: PARTITIONS,
        ..bus::Settings::default()
    };
    for topic in bus::topics::wanted(&settings, &registry.participants()) {
        broker
            .create_topic(&topic.name, topic.partitions, 1)
            .map_err(refused)?;
    }
    Ok(broker)
}

/// The settings of `serve` with these addresses; other variables of the surroundings still count.
fn settings(url: &str, brokers: &str, port: u16) -> Result<ServeArguments, Failure> {
    let command = ServeArguments::augment_args(Command::new("dev").no_binary_name(true));
    let partitions = PARTITIONS.to_string();
    let listen = format!("127.0.0.1:{port}");
    let flags = [
        ("database-url", url),
        ("brokers", brokers),
        ("listen", &listen),
        ("topic-prefix", "saga"),
        ("reply-partitions", &partitions),
        ("kafka-options", BROKER_OPTIONS),
        // No load balancer looks at it.
        ("drain-delay", "0s"),
    ];
    let flags = flags.map(|(name, value)| format!("--{name}={value}"));
    // While a definition is being written, it changes all the time.
    let flags = flags
        .into_iter()
        .chain(["--allow-changed-definitions".to_owned()]);
    command
        .try_get_matches_from(flags)
        .and_then(|matches| ServeArguments::from_arg_matches(&matches))
        .map_err(|error| Failure::Settings(error.into()))
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn the_settings_point_to_the_private_parts() {
        let settings = settings("postgres://a/saga", "127.0.0.1:7", 8099).unwrap();
        assert_eq!(settings.kafka.brokers, "127.0.0.1:7");
        assert_eq!(settings.http.listen.to_string(), "127.0.0.1:8099");
        assert_eq!(settings.kafka.reply_partitions, PARTITIONS);
        assert!(settings.only.allow_changed_definitions);
        assert_eq!(
            settings.kafka.kafka_options.expose()["fetch.wait.max.ms"],
            "5"
        );
    }

    #[test]
    fn the_private_broker_has_every_topic() {
        let broker = start_broker(&sample::registry()).unwrap();
        let client: rdkafka::consumer::BaseConsumer = rdkafka::ClientConfig::new()
            .set("bootstrap.servers", broker.bootstrap_servers())
            .create()
            .unwrap();
        let within = std::time::Duration::from_secs(10);
        let found = rdkafka::consumer::Consumer::fetch_metadata(&client, None, within).unwrap();
        let mut names: Vec<_> = found.topics().iter().map(|topic| topic.name()).collect();
        names.sort_unstable();
        let wanted = [
            "saga.bank.commands",
            "saga.events",
            "saga.mail.commands",
            "saga.replies",
            "saga.rooms.commands",
        ];
        assert_eq!(names, wanted);
    }
}
