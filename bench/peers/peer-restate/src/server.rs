//! Restate's server: the program that its npm package brings, on a temporary folder.
//!
//! It runs with its own defaults (fsync of its log on, history kept for a day) but for the number of
//! partitions, for the addresses, which are of 127.0.0.1 alone, and for telemetry, which is off.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use hyper::body::Bytes;
use sagas_local::folder::Temporary;
use sagas_local::process::{Process, Signal};
use serde::Deserialize;

use crate::http::Connection;

/// Partitions. Its default of 24 reached half of this at 64 in flight on two processors, and three
/// quarters at 512; 8 was slower at 64, 2 at 512 (`docs/performance.md`).
const PARTITIONS: &str = "4";

/// How long the server may take until it accepts a service.
const START_LIMIT: Duration = Duration::from_secs(60);

/// How long it may take to end before it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// How often to knock while it starts.
const POLL: Duration = Duration::from_millis(100);

/// A server; it stops when this value is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    process: Process,
    ingress: String,
    admin: String,
    log: PathBuf,
    /// Declared last: fields drop in order, and the server must go first.
    _folder: Temporary,
}

impl Server {
    /// Starts it; it may not accept anything yet.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        tokio::task::spawn_blocking(Self::spawn).await?
    }

    fn spawn() -> anyhow::Result<Self> {
        let folder = Temporary::new("restate")?;
        let log = folder.path().join("restate.log");
        let out = File::create(&log).with_context(|| format!("create {}", log.display()))?;
        let address = || anyhow::Ok(format!("127.0.0.1:{}", sagas_local::port::free()?));
        let (ingress, admin, fabric) = (address()?, address()?, address()?);
        let mut command = Command::new(program()?);
        command
            .args(["--no-logo", "--node-name", "bench", "--base-dir"])
            .arg(folder.path().join("data"))
            .env("RESTATE_DISABLE_TELEMETRY", "true")
            .env("RESTATE_DEFAULT_NUM_PARTITIONS", PARTITIONS)
            .env("RESTATE_LISTEN_MODE", "tcp")
            .env("RESTATE_BIND_ADDRESS", &fabric)
            .env("RESTATE_ADVERTISED_ADDRESS", format!("http://{fabric}"))
            .env("RESTATE_INGRESS__BIND_ADDRESS", &ingress)
            .env("RESTATE_ADMIN__BIND_ADDRESS", &admin)
            .stderr(out.try_clone()?)
            .stdout(out);
        Ok(Self {
            process: Process::spawn(&mut command)?,
            ingress,
            admin,
            log,
            _folder: folder,
        })
    }

    /// Where sagas are started: `host:port`.
    pub(crate) fn ingress(&self) -> &str {
        &self.ingress
    }

    /// Makes a service known, as soon as the server takes it.
    pub(crate) async fn register(&self, service: &str) -> anyhow::Result<()> {
        let deployment = serde_json::json!({ "uri": service }).to_string();
        let deadline = Instant::now() + START_LIMIT;
        loop {
            let registered = self.ask("/deployments", deployment.clone()).await;
            let Err(error) = registered else {
                return Ok(());
            };
            if Instant::now() >= deadline {
                let log = std::fs::read_to_string(&self.log).unwrap_or_default();
                bail!("Restate did not take the service within {START_LIMIT:?}: {error:#}\n{log}");
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// How many invocations fulfil a condition of its SQL.
    pub(crate) async fn invocations(&self, condition: &str) -> anyhow::Result<u64> {
        #[derive(Deserialize)]
        struct Answer {
            rows: [Row; 1],
        }
        #[derive(Deserialize)]
        struct Row {
            number: u64,
        }
        let query = format!("SELECT count(*) AS number FROM sys_invocation WHERE {condition}");
        let question = serde_json::json!({ "query": query }).to_string();
        let answer = self.ask("/query", question).await?;
        let answer: Answer = serde_json::from_slice(&answer)
            .with_context(|| format!("read the answer of Restate to: {query}"))?;
        let [row] = answer.rows;
        Ok(row.number)
    }

    async fn ask(&self, path: &str, json: String) -> anyhow::Result<Bytes> {
        Connection::open(&self.admin).await?.post(path, json).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A stop that fails leaves the kill of `Process`.
        let _ = self.process.stop(Signal::Terminate, STOP_LIMIT);
    }
}

/// What the server says of itself: `1.7.12`.
pub(crate) fn version() -> anyhow::Result<String> {
    let printed = sagas_local::program::run(Command::new(program()?).arg("--version"))?;
    let version = printed.split_whitespace().last();
    version.map_or_else(
        || bail!("the server says no version"),
        |version| Ok(version.to_owned()),
    )
}

/// The server's program: the part of its npm package that is for this machine.
fn program() -> anyhow::Result<PathBuf> {
    let system = match std::env::consts::OS {
        "linux" => "linux",
        "macos" => "darwin",
        other => bail!("Restate has no server for {other}"),
    };
    let processor = match std::env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => bail!("Restate has no server for {other}"),
    };
    let package = format!("restate-server-{system}-{processor}");
    let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("node_modules/@restatedev");
    let program = packages.join(package).join("bin/restate-server");
    if !program.is_file() {
        bail!(
            "{} is missing: run `npm ci` in its package's folder",
            program.display()
        );
    }
    Ok(program)
}
