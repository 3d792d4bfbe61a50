//! The participants of the benchmark's sagas, in one process.

use bench::steps3::participants;
use clap::Parser;
use sqlx::PgPool;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

#[global_allocator]
static ALLOCATOR: sagas_allocator::Mimalloc = sagas_allocator::Mimalloc;

/// The participants of the benchmark's sagas
#[derive(Debug, Parser)]
struct Arguments {
    /// Where Kafka is
    #[arg(long)]
    brokers: String,
    /// The first part of every topic
    #[arg(long)]
    prefix: String,
    /// What the URLs of their databases begin with, before the participant's name; without it they
    /// have none
    #[arg(long, value_name = "URL")]
    databases: Option<String>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Arguments {
        brokers,
        prefix,
        databases,
    } = Arguments::parse();
    let services = match databases {
        None => participants::without_databases(&brokers, &prefix),
        Some(url) => {
            let pool = |name| PgPool::connect_lazy(&format!("{url}{name}"));
            let [first, second, third] = participants::NAMES.map(pool);
            participants::with_databases(&brokers, &prefix, [first?, second?, third?]).await?
        }
    };
    let mut running = JoinSet::new();
    for service in services {
        let mut end = signal(SignalKind::terminate())?;
        running.spawn(service.run_until(async move {
            end.recv().await;
        }));
    }
    while let Some(ended) = running.join_next().await {
        ended??;
    }
    Ok(())
}
