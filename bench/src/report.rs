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
        write!(f, "{}", self.machine)?;
        let in_flight = self.in_flight;
        writeln!(
            f,
            "\nclosed loop, {in_flight} orders in flight, six steps each"
        )?;
        writeln!(
            f,
            "  round   orders/s   completed  compensated  p50 ms  p99 ms"
        )?;
        for (number, round) in (1..).zip(&self.rounds) {
            writeln!(f, "  {number:5} {round}")?;
        }
        writeln!(f, "  median {:9.0} orders/s", self.orders_per_second)?;
        let (rows, p50, p99) = (
            self.rows_per_commit_median,
            self.commit_ms_p50,
            self.commit_ms_p99,
        );
        writeln!(
            f,
            "  commits: {rows} rows and {p50:.1} ms at the median, {p99:.1} ms p99"
        )?;
        if let Some(round) = self.rounds.last() {
            writeln!(f, "  processors, last round:{}", shares(&round.shares))?;
        }
        writeln!(f, "\n{}", self.latency)?;
        let (rss, idle) = (self.orchestrator_rss_mib, self.idle_processors * 100.0);
        let seconds = self.idle_seconds;
        writeln!(f, "\norchestrator  {rss:.0} MiB after the rounds")?;
        writeln!(
            f,
            "idle          {idle:.2} % of one processor over {seconds} s"
        )?;
        let audit = if self.audit_is_clean {
            "clean"
        } else {
            "WRONG"
        };
        write!(f, "audit         {audit}")
    }
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            orders_per_second,
            completed,
            compensated,
            latency,
            ..
        } = self;
        write!(
            f,
            "{orders_per_second:10.0} {completed:11} {compensated:12}"
        )?;
        write!(f, " {:7.0} {:7.0}", latency.p50_ms, latency.p99_ms)
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary {
            p50_ms,
            p99_ms,
            max_ms,
            ..
        } = self.summary;
        write!(f, "open loop, {} orders/s: ", self.per_second)?;
        writeln!(
            f,
            "p50 {p50_ms:.1} ms, p99 {p99_ms:.1} ms, max {max_ms:.1} ms"
        )?;
        write!(f, "  processors:{}", shares(&self.shares))
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            processors,
            processor,
            memory_mib,
            kernel,
            ..
        } = self;
        writeln!(
            f,
            "machine   {processors} × {processor}, {memory_mib} MiB, Linux {kernel}"
        )?;
        writeln!(
            f,
            "postgres  {}, fsync {}",
            short(&self.postgres),
            self.fsync
        )?;
        let (sync, commit) = (self.fdatasync_ms, self.single_commit_ms);
        writeln!(
            f,
            "disk      fdatasync {sync:.2} ms, single commit {commit:.2} ms"
        )
    }
}

/// `PostgreSQL 15.18`, of all that Postgres says of itself.
fn short(version: &str) -> &str {
    version
        .split(" (")
        .next()
        .unwrap_or(version)
        .split(" on ")
        .next()
        .unwrap_or(version)
}

fn shares(shares: &[Share]) -> String {
    shares.iter().fold(String::new(), |mut text, share| {
        let _ = write!(text, " {} {:.2}", share.name, share.processors);
        text
    })
}
