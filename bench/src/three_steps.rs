//! `bench steps3`: three steps at participants that do nothing, in a closed loop.

use std::time::Duration;

use anyhow::ensure;
use bench::steps3;
use clap::Args;
use local::folder::Temporary;
use serde::Serialize;
use sqlx::{Connection as _, PgConnection};

use crate::load::{Bodies, Client};
use crate::machine::Machine;
use crate::shares::{Share, Watch};
use crate::stage::Stage;
use crate::throughput::{commits, median, setting};

/// How to measure.
#[derive(Debug, Clone, Args)]
pub(crate) struct Arguments {
    /// Sagas in flight, several numbers one after the other
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', default_values_t = [64, 512, 2000])]
    in_flight: Vec<usize>,
    /// Rounds of each; the median counts
    #[arg(long, value_name = "NUMBER", default_value_t = 3)]
    rounds: usize,
    /// Length of a round in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    seconds: u64,
    /// Load before the first round, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    warm_up: u64,
    /// Bytes of each command's payload, and of the input
    #[arg(long, value_name = "BYTES", default_value_t = 200)]
    ballast: usize,
    /// Refuse the last step, so that the other two are compensated
    #[arg(long)]
    refused: bool,
    /// A variable for the orchestrator, to see what a setting gives: `SAGA_LANES=2`
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    settings: Vec<(String, String)>,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    machine: Machine,
    loads: Vec<Load>,
}

/// What so many in flight gave.
#[derive(Serialize)]
struct Load {
    in_flight: usize,
    sagas_per_second: f64,
    rounds: Vec<f64>,
    p50_ms: f64,
    p99_ms: f64,
    rows_per_commit: usize,
    commit_ms: f64,
    shares: Vec<Share>,
}

/// Runs everything and prints the report; fails when a saga has not ended as it should.
pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let folder = Temporary::new("saga-bench")?;
    let stage = Stage::open(folder.path(), &arguments.settings).await?;
    let machine = Machine::measure(&stage.addresses.database_url, folder.path()).await?;
    let body = serde_json::json!({ "saga": steps3::NAME, "input": steps3::Input {
        is_refused: arguments.refused,
        ballast: "x".repeat(arguments.ballast),
    }});
    let body = body.to_string();
    let client = Client::new(&stage.url, Bodies::new(move || body.clone()));
    let parts = stage.parts()?;
    let mut loads = Vec::new();
    for &in_flight in &arguments.in_flight {
        crate::progress(&format!("{in_flight} in flight …"));
        let warm_up = Duration::from_secs(arguments.warm_up);
        client.closed_loop(in_flight, warm_up).await?;
        let mut rounds = Vec::new();
        let mut load = None;
        for _ in 0..arguments.rounds {
            let watch = Watch::start(&parts);
            let seconds = Duration::from_secs(arguments.seconds);
            let outcome = client.closed_loop(in_flight, seconds).await?;
            ensure!(outcome.unanswered == 0, "{} had no end", outcome.unanswered);
            rounds.push(outcome.per_second());
            let latencies = outcome.latencies.summary();
            let commits = commits(&stage.url).await?;
            load = Some(Load {
                in_flight,
                sagas_per_second: 0.0,
                rounds: Vec::new(),
                p50_ms: latencies.p50_ms,
                p99_ms: latencies.p99_ms,
                rows_per_commit: commits.rows_median,
                commit_ms: commits.ms_median,
                shares: watch.shares(),
            });
        }
        loads.extend(load.map(|load| Load {
            sagas_per_second: median(rounds.clone()),
            rounds,
            ..load
        }));
    }
    ensure_ended(&stage.addresses.database_url, arguments.refused).await?;
    let report = Report { machine, loads };
    tokio::task::spawn_blocking(move || drop(stage)).await?;
    if arguments.json {
        crate::say(&serde_json::to_string_pretty(&report)?);
    } else {
        crate::say(&report);
    }
    Ok(())
}

/// A fast wrong run is a failed run.
async fn ensure_ended(database: &str, is_refused: bool) -> anyhow::Result<()> {
    let mut connection = PgConnection::connect(database).await?;
    let end = if is_refused {
        "compensated"
    } else {
        "completed"
    };
    let others: i64 = sqlx::query_scalar("SELECT count(*) FROM every_saga WHERE status <> $1")
        .bind(end)
        .fetch_one(&mut connection)
        .await?;
    ensure!(others == 0, "{others} sagas are not {end}");
    Ok(())
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.machine)?;
        for load in &self.loads {
            let Load {
                in_flight,
                sagas_per_second,
                p50_ms,
                p99_ms,
                rows_per_commit,
                commit_ms,
                ..
            } = load;
            write!(
                f,
                "\n{in_flight:5} in flight {sagas_per_second:7.0} sagas/s  p50 {p50_ms:6.1} ms  p99 {p99_ms:6.1} ms  "
            )?;
            write!(
                f,
                "{rows_per_commit} rows per commit, {commit_ms:.1} ms; rounds"
            )?;
            for round in &load.rounds {
                write!(f, " {round:.0}")?;
            }
            write!(f, "\n     ")?;
            for share in &load.shares {
                write!(
                    f,
                    " {} {:.2} ({:.0} MiB)",
                    share.name, share.processors, share.rss_mib
                )?;
            }
        }
        Ok(())
    }
}
