//! `away`: the participants are away while sagas come at a rate, and come back. What does the
//! orchestrator keep in memory meanwhile, how late does it wake a saga, and when has every saga ended?
//!
//! The participants are frozen: what they are sent waits in the broker. Sagas ask again after their
//! policy, turn back where it is used up, and go on asking.

use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use clap::Args;
use tokio::time::{Instant, sleep};

use crate::database::Database;
use crate::ground::Ground;
use crate::load::Answer;
use crate::report::Report;
use crate::shares::Watch;
use crate::stage::Stage;
use crate::workload::Workload;

#[derive(Debug, Clone, Args)]
pub(crate) struct Arguments {
    /// Sagas a second that come meanwhile
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    rate: u32,
    /// How long the participants are away, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// Bytes of each command's payload, and of the input
    #[arg(long, value_name = "BYTES", default_value_t = 200)]
    ballast: usize,
}

/// How often to look at memory.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How often to say what there is, and to count what is open.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// How often to ask, once the participants are back, whether all have ended: a count reads them all.
const ASK_EVERY: Duration = Duration::from_secs(5);

/// So long no saga may end after the participants' return before the run counts as failed.
const NO_END_MAX: Duration = Duration::from_secs(300);

pub(crate) async fn run(arguments: &Arguments, ground: &mut Ground) -> anyhow::Result<Report> {
    let stage = Stage::open(ground).await?;
    let mut database = stage.database().await?;
    let mut report = Report::new("away");
    let mut memory = Memory::of(&stage);
    report.figure("rss before", memory.look(), "MB");

    stage.freeze_participants(true)?;
    let away = Duration::from_secs(arguments.seconds);
    let client = stage.site.client.clone();
    let (rate, workload) = (arguments.rate, Workload::completed(arguments.ballast));
    let offered =
        tokio::spawn(async move { client.leave_open_at(rate, &Arc::new(workload), away).await });
    let watch = Watch::start(&stage.site.parts);
    let (start, mut told) = (Instant::now(), Instant::now());
    let mut overdue = Duration::ZERO;
    while start.elapsed() < away {
        sleep(LOOK_EVERY.min(away.saturating_sub(start.elapsed()))).await;
        memory.look();
        if told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            tell(&mut database, start, &memory).await?;
            overdue = overdue.max(database.overdue().await?);
        }
    }
    overdue = overdue.max(database.overdue().await?);
    let used = watch.orchestrator();
    let samples = offered.await??;
    let refused = samples.iter().filter(|s| s.answer == Answer::Refused);
    let refused = refused.count() as f64 * 100.0 / (samples.len() as f64).max(1.0);
    report.figure("refused", refused, "%");
    let open = database.open_count().await?;
    report.figure("open at their return", open as f64, "sagas");
    report.figure("rss at most, while away", memory.most, "MB");
    report.figure("processor, while away", used.processors * 100.0, "%");
    report.figure("wakes late, at most", overdue.as_secs_f64(), "s");

    stage.freeze_participants(false)?;
    let returned = Instant::now();
    until_all_ended(&mut database, &mut memory).await?;
    report.figure("all ended after", returned.elapsed().as_secs_f64(), "s");
    report.figure("rss at most", memory.most, "MB");
    stage.ensure_ended(0).await?;
    stage.close().await?;
    Ok(report)
}

/// The orchestrator's memory, in MB.
struct Memory {
    watch: Watch,
    now: f64,
    most: f64,
}

impl Memory {
    fn of(stage: &Stage) -> Self {
        Self {
            watch: Watch::start(&stage.site.parts),
            now: 0.0,
            most: 0.0,
        }
    }

    fn look(&mut self) -> f64 {
        self.now = self.watch.orchestrator().rss_mb;
        self.most = self.most.max(self.now);
        self.now
    }
}

async fn tell(database: &mut Database, start: Instant, memory: &Memory) -> anyhow::Result<()> {
    let (minutes, open) = (start.elapsed().as_secs() / 60, database.open_count().await?);
    let Memory { now, most, .. } = memory;
    crate::progress(&format!(
        "  {minutes} min: {open} open, orchestrator {now:.0} MB, at most {most:.0} MB"
    ));
    Ok(())
}

/// However long that takes, as long as sagas end.
async fn until_all_ended(database: &mut Database, memory: &mut Memory) -> anyhow::Result<()> {
    let (start, mut told) = (Instant::now(), Instant::now());
    let (mut fewest, mut since) = (i64::MAX, Instant::now());
    let mut asked: Option<Instant> = None;
    loop {
        memory.look();
        if asked.is_none_or(|at| at.elapsed() >= ASK_EVERY) {
            asked = Some(Instant::now());
            let open = database.open_count().await?;
            if open == 0 {
                return Ok(());
            }
            if open < fewest {
                (fewest, since) = (open, Instant::now());
            }
            let moves = since.elapsed() < NO_END_MAX;
            ensure!(moves, "of {open} open sagas none ended for {NO_END_MAX:?}");
        }
        if told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            tell(database, start, memory).await?;
        }
        sleep(LOOK_EVERY).await;
    }
}
