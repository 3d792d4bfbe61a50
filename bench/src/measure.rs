//! One load: a warm-up and some rounds without a pause between them, watched round by round.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::time::{Instant, sleep_until};

use crate::database::Database;
use crate::latencies::Latencies;
use crate::load::{Answer, Sample, Shape};
use crate::report::{Load, Round, Window};
use crate::shares::Watch;
use crate::stage::Site;
use crate::summary::summary;
use crate::workload::Workload;

/// For how long to measure.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Plan {
    /// Rounds of each load; the median counts
    #[arg(long, value_name = "NUMBER", default_value_t = 3)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Length of a round in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Load before the first round, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 20)]
    warm_up: u64,
}

impl Plan {
    /// The length of a round.
    pub(crate) fn round(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    /// How many rounds.
    pub(crate) fn rounds(&self) -> u32 {
        self.rounds
    }

    fn one_round(self) -> Self {
        Self { rounds: 1, ..self }
    }

    fn warm_up(&self) -> Duration {
        Duration::from_secs(self.warm_up)
    }

    fn all(&self) -> Duration {
        self.warm_up() + self.round() * self.rounds
    }
}

/// Growth within a round, in bytes.
#[derive(Debug, Clone, Copy)]
struct Growth {
    stored: i64,
    logged: i64,
}

/// Puts a load on, and says what came of it.
pub(crate) async fn measure(
    site: &Site,
    name: impl Into<String>,
    shape: Shape,
    workload: Workload,
    plan: &Plan,
) -> anyhow::Result<Load> {
    let name = name.into();
    let seconds = plan.all().as_secs();
    crate::progress(&format!("  {name}, {shape}: {seconds} s …"));
    let workload = Arc::new(workload);
    let (samples, windows) = tokio::try_join!(
        site.client.drive(shape, &workload, plan.all()),
        watch(site, plan)
    )?;
    let rounds = (0..).zip(windows).map(|(number, (window, growth))| {
        let start = plan.warm_up() + plan.round() * number;
        let ended = samples.iter().filter(|sample| {
            let at = counts_at(shape, sample);
            start <= at && at < start + plan.round()
        });
        round(plan.round(), ended, window, growth)
    });
    Ok(Load::new(name, shape, rounds.collect()))
}

/// Puts the same load on two sites in turn, one round with its warm-up after the other: what the
/// machine does meanwhile, it does to both. Names are those of the loads.
pub(crate) async fn compare(
    sites: [(&Site, String); 2],
    shape: Shape,
    workload: impl Fn() -> Workload,
    plan: &Plan,
) -> anyhow::Result<[Load; 2]> {
    let mut rounds = [Vec::new(), Vec::new()];
    for _ in 0..plan.rounds {
        for ((site, name), rounds) in sites.iter().zip(&mut rounds) {
            let load = measure(site, name, shape, workload(), &plan.one_round()).await?;
            rounds.extend(load.rounds);
        }
    }
    let [(_, one), (_, other)] = sites;
    let [of_one, of_other] = rounds;
    Ok([
        Load::new(one, shape, of_one),
        Load::new(other, shape, of_other),
    ])
}

/// The instant that decides to which round a saga belongs. In an open loop its beginning does, so
/// that sagas that a stall kept beyond the last round are not left out.
fn counts_at(shape: Shape, sample: &Sample) -> Duration {
    match shape {
        Shape::InFlight(_) => sample.intended + sample.latency,
        Shape::PerSecond(_) => sample.intended,
    }
}

fn round<'a>(
    length: Duration,
    samples: impl Iterator<Item = &'a Sample>,
    window: Window,
    growth: Growth,
) -> Round {
    let (mut counts, mut latencies) = ([0_usize; 4], Vec::new());
    for sample in samples {
        counts[sample.answer as usize] += 1;
        if matches!(sample.answer, Answer::Completed | Answer::Compensated) {
            latencies.push(sample.latency);
        }
    }
    let count = |answer: Answer| counts[answer as usize];
    let ended = latencies.len() as f64;
    let per_saga = |bytes: i64| bytes as f64 / ended.max(1.0);
    Round {
        seconds: length.as_secs_f64(),
        sagas_per_second: ended / length.as_secs_f64(),
        completed: count(Answer::Completed),
        compensated: count(Answer::Compensated),
        unanswered: count(Answer::Unanswered),
        refused: count(Answer::Refused),
        latencies: Latencies::of(latencies),
        window: Window {
            stored_bytes_per_saga: per_saga(growth.stored),
            logged_bytes_per_saga: per_saga(growth.logged),
            ..window
        },
    }
}

/// Looks at the end of each round, while the load is still on.
async fn watch(site: &Site, plan: &Plan) -> anyhow::Result<Vec<(Window, Growth)>> {
    let start = Instant::now() + plan.warm_up();
    let mut database = Database::connect(&site.database_url).await?;
    sleep_until(start).await;
    let mut watch = Watch::start(&site.parts);
    let mut before = size(&mut database).await?;
    let mut windows = Vec::new();
    for number in 1..=plan.rounds {
        sleep_until(start + plan.round() * number).await;
        let (shares, processors) = (watch.shares(), watch.busy());
        watch = Watch::start(&site.parts);
        let now = size(&mut database).await?;
        let commits = summary(&site.url).await?.commits;
        let window = Window {
            shares,
            processors,
            rows_per_commit: commits.rows_median,
            commit_ms_p50: commits.ms_median,
            commit_ms_p99: commits.ms_p99,
            ..Window::default()
        };
        let growth = Growth {
            stored: now.stored - before.stored,
            logged: now.logged - before.logged,
        };
        windows.push((window, growth));
        before = now;
    }
    Ok(windows)
}

async fn size(database: &mut Database) -> anyhow::Result<Growth> {
    Ok(Growth {
        stored: database.stored_bytes().await?,
        logged: database.logged_bytes().await?,
    })
}
