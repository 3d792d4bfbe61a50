//! `bench throughput`: the shop with its four databases, driven over REST to the terminal state.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use clap::Args;
use local::folder::Temporary;
use serde::Deserialize;
use shop::audit;
use shop::stage::{KafkaKind, Options, Stage};
use shop::workload::Workload;

use crate::load::{Bodies, Client, Outcome};
use crate::machine::Machine;
use crate::report::{Latency, Report, Round};
use crate::shares::{Part, Share, Watch};

/// How to measure.
#[derive(Debug, Clone, Args)]
pub(crate) struct Arguments {
    /// Orders in flight in the closed loop
    #[arg(long, value_name = "NUMBER", default_value_t = 400)]
    in_flight: usize,
    /// Rounds of the closed loop; the median counts
    #[arg(long, value_name = "NUMBER", default_value_t = 3)]
    rounds: usize,
    /// Length of a round, and of the open loop, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 15)]
    seconds: u64,
    /// Load before the first round, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 8)]
    warm_up: u64,
    /// Orders per second in the open loop
    #[arg(long, value_name = "NUMBER", default_value_t = 50)]
    rate: u32,
    /// Orders in a hundred that are refused somewhere
    #[arg(long, value_name = "PERCENT", default_value_t = 0)]
    refused: u32,
    /// Seed of the orders
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// A variable for orchestrator and services, to see what a setting gives: `SAGA_LANES=2`
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    settings: Vec<(String, String)>,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

/// Length of the idle measurement: a tenth of a percent shows.
const IDLE: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
struct Summary {
    commits: Commits,
}

#[derive(Deserialize)]
pub(crate) struct Commits {
    pub(crate) rows_median: usize,
    pub(crate) ms_median: f64,
    pub(crate) ms_p99: f64,
}

/// Runs everything and prints the report; fails when the books are wrong.
pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let folder = Temporary::new("saga-bench")?;
    let stage = Stage::open(&Options {
        kafka: KafkaKind::Real,
        data: Some(folder.path().to_owned()),
        port: Some(local::port::free()?),
        settings: arguments.settings.clone(),
        tell: crate::progress,
    })
    .await?;
    let measured = tokio::select! {
        measured = measure(arguments, &stage, folder.path()) => measured,
        error = stage.first_end() => Err(error),
    };
    tokio::task::spawn_blocking(move || stage.close()).await?;
    let report = measured?;
    if arguments.json {
        crate::say(&serde_json::to_string_pretty(&report)?);
    } else {
        crate::say(&report);
    }
    ensure!(
        report.audit_is_clean,
        "the audit found errors: a fast wrong run is a failed run"
    );
    Ok(())
}

async fn measure(
    arguments: &Arguments,
    stage: &Stage,
    folder: &std::path::Path,
) -> anyhow::Result<Report> {
    let machine = Machine::measure(&stage.urls.orchestrator, folder).await?;
    let mut parts: Vec<Part> = stage
        .processes()
        .await
        .into_iter()
        .map(|(name, pid)| Part {
            name: name.to_owned(),
            pid,
        })
        .collect();
    parts.push(Part {
        name: "client".to_owned(),
        pid: std::process::id(),
    });
    let client = Client::new(&stage.url, orders(arguments.seed, arguments.refused));
    let seconds = Duration::from_secs(arguments.seconds);
    crate::progress(&format!("Warming up for {} s …", arguments.warm_up));
    let warm_up = Duration::from_secs(arguments.warm_up);
    client.closed_loop(arguments.in_flight, warm_up).await?;
    let mut rounds = Vec::new();
    for number in 1..=arguments.rounds {
        crate::progress(&format!(
            "Round {number} of {}, {seconds:?} …",
            arguments.rounds
        ));
        let watch = Watch::start(&parts);
        let outcome = client.closed_loop(arguments.in_flight, seconds).await?;
        rounds.push(round(outcome, watch.shares()));
    }
    let commits = commits(&stage.url).await?;
    let orchestrator_rss_mib = rounds.last().map_or(0.0, |round| rss_of(&round.shares));
    crate::progress(&format!("{} orders/s for {seconds:?} …", arguments.rate));
    let watch = Watch::start(&parts);
    let outcome = client.open_loop(arguments.rate, seconds).await?;
    let latency = latency(arguments.rate, outcome, watch.shares());
    crate::progress(&format!("Idle for {IDLE:?} …"));
    let watch = Watch::start(&parts);
    tokio::time::sleep(IDLE).await;
    let idle = watch.shares();
    let audit = audit::run(&stage.urls).await?;
    for wrong in audit.wrong.iter().take(10) {
        crate::progress(&format!("WRONG: {}", wrong.what));
    }
    Ok(Report {
        machine,
        in_flight: arguments.in_flight,
        orders_per_second: median(rounds.iter().map(|round| round.orders_per_second).collect()),
        rounds,
        rows_per_commit_median: commits.rows_median,
        commit_ms_p50: commits.ms_median,
        commit_ms_p99: commits.ms_p99,
        latency,
        idle_processors: of(&idle, "orchestrator").map_or(0.0, |share| share.processors),
        idle_seconds: IDLE.as_secs(),
        orchestrator_rss_mib,
        audit_is_clean: audit.exit_code() == 0,
    })
}

pub(crate) fn setting(text: &str) -> anyhow::Result<(String, String)> {
    let (name, value) = text.split_once('=').context("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// The orders of the shop's workload, one after the other.
fn orders(seed: u64, refused_percent: u32) -> Bodies {
    let workload = Mutex::new(Workload::new(seed, refused_percent));
    Bodies::new(move || {
        let mut workload = workload.lock().unwrap_or_else(PoisonError::into_inner);
        let order = workload.next().expect("a workload has no end").order;
        serde_json::json!({ "saga": "place-order", "input": order }).to_string()
    })
}

fn round(outcome: Outcome, shares: Vec<Share>) -> Round {
    Round {
        orders_per_second: outcome.per_second(),
        completed: outcome.completed,
        compensated: outcome.compensated,
        unanswered: outcome.unanswered,
        latency: outcome.latencies.summary(),
        shares,
    }
}

fn latency(per_second: u32, outcome: Outcome, shares: Vec<Share>) -> Latency {
    let unanswered = outcome.unanswered;
    Latency {
        per_second,
        summary: outcome.latencies.summary(),
        unanswered,
        shares,
    }
}

pub(crate) async fn commits(orchestrator: &str) -> anyhow::Result<Commits> {
    let answer = reqwest::get(format!("{orchestrator}/v1/summary")).await?;
    if !answer.status().is_success() {
        bail!("the summary was answered {}", answer.status());
    }
    let summary: Summary = answer.json().await.context("read the summary")?;
    Ok(summary.commits)
}

fn of<'a>(shares: &'a [Share], name: &str) -> Option<&'a Share> {
    shares.iter().find(|share| share.name == name)
}

fn rss_of(shares: &[Share]) -> f64 {
    of(shares, "orchestrator").map_or(0.0, |share| share.rss_mib)
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
