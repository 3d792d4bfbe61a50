//! The three participants of the benchmark's saga, in one process.

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

/// The three participants of the benchmark's saga
#[derive(Debug, Parser)]
struct Arguments {
    /// Where Kafka is
    #[arg(long)]
    brokers: String,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let mut running = JoinSet::new();
    for service in bench::steps3::services(&arguments.brokers) {
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
