//! `latency`: an open loop of three steps, each with a database of its own.

use clap::Args;

use crate::ground::Ground;
use crate::load::Shape;
use crate::measure::{Plan, measure};
use crate::report::Report;
use crate::stage::Stage;
use crate::workload::Workload;

#[derive(Debug, Clone, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    plan: Plan,
    /// Sagas a second, several rates one after the other
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', default_values_t = [100, 1000])]
    rates: Vec<u32>,
    /// Bytes of each command's payload, and of the input
    #[arg(long, value_name = "BYTES", default_value_t = 200)]
    ballast: usize,
}

/// The rate whose latency counts.
const CALM: u32 = 100;

pub(crate) async fn run(arguments: &Arguments, ground: &mut Ground) -> anyhow::Result<Report> {
    let stage = Stage::with_databases(ground).await?;
    let mut report = Report::new("latency");
    for &rate in &arguments.rates {
        let (name, workload) = (format!("{rate}/s"), Workload::completed(arguments.ballast));
        let shape = Shape::PerSecond(rate);
        let load = measure(&stage.site, name, shape, workload, &arguments.plan).await?;
        if rate == CALM {
            report.figure("p50 at 100/s", load.p50_ms, "ms");
            report.figure("p99 at 100/s", load.p99_ms, "ms");
        }
        report.loads.push(load);
    }
    stage.ensure_ended(0).await?;
    stage.close().await?;
    Ok(report)
}
