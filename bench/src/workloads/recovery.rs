//! `recovery`: one of three replicas is killed with SIGKILL while it has thousands of sagas in its
//! hands, and clients go on at the other two. There are as many kills as rounds, each of three
//! replicas of their own.
//!
//! So that it has them, the participants are frozen until the kill: then every open saga waits for
//! a reply, and those of the dead replica wait until the others have taken over its partitions, or
//! send again what it may not have sent.
//!
//! What is measured stands in the sagas' histories: when has every saga moved that the dead replica
//! served, and how many did in a second, of the time in which any did?

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use sqlx::types::Uuid;

use crate::ground::Ground;
use crate::latencies::median;
use crate::load::Shape;
use crate::measure::{Plan, measure};
use crate::report::Report;
use crate::stage::Stage;
use crate::workload::Workload;

#[derive(Debug, Clone, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    plan: Plan,
    /// Sagas that are open at the kill: a third of them at each replica
    #[arg(long, value_name = "NUMBER", default_value_t = 6_000)]
    open: usize,
    /// Sagas in flight at the survivors, beside those
    #[arg(long, value_name = "NUMBER", default_value_t = 64)]
    in_flight: usize,
    /// Bytes of each command's payload, and of the input
    #[arg(long, value_name = "BYTES", default_value_t = 200)]
    ballast: usize,
}

/// How finely the time is counted in which sagas move.
const STEP: Duration = Duration::from_millis(50);

/// Clients that leave sagas open.
const AT_ONCE: usize = 256;

pub(crate) async fn run(arguments: &Arguments, ground: &mut Ground) -> anyhow::Result<Report> {
    let mut report = Report::new("recovery");
    let mut stage = three_replicas(ground).await?;
    let shape = Shape::InFlight(arguments.in_flight);
    let before = Workload::completed(arguments.ballast);
    let load = measure(&stage.site, "3 replicas", shape, before, &arguments.plan).await?;
    report.loads.push(load);
    let mut recoveries = vec![kill_one(stage, arguments).await?];
    for _ in 1..arguments.plan.rounds() {
        stage = three_replicas(ground).await?;
        recoveries.push(kill_one(stage, arguments).await?);
    }
    let middle = |of: fn(&Recovery) -> f64| median(recoveries.iter().map(of));
    report.figure("all move after", middle(|one| one.last.as_secs_f64()), "s");
    report.figure("served", middle(|one| one.served as f64), "sagas");
    report.figure("resumed", middle(|one| one.rate), "sagas/s");
    Ok(report)
}

async fn three_replicas(ground: &mut Ground) -> anyhow::Result<Stage> {
    let mut stage = Stage::open(ground).await?;
    stage.add_replica().await?;
    stage.add_replica().await?;
    Ok(stage)
}

/// What came of one kill.
#[derive(Debug)]
struct Recovery {
    /// When all sagas had moved that the dead replica served.
    last: Duration,
    /// How many these are.
    served: usize,
    /// How many of them moved in a second.
    rate: f64,
}

async fn kill_one(mut stage: Stage, arguments: &Arguments) -> anyhow::Result<Recovery> {
    crate::progress(&format!("  {} sagas are left open …", arguments.open));
    let workload = Arc::new(Workload::completed(arguments.ballast));
    stage.freeze_participants(true)?;
    let mut database = stage.database().await?;
    let client = stage.site.client.clone();
    let of_each = arguments.open / 3;
    stage.serve(1..);
    client.leave_open(2 * of_each, AT_ONCE, &workload).await?;
    let others = database.open_ids().await?;
    stage.serve(..1);
    client.leave_open(of_each, AT_ONCE, &workload).await?;
    let open = database.open_ids().await?;
    let served: HashSet<Uuid> = open.difference(&others).copied().collect();
    stage.serve(1..);
    let load = Shape::InFlight(arguments.in_flight);
    let during = arguments.plan.round();
    let survivors = tokio::spawn(async move { client.drive(load, &workload, during).await });

    let standing = database.standing(&served).await?;
    crate::progress("  SIGKILL …");
    let killed_at = database.now().await?;
    stage.kill_first()?;
    stage.freeze_participants(false)?;
    survivors.await??;
    stage.ensure_ended(0).await?;

    let moves = database.first_moves(&standing).await?;
    let since_kill: Vec<_> = moves.iter().map(|at| at.since(killed_at)).collect();
    let (last, rate) = resumed(&since_kill);
    let served = served.len();
    crate::progress(&format!(
        "  {served} sagas moved within {last:.2?}, {rate:.0} a second"
    ));
    stage.close().await?;
    Ok(Recovery { last, served, rate })
}

/// When the last of them moved, and how many a second did while any did. They move in bursts, when a
/// replica is found dead or looks for what is due; what lies between counts for the first figure only.
fn resumed(moves: &[Duration]) -> (Duration, f64) {
    let last = moves.iter().max().copied().unwrap_or_default();
    let steps: HashSet<u128> = moves
        .iter()
        .map(|at| at.as_millis() / STEP.as_millis())
        .collect();
    let time = STEP.as_secs_f64() * steps.len() as f64;
    (last, moves.len() as f64 / time.max(f64::EPSILON))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_of_the_time_in_which_they_moved() {
        let burst = |millis, count| vec![Duration::from_millis(millis); count];
        let moves = [
            burst(1_049, 600),
            burst(1_800, 300),
            burst(1_849, 300),
            burst(1_850, 300),
        ];
        let (last, rate) = resumed(&moves.concat());
        assert_eq!(last, Duration::from_millis(1_850));
        assert!((rate - 10_000.0).abs() < 1e-6, "{rate}");
        assert_eq!(resumed(&[]), (Duration::ZERO, 0.0));
    }
}
