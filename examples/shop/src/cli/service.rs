//! `shop service` and `shop seed`.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use sagas_participant::Settings;
use sagas_program::config::KafkaOptions;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::signal::unix::{SignalKind, signal};

use super::arguments::{SeedArguments, ServiceArguments};
use super::health;

pub(super) async fn run(arguments: ServiceArguments) -> anyhow::Result<ExitCode> {
    let stop = stop_signal().context("listen for SIGTERM")?;
    let name = arguments.own.service;
    let listener = match arguments.health_listen {
        Some(address) => Some(health::bind(address).await?),
        None => None,
    };
    let pool = prepare(&arguments.own, arguments.database_connections_max).await?;
    if arguments.seed {
        name.seed(&mut *pool.acquire().await?)
            .await
            .context("seed")?;
    }
    let mut settings = Settings::new(&arguments.brokers, pool);
    settings.prefix = arguments.topic_prefix;
    settings.partitions = arguments.command_partitions;
    settings.kafka = options(&arguments.kafka_options)?;
    let service = name.service(settings);
    if let Some(listener) = listener {
        tokio::spawn(health::serve(listener, service.health()));
    }
    service.migrate().await?;
    tracing::info!(
        service = name.as_str(),
        brokers = arguments.brokers,
        "starts"
    );
    service.run_until(stop).await?;
    tracing::info!(service = name.as_str(), "has stopped");
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn seed(arguments: &SeedArguments) -> anyhow::Result<ExitCode> {
    let pool = prepare(arguments, 1).await?;
    let name = arguments.service;
    name.seed(&mut *pool.acquire().await?)
        .await
        .context("seed")?;
    Ok(ExitCode::SUCCESS)
}

/// How long a transaction waits for a connection. sqlx's own 30 s would keep it from saying that the
/// database is away, and from noticing for 6 s that it is back.
const CONNECTION_WITHIN: Duration = Duration::from_secs(3);

/// Every statement of the services goes by a key. A plan that is made once, and never scans, is right
/// for a table of any size; left to itself, the planner plans anew for each array, at the price of
/// the statement, or keeps a scan that it chose when the table was empty. `jit`: where a scan is the
/// only way, its forbidding price would have the statement compiled, a hundred times its own time.
const PLANS: [(&str, &str); 3] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("jit", "off"),
];

/// A pool on a database whose tables are up to date.
async fn prepare(arguments: &SeedArguments, connections_max: u32) -> anyhow::Result<PgPool> {
    let connect = arguments.database.connect_options()?;
    let pool = PgPoolOptions::new()
        .max_connections(connections_max)
        .acquire_timeout(CONNECTION_WITHIN)
        .connect_with(connect.options(PLANS))
        .await
        .context("connect to the service's database")?;
    let migrated = arguments.service.migrate(&pool).await;
    migrated.context("bring the service's tables up to date")?;
    Ok(pool)
}

/// `name=value;name=value`.
fn options(text: &str) -> anyhow::Result<Vec<(String, String)>> {
    let options: KafkaOptions = text.parse().context("--kafka-options")?;
    let options = options.expose().iter();
    Ok(options
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect())
}

/// Ready at SIGTERM or Ctrl-C. The handlers are there when this returns.
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_pairs() {
        let pairs = options("a.b=1; c.d=e=f;").unwrap();
        let expected = [("a.b", "1"), ("c.d", "e=f")].map(|(n, v)| (n.to_owned(), v.to_owned()));
        assert_eq!(pairs, expected);
        let refused = format!("{:#}", options("hunter2").unwrap_err());
        assert!(!refused.contains("hunter2"), "{refused}");
    }
}
