//! `replicas`: the same load with one, two and three replicas on this machine. They share its
//! processors, so the ratio says what sharing the work costs, not what more machines give.
//!
//! In between, a replica joins two that are under load, and leaves again, each time with its share of
//! the reply partitions: how long takes the longest saga that is under way meanwhile?

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::time::sleep;

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
    /// Sagas in flight, over all replicas
    #[arg(long, value_name = "NUMBER", default_value_t = 512)]
    in_flight: usize,
    /// Bytes of each command's payload, and of the input
    #[arg(long, value_name = "BYTES", default_value_t = 200)]
    ballast: usize,
}

/// What two and three are called in the figures.
const RATIOS: [&str; 2] = ["two, of the rate of one", "three, of the rate of one"];

/// The load before a replica joins, between that and its leaving, and afterwards, at least.
const AROUND: Duration = Duration::from_secs(3);

pub(crate) async fn run(arguments: &Arguments, ground: &mut Ground) -> anyhow::Result<Report> {
    let mut stage = Stage::open(ground).await?;
    let mut report = Report::new("replicas");
    let shape = Shape::InFlight(arguments.in_flight);
    let mut of_one = None;
    for figure in [None].into_iter().chain(RATIOS.map(Some)) {
        if figure.is_some() {
            stage.add_replica().await?;
        }
        let workload = Workload::completed(arguments.ballast);
        let name = match report.loads.len() + 1 {
            1 => "1 replica".to_owned(),
            count => format!("{count} replicas"),
        };
        let load = measure(&stage.site, name, shape, workload, &arguments.plan).await?;
        let of_one = *of_one.get_or_insert(load.sagas_per_second);
        if let Some(figure) = figure {
            report.figure(figure, load.sagas_per_second * 100.0 / of_one, "%");
        }
        report.loads.push(load);
        if report.loads.len() == 2 {
            let longest = join_and_leave(&mut stage, arguments).await?;
            report.figure(
                "longest saga while one joins and leaves",
                longest.as_secs_f64(),
                "s",
            );
        }
    }
    stage.ensure_ended(0).await?;
    stage.close().await?;
    Ok(report)
}

/// Clients stay with the two that stay.
async fn join_and_leave(stage: &mut Stage, arguments: &Arguments) -> anyhow::Result<Duration> {
    crate::progress("  a replica joins, and leaves again …");
    let client = stage.site.client.clone();
    let workload = Arc::new(Workload::completed(arguments.ballast));
    let shape = Shape::InFlight(arguments.in_flight);
    let during = AROUND * 3;
    let load = tokio::spawn(async move { client.drive(shape, &workload, during).await });
    sleep(AROUND).await;
    stage.add_replica().await?;
    sleep(AROUND).await;
    stage.remove_replica().await?;
    let samples = load.await??;
    let latencies = samples.iter().map(|sample| sample.latency);
    Ok(latencies.max().unwrap_or_default())
}
