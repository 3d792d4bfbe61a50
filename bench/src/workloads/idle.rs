//! `idle`: open sagas that wait for a day to come. What do they cost, and how late does one wake?
//!
//! They are copies of one that really waits: its first command is on its way to participants that
//! are frozen. Some copies become due while somebody looks.

use std::time::Duration;

use anyhow::ensure;
use clap::Args;
use sqlx::types::Uuid;
use tokio::time::{Instant, sleep};

use crate::database::Copies;
use crate::ground::Ground;
use crate::latencies::Latencies;
use crate::report::Report;
use crate::shares::{Share, Watch};
use crate::stage::Stage;
use crate::workload::Workload;

#[derive(Debug, Clone, Args)]
pub(crate) struct Arguments {
    /// Open sagas that wait
    #[arg(long, value_name = "NUMBER", default_value_t = 1_000_000)]
    open: u64,
    /// Sagas that become due, 100 a second
    #[arg(long, value_name = "NUMBER", default_value_t = 2000)]
    due: u64,
    /// How long to watch, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
}

/// Its first command was confirmed, and it waits for the participant's answer.
const QUIET: Duration = Duration::from_secs(4);

/// Nobody waits for this day.
const FAR: &str = "clock_timestamp() + interval '1 day' + c.n * interval '1 millisecond'";

/// One every 10 ms, from a time on at which all are stored.
const SOON: &str =
    "transaction_timestamp() + interval '2 seconds' + c.n * interval '10 milliseconds'";

/// Copies waited as long as their template.
const SAME: &str = "interval '0'";

/// How often to look: more often than a command is sent again to a participant that stays silent,
/// because only a saga's last move can be seen.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What a due saga may be late before it counts as forgotten.
const GRACE: Duration = Duration::from_secs(10);

pub(crate) async fn run(arguments: &Arguments, ground: &mut Ground) -> anyhow::Result<Report> {
    let stage = Stage::open(ground).await?;
    let mut report = Report::new("idle");
    let watched = Duration::from_secs(arguments.seconds);
    let empty = watch(&stage, watched).await;
    report.figure("processor, none open", empty.processors * 100.0, "%");
    report.figure("rss, none open", empty.rss_mb, "MB");

    stage.freeze_participants(true)?;
    let workload = std::sync::Arc::new(Workload::completed(0));
    stage.site.client.leave_open(1, 1, &workload).await?;
    let mut database = stage.database().await?;
    let template = database.the_waiting_saga(QUIET).await?;
    let copies = |count, due_at| Copies {
        template,
        count,
        earlier: SAME,
        due_at: Some(due_at),
    };
    let tell = |done| crate::progress(&format!("  {done} of {} copied …", arguments.open));
    database.copy(&copies(arguments.open, FAR), tell).await?;
    database.tidy().await?;
    let full = watch(&stage, watched).await;
    report.figure("processor", full.processors * 100.0, "%");
    report.figure("rss", full.rss_mb, "MB");

    let due = arguments.due;
    crate::progress(&format!("  {due} sagas become due …"));
    database.copy(&copies(due, SOON), |_| ()).await?;
    let deadline = Instant::now() + Duration::from_millis(due * 10) + GRACE;
    let late = loop {
        let late = Latencies::of(database.lateness().await?);
        let woken = late.count as u64;
        if woken == due {
            break late;
        }
        let in_time = Instant::now() < deadline;
        ensure!(in_time, "{woken} of {due} sagas woke within {GRACE:?}");
        sleep(LOOK_EVERY).await;
    };
    report.figure("wakes late, p50", late.p50_ms, "ms");
    report.figure("wakes late, p99", late.p99_ms, "ms");
    ensure_ended(&stage, arguments, template).await?;
    stage.close().await?;
    Ok(report)
}

/// What the orchestrator takes while nobody asks it for anything.
async fn watch(stage: &Stage, during: Duration) -> Share {
    crate::progress(&format!("  idle for {during:?} …"));
    let watch = Watch::start(&stage.site.parts);
    sleep(during).await;
    watch.orchestrator()
}

/// With participants again, what was due ends, the template too, and what waits has not moved.
async fn ensure_ended(stage: &Stage, arguments: &Arguments, template: Uuid) -> anyhow::Result<()> {
    stage.freeze_participants(false)?;
    let waiting = i64::try_from(arguments.open)?;
    let mut database = stage.database().await?;
    let mut open = 0;
    for _ in 0..60 {
        open = database.open_count().await?;
        if open == waiting {
            return Ok(());
        }
        sleep(Duration::from_secs(1)).await;
    }
    anyhow::bail!("{open} sagas are open, not the {waiting} that wait; copies of {template}")
}
