//! What a benchmark says: for people as text, for programs as JSON.

use std::fmt::{self, Write as _};

use serde::Serialize;

use crate::latencies::Summary;
use crate::machine::Machine;
use crate::shares::Share;

/// Everything that `bench throughput` found out.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    /// Orders in flight in the closed loop.
    pub(crate) in_flight: usize,
    /// Median of the rounds.
    pub(crate) orders_per_second: f64,
    pub(crate) rounds: Vec<Round>,
    /// Sagas written by half of the commits under full load, or more.
    pub(crate) rows_per_commit_median: usize,
    /// Time of half of the commits under full load, at most.
    pub(crate) commit_ms_p50: f64,
    pub(crate) commit_ms_p99: f64,
    /// From the instant at which an order was to come, at a fixed rate.
    pub(crate) latency: Latency,
    /// Processors that the orchestrator keeps busy with nothing to do.
    pub(crate) idle_processors: f64,
    pub(crate) idle_seconds: u64,
    /// Memory of the orchestrator after the rounds, in MiB.
    pub(crate) orchestrator_rss_mib: f64,
    /// Whether the books of all five databases agree.
    pub(crate) audit_is_clean: bool,
}

/// One round of the closed loop.
#[derive(Debug, Serialize)]
pub(crate) struct Round {
    pub(crate) orders_per_second: f64,
    pub(crate) completed: u64,
    pub(crate) compensated: u64,
    pub(crate) unanswered: u64,
    pub(crate) latency: Summary,
    pub(crate) shares: Vec<Share>,
}

/// The open loop.
#[derive(Debug, Serialize)]
pub(crate) struct Latency {
    pub(crate) per_second: u32,
    #[serde(flatten)]
    pub(crate) summary: Summary,
    pub(crate) unanswered: u64,
    pub(crate) shares: Vec<Share>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let machine = &self.machine;
        writeln!(f, "machine   {} × {}, {} MiB, Linux {}", machine.processors, machine.processor,
            machine.memory_mib, machine.kernel)?;
        writeln!(f, "postgres  {}, fsync {}", short(&machine.postgres), machine.fsync)?;
        writeln!(f, "disk      fdatasync {:.2} ms, single commit {:.2} ms",
            machine.fdatasync_ms, machine.single_commit_ms)?;
        writeln!(f, "\nclosed loop, {} orders in flight, six steps each", self.in_flight)?;
        writeln!(f, "  round   orders/s   completed  compensated  p50 ms  p99 ms")?;
        for (number, round) in (1..).zip(&self.rounds) {
            writeln!(f, "  {number:5} {:10.0} {:11} {:12} {:7.0} {:7.0}", round.orders_per_second,
                round.completed, round.compensated, round.latency.p50_ms, round.latency.p99_ms)?;
        }
        writeln!(f, "  median {:9.0} orders/s", self.orders_per_second)?;
        writeln!(f, "  commits: {} rows and {:.1} ms at the median, {:.1} ms p99",
            self.rows_per_commit_median, self.commit_ms_p50, self.commit_ms_p99)?;
        if let Some(round) = self.rounds.last() {
            writeln!(f, "  processors, last round:{}", shares(&round.shares))?;
        }
        let latency = &self.latency;
        writeln!(f, "\nopen loop, {} orders/s: p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms",
            latency.per_second, latency.summary.p50_ms, latency.summary.p99_ms,
            latency.summary.max_ms)?;
        writeln!(f, "  processors:{}", shares(&latency.shares))?;
        writeln!(f, "\norchestrator  {:.0} MiB after the rounds; idle {:.2} % of one processor \
            over {} s", self.orchestrator_rss_mib, self.idle_processors * 100.0,
            self.idle_seconds)?;
        write!(f, "audit         {}", if self.audit_is_clean { "clean" } else { "WRONG" })
    }
}

/// `PostgreSQL 15.18`, of all that Postgres says of itself.
fn short(version: &str) -> &str {
    version.split(" (").next().unwrap_or(version).split(" on ").next().unwrap_or(version)
}

fn shares(shares: &[Share]) -> String {
    shares.iter().fold(String::new(), |mut text, share| {
        let _ = write!(text, " {} {:.2}", share.name, share.processors);
        text
    })
}
