//! `admission`: twice the rate that can be carried is offered. What is refused, and how long do
//! those take that are accepted?

use clap::Args;

use crate::ground::Ground;
use crate::load::Shape;
use crate::measure::{Plan, measure};
use crate::report::{Load, Report};
use crate::stage::Stage;
use crate::workload::Workload;

#[derive(Debug, Clone, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    plan: Plan,
    /// Sagas in flight while the rate that can be carried is measured: so many that latency does not
    /// bound it
    #[arg(long, value_name = "NUMBER", default_value_t = 2000)]
    in_flight: usize,
    /// Bytes of each command's payload, and of the input
    #[arg(long, value_name = "BYTES", default_value_t = 200)]
    ballast: usize,
}

pub(crate) async fn run(arguments: &Arguments, ground: &mut Ground) -> anyhow::Result<Report> {
    let stage = Stage::open(ground).await?;
    let workload = || Workload::completed(arguments.ballast);
    let plan = &arguments.plan;
    let shape = Shape::InFlight(arguments.in_flight);
    let carried = measure(&stage.site, "carried", shape, workload(), plan).await?;
    let twice = Shape::PerSecond(whole(carried.sagas_per_second * 2.0).max(1));
    let offered = measure(&stage.site, "offered twice", twice, workload(), plan).await?;
    let mut report = Report::new("admission");
    report.figure("refused", refused_percent(&offered), "%");
    let rate = offered.sagas_per_second * 100.0 / carried.sagas_per_second;
    report.figure("accepted, of what is carried", rate, "%");
    report.figure("p50 of the accepted", offered.p50_ms, "ms");
    report.figure("p99 of the accepted", offered.p99_ms, "ms");
    report.figure("orchestrator rss", offered.orchestrator_rss_mb(), "MB");
    report.loads = vec![carried, offered];
    stage.ensure_ended(0).await?;
    stage.close().await?;
    Ok(report)
}

fn refused_percent(load: &Load) -> f64 {
    let rounds = load.rounds.iter();
    let (mut refused, mut all) = (0, 0);
    for round in rounds {
        refused += round.refused;
        all += round.refused + round.completed + round.compensated + round.unanswered;
    }
    refused as f64 * 100.0 / (all as f64).max(1.0)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate is not negative, and a cut one is the largest"
)]
fn whole(rate: f64) -> u32 {
    rate as u32
}
