//! Drives dtmrs: a coordinator that keeps its books in Postgres, here as a library.
//!
//! The three participants are functions of this process (`local://`), and so is the client: nothing
//! crosses a socket but what goes to Postgres. A submitted saga is driven at once, as dtmrs' own
//! server does it. That is the form in which dtmrs is fastest.
//!
//! dtmrs tells nobody when a saga ends: the client learns of the last step from the participant, and
//! a round lasts until the books hold no open saga.

mod waiting;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use dtmrs::server::api::Api;
use dtmrs::server::driver::Driver;
use dtmrs::server::registry::Registry;
use dtmrs::{BranchResult, SagaStep, Store};
use load::{Arguments, Books, Database, Peer};
use waiting::Waiting;

/// The allocator of our own binaries, so that it makes no difference.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long a saga may take: a lease of dtmrs is 30 s, after which it takes a saga up again.
const LIMIT: Duration = Duration::from_secs(60);

/// How often to look whether the last sagas have ended.
const POLL: Duration = Duration::from_millis(5);

/// How often the coordinator looks for sagas that were left behind, as in dtmrs' own server.
const TICK: Duration = Duration::from_secs(1);

/// Measures dtmrs, and prints the figures as JSON
#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    arguments: Arguments,
}

/// A coordinator that runs.
struct Dtmrs {
    api: Api,
    steps: Vec<SagaStep>,
    waiting: Arc<Waiting>,
    started: AtomicU64,
    /// Declared last: fields drop in order, and the database must go last.
    database: Database,
}

impl Dtmrs {
    async fn start(ballast: usize) -> anyhow::Result<Self> {
        let database = Database::start().await?;
        let store = Store::open(&database.url())
            .await
            .context("open the store")?;
        let waiting = Arc::new(Waiting::default());
        let driver = Driver::new(store.clone(), "bench".to_owned())
            .with_registry(Arc::new(participants(&waiting)));
        tokio::spawn(driver.clone().run_forever(TICK));
        let payload = json_string(ballast);
        let step = |name: &str| {
            let (action, undo) = (format!("local://{name}"), format!("local://undo-{name}"));
            SagaStep::with_payload(&action, &undo, &payload)
        };
        Ok(Self {
            api: Api::new(store).with_inline_driver(driver),
            steps: vec![step("first"), step("second"), step("third")],
            waiting,
            started: AtomicU64::new(0),
            database,
        })
    }
}

/// A JSON string of so many bytes, its quotes not counted.
fn json_string(bytes: usize) -> String {
    format!("\"{}\"", "x".repeat(bytes))
}

/// Three participants that do nothing; the last one tells whoever waits for the saga.
fn participants(waiting: &Arc<Waiting>) -> Registry {
    let mut registry = Registry::new();
    let names = ["first", "second", "undo-first", "undo-second", "undo-third"];
    for name in names {
        registry.register(name, async |_| BranchResult::Success);
    }
    let waiting = Arc::clone(waiting);
    registry.register("third", move |branch| {
        waiting.done(&branch.gid);
        std::future::ready(BranchResult::Success)
    });
    registry
}

impl Peer for Dtmrs {
    type Client = ();

    async fn client(&self) -> anyhow::Result<()> {
        Ok(())
    }

    async fn saga(&self, (): &mut ()) -> anyhow::Result<()> {
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let saga = format!("saga-{number}");
        let done = self.waiting.wait_for(&saga);
        self.api
            .submit(&saga, "saga", &self.steps)
            .await
            .context("submit a saga to dtmrs")?;
        let done = tokio::time::timeout(LIMIT, done).await;
        done.with_context(|| format!("{saga} was not done after {LIMIT:?}"))??;
        Ok(())
    }

    async fn settle(&self) -> anyhow::Result<()> {
        let open = "SELECT count(*) FROM trans_global WHERE finish_time IS NULL";
        let ended = async {
            while self.database.count(open).await? > 0 {
                tokio::time::sleep(POLL).await;
            }
            anyhow::Ok(())
        };
        let ended = tokio::time::timeout(LIMIT, ended).await;
        ended.with_context(|| format!("sagas were still open after {LIMIT:?}"))?
    }

    async fn books(&self) -> anyhow::Result<Books> {
        let count = |statement| self.database.count(statement);
        Ok(Books {
            succeeded: count("SELECT count(*) FROM trans_global WHERE status = 'succeed'").await?,
            others: count("SELECT count(*) FROM trans_global WHERE status <> 'succeed'").await?,
            steps: count(
                "SELECT count(*) FROM trans_branch_op WHERE op = 'action' AND status = 'succeed'",
            )
            .await?,
        })
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let dtmrs = Dtmrs::start(cli.arguments.ballast).await?;
    let version = load::version("dtmrs").to_owned();
    load::run(dtmrs, version, &cli.arguments).await?;
    Ok(())
}
