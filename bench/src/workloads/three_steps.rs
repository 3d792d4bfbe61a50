//! Closed loops of three steps at participants that do nothing: `steps3`, `refused`, `mixed`,
//! `payloads`.

use clap::Args;

use crate::ground::Ground;
use crate::load::Shape;
use crate::measure::{Plan, measure};
use crate::report::Report;
use crate::stage::Stage;
use crate::workload::Workload;

/// `steps3`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Steps3 {
    #[command(flatten)]
    plan: Plan,
    /// Sagas in flight, several numbers one after the other
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', default_values_t = [64, 512, 2000, 3000])]
    in_flight: Vec<usize>,
    /// Bytes of each command's payload, and of the input
    #[arg(long, value_name = "BYTES", default_value_t = 200)]
    ballast: usize,
}

/// `refused` and `mixed`.
#[derive(Debug, Clone, Args)]
pub(crate) struct One {
    #[command(flatten)]
    plan: Plan,
    /// Sagas in flight
    #[arg(long, value_name = "NUMBER", default_value_t = 512)]
    in_flight: usize,
    /// Bytes of each command's payload, and of the input
    #[arg(long, value_name = "BYTES", default_value_t = 200)]
    ballast: usize,
}

/// `payloads`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Payloads {
    #[command(flatten)]
    plan: Plan,
    /// Sagas in flight
    #[arg(long, value_name = "NUMBER", default_value_t = 512)]
    in_flight: usize,
    /// Bytes of each command's payload, and of the input, several sizes one after the other
    #[arg(long, value_name = "BYTES", value_delimiter = ',', default_values_t = [0, 200, 2000, 11_000])]
    ballasts: Vec<usize>,
}

/// The number in flight at which small loads are compared with other engines.
const FEW: usize = 64;

pub(crate) async fn steps3(arguments: &Steps3, ground: &mut Ground) -> anyhow::Result<Report> {
    let stage = Stage::open(ground).await?;
    let mut report = Report::new("steps3");
    for &in_flight in &arguments.in_flight {
        let (name, workload) = (
            in_flight.to_string(),
            Workload::completed(arguments.ballast),
        );
        let shape = Shape::InFlight(in_flight);
        let load = measure(&stage.site, name, shape, workload, &arguments.plan).await?;
        if in_flight == FEW {
            report.figure("at 64 in flight", load.sagas_per_second, "sagas/s");
        }
        report.loads.push(load);
    }
    if let Some(best) = report.best() {
        let (rate, rss) = (best.sagas_per_second, best.orchestrator_rss_mb());
        report.figure("best", rate, "sagas/s");
        report.figure("orchestrator rss", rss, "MB");
    }
    stage.ensure_ended(0).await?;
    stage.close().await?;
    Ok(report)
}

pub(crate) async fn refused(arguments: &One, ground: &mut Ground) -> anyhow::Result<Report> {
    let stage = Stage::open(ground).await?;
    let shape = Shape::InFlight(arguments.in_flight);
    let completed = Workload::completed(arguments.ballast);
    let completed = measure(&stage.site, "completed", shape, completed, &arguments.plan).await?;
    let refused = Workload::refused(arguments.ballast);
    let refused = measure(&stage.site, "refused", shape, refused, &arguments.plan).await?;
    let mut report = Report::new("refused");
    let ratio = refused.sagas_per_second / completed.sagas_per_second;
    report.figure("of the rate completing", ratio * 100.0, "%");
    report.loads = vec![completed, refused];
    stage.ensure_ended(0).await?;
    stage.close().await?;
    Ok(report)
}

pub(crate) async fn mixed(arguments: &One, ground: &mut Ground) -> anyhow::Result<Report> {
    let stage = Stage::open(ground).await?;
    // Its participant joins its group only now.
    let late = Workload::late(arguments.ballast);
    stage.site.client.one(&late).await?;
    let shape = Shape::InFlight(arguments.in_flight);
    let workload = Workload::mixed(arguments.ballast);
    let load = measure(&stage.site, "mixed", shape, workload, &arguments.plan).await?;
    let mut report = Report::new("mixed");
    report.figure("mixed", load.sagas_per_second, "sagas/s");
    report.loads.push(load);
    stage.ensure_ended(0).await?;
    stage.close().await?;
    Ok(report)
}

pub(crate) async fn payloads(arguments: &Payloads, ground: &mut Ground) -> anyhow::Result<Report> {
    let stage = Stage::open(ground).await?;
    let mut database = stage.database().await?;
    let mut report = Report::new("payloads");
    let shape = Shape::InFlight(arguments.in_flight);
    for &ballast in &arguments.ballasts {
        let (name, workload) = (format!("{ballast} bytes"), Workload::completed(ballast));
        let before = database.kept().await?;
        let load = measure(&stage.site, name, shape, workload, &arguments.plan).await?;
        if ballast == 0 {
            let after = database.kept().await?;
            let bytes = (after.bytes - before.bytes) as f64 / (after.sagas - before.sagas) as f64;
            report.figure("stored without payloads", bytes, "bytes a saga");
        }
        report.loads.push(load);
    }
    stage.ensure_ended(0).await?;
    stage.close().await?;
    Ok(report)
}
