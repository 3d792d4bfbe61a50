//! What a figure depends on: the machine, and how fast it makes things durable at the moment.

use std::fs::{self, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::Serialize;
use sqlx::{Connection, PgConnection};

use crate::latencies::median;

/// How this program, and what it measures, was built.
const BUILD: &str = if cfg!(debug_assertions) {
    "debug"
} else {
    "release"
};

/// The machine, measured just before a run.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Machine {
    /// Processor, as it names itself.
    pub(crate) processor: String,
    /// Processors that this process may use.
    pub(crate) processors: usize,
    /// Memory in MiB.
    pub(crate) memory_mib: u64,
    /// Kernel release.
    pub(crate) kernel: String,
    /// What is measured: its version, and how it was built.
    pub(crate) ours: String,
    /// The broker's version.
    pub(crate) kafka: String,
    /// What Postgres says of itself.
    pub(crate) postgres: String,
    /// Whether Postgres waits for the disk: `on`.
    pub(crate) fsync: String,
    /// Median of 200 writes of 8 KiB, each with fdatasync, in milliseconds.
    pub(crate) fdatasync_ms: f64,
    /// Median of 200 commits of one row each, one after the other, in milliseconds.
    pub(crate) single_commit_ms: f64,
}

impl Machine {
    pub(crate) async fn measure(database: &str, folder: &Path) -> anyhow::Result<Self> {
        let mut connection = PgConnection::connect(database)
            .await
            .context("cannot connect")?;
        let postgres = sqlx::query_scalar("SELECT version()")
            .fetch_one(&mut connection)
            .await?;
        let fsync = sqlx::query_scalar("SHOW fsync")
            .fetch_one(&mut connection)
            .await?;
        let single_commit_ms = single_commit(&mut connection).await?;
        connection.close().await?;
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let memory_kib = field(&meminfo, "MemTotal")
            .trim_end_matches(" kB")
            .parse::<u64>();
        Ok(Self {
            processor: field(&cpuinfo, "model name"),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            memory_mib: memory_kib.unwrap_or_default() / 1024,
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")
                .unwrap_or_default()
                .trim()
                .to_owned(),
            ours: format!("saga {} ({BUILD} build)", env!("CARGO_PKG_VERSION")),
            kafka: kafka_version().to_owned(),
            postgres,
            fsync,
            fdatasync_ms: fdatasync(folder)?,
            single_commit_ms,
        })
    }
}

/// The version that the jars are fetched in.
fn kafka_version() -> &'static str {
    let after = sagas_local::kafka::POM
        .split("<artifactId>kafka_2.13</artifactId>")
        .nth(1);
    let version = after.and_then(|rest| rest.split("<version>").nth(1)?.split('<').next());
    version.unwrap_or("unknown")
}

fn field(text: &str, name: &str) -> String {
    let line = text.lines().find(|line| line.starts_with(name));
    let value = line
        .and_then(|line| line.split_once(':'))
        .map(|(_, value)| value.trim());
    value.unwrap_or("unknown").to_owned()
}

fn fdatasync(folder: &Path) -> anyhow::Result<f64> {
    let path = folder.join("fdatasync");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(&path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    let mut times = Vec::new();
    for _ in 0..200 {
        let start = Instant::now();
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&[7; 8192])?;
        file.sync_data()?;
        times.push(start.elapsed());
    }
    fs::remove_file(&path)?;
    Ok(median_ms(times))
}

async fn single_commit(connection: &mut PgConnection) -> anyhow::Result<f64> {
    sqlx::query("CREATE TABLE bench_commit (n int)")
        .execute(&mut *connection)
        .await?;
    let mut times = Vec::new();
    for n in 0..200 {
        let start = Instant::now();
        sqlx::query("INSERT INTO bench_commit VALUES ($1)")
            .bind(n)
            .execute(&mut *connection)
            .await?;
        times.push(start.elapsed());
    }
    sqlx::query("DROP TABLE bench_commit")
        .execute(&mut *connection)
        .await?;
    Ok(median_ms(times))
}

fn median_ms(times: Vec<Duration>) -> f64 {
    median(times.into_iter().map(|time| time.as_secs_f64() * 1000.0))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_brokers_version_is_that_of_its_jars() {
        let version = super::kafka_version();
        assert!(
            version.starts_with(|first: char| first.is_ascii_digit()),
            "{version}"
        );
    }
}
