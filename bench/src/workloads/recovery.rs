//! `recovery`: one of three replicas is killed with SIGKILL while it has thousands of sagas in its
//! hands, and clients go on at the other two.
//!
//! So that it has them, the participants are frozen until the kill: then every open saga waits for
//! a reply, and those of the dead replica wait until the others have taken over its partitions, or
//! send again what it may not have sent.
//!
//! What is measured are moves in the database: when has every saga moved that the dead replica
//! served, and how fast did they move once the first of them did?

use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use clap::Args;
use sqlx::types::Uuid;
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
    /// Sagas that are open at the kill: a third of them at each replica
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
const AT_ONCE: usize = 256;

/// How often to look.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// When to give up.
const MOVE_LIMIT: Duration = Duration::from_secs(60);

/// So many of the sagas that the dead replica served had not moved, so long after the kill.
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
    let mut database = stage.database().await?;
    let client = stage.site.client.clone();
    let of_each = arguments.open / 3;
    stage.serve(1..);
    client.leave_open(2 * of_each, AT_ONCE, &workload).await?;
    let others = database.open_ids().await?;
    stage.serve(..1);
    client.leave_open(of_each, AT_ONCE, &workload).await?;
    let open = database.open_ids().await?;
    let served: Vec<Uuid> = open.difference(&others).copied().collect();
    stage.serve(1..);
    let load = Shape::InFlight(arguments.in_flight);
    let during = arguments.plan.round();
    let survivors = tokio::spawn(async move { client.drive(load, &workload, during).await });

    let standing = database.standing(&served).await?;
    crate::progress("  SIGKILL …");
    stage.kill_first()?;
    let killed = Instant::now();
    stage.freeze_participants(false)?;
    let looks = looks(&mut database, &standing, killed).await?;
    survivors.await??;

    let moving = looks.last().map_or(0.0, |(at, _)| at.as_secs_f64());
    report.figure("all move after", moving, "s");
    report.figure("served", served.len() as f64, "sagas");
    report.figure("resumed", resumed(&looks), "sagas/s");
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

/// How many of them moved per second, from the last look at which at least 19 of 20 still stood to the
/// first at which at most one of 20 did.
fn resumed(looks: &[Look]) -> f64 {
    let all = looks.first().map_or(0, |(_, left)| *left);
    let first = looks.iter().rfind(|(_, left)| left * 20 >= all * 19);
    let last = looks.iter().find(|(_, left)| left * 20 <= all);
    let (Some(first), Some(last)) = (first, last) else {
        return 0.0;
    };
    let time = last.0.saturating_sub(first.0).as_secs_f64();
    (first.1 - last.1) as f64 / time.max(f64::EPSILON)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_of_the_time_in_which_they_moved() {
        let look = |millis, left| (Duration::from_millis(millis), left);
        let looks = [
            look(10, 4_000),
            look(900, 4_000),
            look(2_500, 3_990),
            look(2_700, 2_000),
            look(2_900, 190),
            look(3_100, 0),
        ];
        let rate = resumed(&looks);
        assert!((rate - 9_500.0).abs() < 1e-6, "{rate}");
        assert!(resumed(&[]).abs() < f64::EPSILON);
    }
}
