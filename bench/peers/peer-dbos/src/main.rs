//! Drives DBOS for Rust: a library that keeps its books in Postgres and runs workflows in its
//! caller's process.
//!
//! The steps are functions of this process, and so is the client: nothing crosses a socket but what
//! goes to Postgres. That is the form in which DBOS is fastest.

use anyhow::Context as _;
use clap::Parser;
use dbos::{Config, DBOS, WorkflowRef, step};
use load::{Arguments, Books, Database, Peer};

/// The allocator of our own binaries, so that it makes no difference.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures DBOS for Rust, and prints the figures as JSON
#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    arguments: Arguments,
    /// Connections of DBOS to Postgres; its default of 10 was slower at 512 in flight, 40 everywhere
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    connections: u32,
}

/// DBOS, launched, with one workflow.
struct Dbos {
    instance: DBOS,
    workflow: WorkflowRef<String, (), dbos::EngineOnly>,
    input: String,
    /// Declared last: fields drop in order, and the database must go last.
    database: Database,
}

impl Dbos {
    async fn launch(cli: &Cli) -> anyhow::Result<Self> {
        let database = Database::start().await?;
        let instance = DBOS::new(Config {
            max_connections: cli.connections,
            app_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            ..Config::new("bench-peers", database.url())
        });
        let workflow = instance.register_workflow("three-steps", three_steps)?;
        instance.launch().await.context("launch DBOS")?;
        Ok(Self {
            instance,
            workflow,
            input: "x".repeat(cli.arguments.ballast),
            database,
        })
    }
}

/// Three steps that do nothing; the input is checkpointed with the workflow.
async fn three_steps(_input: String) -> dbos::Result<()> {
    for name in ["first", "second", "third"] {
        step(name, async || Ok(())).await?;
    }
    Ok(())
}

impl Peer for Dbos {
    type Client = ();

    async fn client(&self) -> anyhow::Result<()> {
        Ok(())
    }

    async fn saga(&self, (): &mut ()) -> anyhow::Result<()> {
        let ended = self.workflow.run(self.input.clone()).await;
        ended.context("a workflow of DBOS failed")
    }

    async fn books(&self) -> anyhow::Result<Books> {
        let count = |statement| self.database.count(statement);
        Ok(Books {
            succeeded: count("SELECT count(*) FROM dbos.workflow_status WHERE status = 'SUCCESS'")
                .await?,
            others: count("SELECT count(*) FROM dbos.workflow_status WHERE status <> 'SUCCESS'")
                .await?,
            steps: count("SELECT count(*) FROM dbos.operation_outputs WHERE error IS NULL").await?,
        })
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let dbos = Dbos::launch(&cli).await?;
    let version = load::version("dbos").to_owned();
    let dbos = load::run(dbos, version, &cli.arguments).await?;
    dbos.instance.shutdown().await;
    Ok(())
}
