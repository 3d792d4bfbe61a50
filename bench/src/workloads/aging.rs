//! `aging`: the same load, in turn with an empty database and beside ever more sagas that have ended,
//! and the list of sagas.
//!
//! What has ended are copies, in the archive, of one that really ran, spread over the past.

use std::time::{Duration, Instant};

use anyhow::ensure;
use clap::Args;

use crate::database::Copies;
use crate::ground::Ground;
use crate::latencies::Latencies;
use crate::load::Shape;
use crate::measure::{Plan, compare};
use crate::report::Report;
use crate::stage::Stage;
use crate::workload::Workload;

#[derive(Debug, Clone, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    plan: Plan,
    /// Sagas that have ended, several numbers one after the other, each larger than the one before
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', default_values_t = [1_000_000])]
    rows: Vec<u64>,
    /// Sagas in flight
    #[arg(long, value_name = "NUMBER", default_value_t = 512)]
    in_flight: usize,
    /// Bytes of each command's payload, and of the input
    #[arg(long, value_name = "BYTES", default_value_t = 200)]
    ballast: usize,
}

/// The pages that operators look at.
const LISTS: [&str; 4] = [
    "limit=50",
    "limit=50&state=completed",
    "limit=50&state=running,compensating,stuck",
    "limit=50&attention=true",
];

/// How often each is asked for.
const TIMES: u32 = 100;

/// Copies began, one after the other, so long ago.
const EARLIER: &str = "c.n * interval '50 milliseconds'";

pub(crate) async fn run(arguments: &Arguments, ground: &mut Ground) -> anyhow::Result<Report> {
    let (fresh, stage) = (Stage::open(ground).await?, Stage::open(ground).await?);
    let mut report = Report::new("aging");
    let shape = Shape::InFlight(arguments.in_flight);
    let workload = || Workload::completed(arguments.ballast);
    let mut database = stage.database().await?;
    let (mut rows, mut compared) = (0, (0.0, 0.0));
    for &wanted in &arguments.rows {
        ensure!(wanted > rows, "{wanted} rows are not more than {rows}");
        let copies = Copies {
            template: database.a_completed_saga().await?,
            count: wanted - rows,
            earlier: EARLIER,
            due_at: None,
        };
        let tell = |done| crate::progress(&format!("  {done} of {} copied …", wanted - rows));
        database.copy(&copies, tell).await?;
        rows = wanted;
        database.tidy().await?;
        let sites = [
            (&fresh.site, "empty".to_owned()),
            (&stage.site, format!("{rows} ended")),
        ];
        let loads = compare(sites, shape, workload, &arguments.plan).await?;
        let [empty, aged] = &loads;
        let ratio = aged.sagas_per_second / empty.sagas_per_second;
        let lists = lists(&stage.site.url).await?;
        crate::progress(&format!(
            "  list: p50 {:.1} ms, p99 {:.1} ms",
            lists.p50_ms, lists.p99_ms
        ));
        compared = (ratio * 100.0, lists.p99_ms);
        report.loads.extend(loads);
    }
    report.figure("ended", rows as f64, "sagas");
    report.figure("of the empty rate", compared.0, "%");
    report.figure("list p99", compared.1, "ms");
    fresh.ensure_ended(0).await?;
    stage.ensure_ended(rows).await?;
    fresh.close().await?;
    stage.close().await?;
    Ok(report)
}

/// How long the lists take, one after the other, with nothing else going on.
async fn lists(orchestrator: &str) -> anyhow::Result<Latencies> {
    let client = reqwest::Client::new();
    let mut took: Vec<Duration> = Vec::new();
    for _ in 0..TIMES {
        for list in LISTS {
            let started = Instant::now();
            let answer = client.get(format!("{orchestrator}/v1/sagas?{list}")).send();
            let answer = answer.await?.error_for_status()?;
            answer.bytes().await?;
            took.push(started.elapsed());
        }
    }
    Ok(Latencies::of(took))
}
