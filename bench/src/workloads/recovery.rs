//! `recovery`: one of three replicas is killed with SIGKILL while it has thousands of sagas in its
//! hands, and clients go on at the other two.
//!
//! So that it has them, the participants are frozen until the kill: then every open saga waits for
//! a reply, and those of the dead replica wait until the others have taken over its partitions.
//! What is measured are moves in the database: when has every saga that was open at the kill moved,
//! and how fast did those move that were stalled?

use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use clap::Args;
use tokio::time::{Instant, sleep};

use crate::database::{Database, Standing};
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
    /// Sagas that are open at the kill, on all three replicas
    #[arg(long, value_name = "NUMBER", default_value_t = 12_000)]
    open: usize,
    /// Sagas in flight at the survivors, beside those
    #[arg(long, value_name = "NUMBER", default_value_t = 64)]
    in_flight: usize,
    /// Bytes of each command's payload, and of the input
    #[arg(long, value_name = "BYTES", default_value_t = 200)]
    ballast: usize,
}

/// Clients that leave sagas open.
const AT_ONCE: usize = 64;

/// Replicas are known to be dead after two seconds: what has not moved before that is stalled.
const STALLED_AFTER: Duration = Duration::from_millis(1800);

/// How often to look.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// When to give up.
const MOVE_LIMIT: Duration = Duration::from_secs(60);

/// So many of the sagas that were open at the kill had not moved, so long after it.
type Look = (Duration, u64);

pub(crate) async fn run(arguments: &Arguments, ground: &mut Ground) -> anyhow::Result<Report> {
    let mut stage = Stage::open(ground).await?;
    stage.add_replica().await?;
    stage.add_replica().await?;
    let workload = Arc::new(Workload::completed(arguments.ballast));
    let mut report = Report::new("recovery");
    let shape = Shape::InFlight(arguments.in_flight);
    let before = Workload::completed(arguments.ballast);
    let load = measure(&stage.site, "3 replicas", shape, before, &arguments.plan).await?;
    report.loads.push(load);

    crate::progress(&format!("  {} sagas are left open …", arguments.open));
    stage.freeze_participants(true)?;
    let client = stage.site.client.clone();
    client
        .leave_open(arguments.open, AT_ONCE, &workload)
        .await?;
    stage.serve_from(1);
    let load = Shape::InFlight(arguments.in_flight);
    let during = arguments.plan.round();
    let survivors = tokio::spawn(async move { client.drive(load, &workload, during).await });

    let mut database = stage.database().await?;
    let standing = database.standing().await?;
    crate::progress("  SIGKILL …");
    stage.kill_first()?;
    let killed = Instant::now();
    stage.freeze_participants(false)?;
    let looks = looks(&mut database, &standing, killed).await?;
    survivors.await??;

    let moving = looks.last().map_or(0.0, |(at, _)| at.as_secs_f64());
    let (stalled, rate) = resumed(&looks);
    report.figure("all move after", moving, "s");
    report.figure("stalled", stalled as f64, "sagas");
    report.figure("resumed", rate, "sagas/s");
    stage.ensure_ended(0).await?;
    stage.close().await?;
    Ok(report)
}

async fn looks(
    database: &mut Database,
    standing: &Standing,
    killed: Instant,
) -> anyhow::Result<Vec<Look>> {
    let mut looks = Vec::new();
    loop {
        let left = database.unmoved(standing).await?;
        looks.push((killed.elapsed(), left));
        if left == 0 {
            return Ok(looks);
        }
        let in_time = killed.elapsed() < MOVE_LIMIT;
        ensure!(
            in_time,
            "{left} sagas have not moved {MOVE_LIMIT:?} after the kill"
        );
        sleep(LOOK_EVERY).await;
    }
}

/// How many were stalled, and how many of them moved per second, from the last look at which at
/// least 19 of 20 still stood to the first at which at most one of 20 did.
fn resumed(looks: &[Look]) -> (u64, f64) {
    let stalled = looks.iter().rfind(|(at, _)| *at <= STALLED_AFTER);
    let Some((_, stalled)) = stalled.filter(|(_, left)| *left > 0) else {
        return (0, 0.0);
    };
    let later = || looks.iter().filter(|(at, _)| *at > STALLED_AFTER);
    let first = later().rfind(|(_, left)| left * 20 >= stalled * 19);
    let last = later().find(|(_, left)| left * 20 <= *stalled);
    let first = first.copied().unwrap_or((STALLED_AFTER, *stalled));
    let rate = last.map_or(0.0, |last| {
        let time = last.0.saturating_sub(first.0).as_secs_f64();
        (first.1 - last.1) as f64 / time.max(f64::EPSILON)
    });
    (*stalled, rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_of_those_that_were_stalled() {
        let look = |millis, left| (Duration::from_millis(millis), left);
        let looks = [
            look(10, 12_000),
            look(900, 4_000),
            look(1_700, 4_000),
            look(2_500, 3_990),
            look(2_700, 2_000),
            look(2_900, 190),
            look(3_100, 0),
        ];
        let (stalled, rate) = resumed(&looks);
        assert_eq!(stalled, 4_000);
        assert!((rate - 9_500.0).abs() < 1e-6, "{rate}");
        assert_eq!(resumed(&[look(100, 5), look(200, 0)]), (0, 0.0));
        assert_eq!(resumed(&[]), (0, 0.0));
    }
}
