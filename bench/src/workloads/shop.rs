//! `shop`: the real example with its four databases; closed loop, open loop, and the audit over all
//! five databases.

use anyhow::ensure;
use clap::Args;
use shop::audit;
use shop::stage::{KafkaKind, Options, Stage};

use crate::database::Database;
use crate::ground::Ground;
use crate::load::{Client, Shape};
use crate::measure::{Plan, measure};
use crate::report::Report;
use crate::shares::Part;
use crate::stage::Site;
use crate::workload::Workload;

#[derive(Debug, Clone, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    plan: Plan,
    /// Orders in flight in the closed loop
    #[arg(long, value_name = "NUMBER", default_value_t = 1_000)]
    in_flight: usize,
    /// Orders per second in the open loop
    #[arg(long, value_name = "NUMBER", default_value_t = 50)]
    rate: u32,
    /// Orders in a hundred that are refused somewhere
    #[arg(long, value_name = "PERCENT", default_value_t = 0)]
    refused: u32,
    /// Seed of the orders
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
}

pub(crate) async fn run(arguments: &Arguments, ground: &mut Ground) -> anyhow::Result<Report> {
    let name = ground.next_name();
    let stage = Stage::open(&Options {
        kafka: KafkaKind::Real,
        data: Some(ground.folder(&name)),
        port: Some(sagas_local::port::free()?),
        settings: ground.settings.clone(),
        tell: crate::progress,
    })
    .await?;
    ground.measure(&stage.urls.orchestrator).await?;
    let report = tokio::select! {
        report = on(&stage, arguments) => report,
        error = stage.first_end() => Err(error),
    };
    tokio::task::spawn_blocking(move || stage.close()).await?;
    report
}

async fn on(stage: &Stage, arguments: &Arguments) -> anyhow::Result<Report> {
    let processes = stage.processes().await.into_iter();
    let part = |(name, pid): (&str, u32)| Part {
        name: name.to_owned(),
        pid,
    };
    let client = Client::new();
    client.talk_to(std::slice::from_ref(&stage.url));
    let site = Site {
        client,
        url: stage.url.clone(),
        database_url: stage.urls.orchestrator.clone(),
        parts: processes.map(part).chain([Part::client()]).collect(),
    };
    // Two loads have two seeds: an order comes once.
    let orders = |load| Workload::shop(arguments.seed + load, arguments.refused);
    site.client.one(&orders(0)).await?;
    let plan = &arguments.plan;
    let shape = Shape::InFlight(arguments.in_flight);
    let closed = measure(&site, "closed loop", shape, orders(1), plan).await?;
    let shape = Shape::PerSecond(arguments.rate);
    let open = measure(&site, "open loop", shape, orders(2), plan).await?;
    let mut report = Report::new("shop");
    report.figure("orders", closed.sagas_per_second, "orders/s");
    report.figure("orchestrator rss", closed.orchestrator_rss_mb(), "MB");
    report.loads = vec![closed, open];

    let mut database = Database::connect(&site.database_url).await?;
    database.ensure_ended(site.client.totals(), 0).await?;
    let audit = audit::run(&stage.urls).await?;
    let wrong: Vec<_> = audit
        .wrong
        .iter()
        .take(10)
        .map(|wrong| &*wrong.what)
        .collect();
    ensure!(
        wrong.is_empty(),
        "the books are wrong: {}",
        wrong.join("; ")
    );
    Ok(report)
}
