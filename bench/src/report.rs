//! What a run says, the same for every workload: for people as text, for programs as JSON.

use std::fmt;

use serde::Serialize;

use crate::latencies::{Latencies, median};
use crate::load::Shape;
use crate::machine::Machine;
use crate::shares::{Busy, Share};

/// One workload's result, and where it was found.
#[derive(Debug, Serialize)]
pub(crate) struct Document {
    pub(crate) machine: Machine,
    #[serde(flatten)]
    pub(crate) report: Report,
}

/// One workload's result.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) workload: &'static str,
    /// The loads that were put on, one after the other.
    pub(crate) loads: Vec<Load>,
    /// What the workload is there to find out.
    pub(crate) figures: Vec<Figure>,
}

/// One number.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Figure {
    /// What it is: `p50`, a stable word.
    pub(crate) name: &'static str,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
}

/// One load, over some rounds.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Load {
    /// What it is called among the loads of its workload.
    pub(crate) name: String,
    /// How sagas came: `"in_flight": 64` or `"per_second": 100`.
    #[serde(flatten)]
    pub(crate) shape: Shape,
    /// Sagas that ended, median of the rounds.
    pub(crate) sagas_per_second: f64,
    /// From the slowest round to the fastest, in percent of the median.
    pub(crate) spread_percent: f64,
    /// Medians of the rounds.
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// What kept it from being faster.
    pub(crate) bound_by: String,
    pub(crate) rounds: Vec<Round>,
}

/// One round: what happened within a stretch of a load.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Round {
    pub(crate) seconds: f64,
    /// Sagas that ended, per second.
    pub(crate) sagas_per_second: f64,
    pub(crate) completed: usize,
    pub(crate) compensated: usize,
    /// Accepted, without an end within half a minute.
    pub(crate) unanswered: usize,
    /// Not accepted.
    pub(crate) refused: usize,
    /// Of the sagas that ended.
    pub(crate) latencies: Latencies,
    #[serde(flatten)]
    pub(crate) window: Window,
}

/// What the machine and its servers did meanwhile.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Window {
    pub(crate) shares: Vec<Share>,
    pub(crate) processors: Busy,
    /// Sagas written by half of the last commits, or more; read while the load was on.
    pub(crate) rows_per_commit: usize,
    pub(crate) commit_ms_p50: f64,
    pub(crate) commit_ms_p99: f64,
    /// Growth of the orchestrator's database per saga that ended.
    pub(crate) stored_bytes_per_saga: f64,
    /// What the server wrote ahead per saga that ended, for all its databases.
    pub(crate) logged_bytes_per_saga: f64,
}

/// Where the processors count as what bounds a run.
const BUSY: f64 = 0.9;

/// Where the disk does, if they do not.
const WAITS_FOR_DISK: f64 = 0.2;

impl Report {
    pub(crate) fn new(workload: &'static str) -> Self {
        Self {
            workload,
            loads: Vec::new(),
            figures: Vec::new(),
        }
    }

    pub(crate) fn figure(&mut self, name: &'static str, value: f64, unit: &'static str) {
        self.figures.push(Figure { name, value, unit });
    }

    /// The figure of that name.
    pub(crate) fn find(&self, name: &str) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.name == name)
    }

    /// The load that ended most sagas.
    pub(crate) fn best(&self) -> Option<&Load> {
        let rate = |load: &&Load| load.sagas_per_second;
        self.loads
            .iter()
            .max_by(|one, other| rate(one).total_cmp(&rate(other)))
    }
}

impl Load {
    pub(crate) fn new(name: String, shape: Shape, rounds: Vec<Round>) -> Self {
        let rate = |round: &Round| round.sagas_per_second;
        let sagas_per_second = median(rounds.iter().map(rate));
        let most = rounds.iter().map(rate).fold(0.0, f64::max);
        let least = rounds.iter().map(rate).fold(most, f64::min);
        let mut load = Self {
            name,
            shape,
            sagas_per_second,
            spread_percent: (most - least) * 100.0 / sagas_per_second.max(f64::EPSILON),
            p50_ms: median(rounds.iter().map(|round| round.latencies.p50_ms)),
            p99_ms: median(rounds.iter().map(|round| round.latencies.p99_ms)),
            bound_by: String::new(),
            rounds,
        };
        load.bound_by = load.bound();
        load
    }

    /// The median of something over the rounds.
    pub(crate) fn of(&self, value: impl Fn(&Window) -> f64) -> f64 {
        median(self.rounds.iter().map(|round| value(&round.window)))
    }

    /// Memory of the orchestrator, all replicas together, in MB.
    pub(crate) fn orchestrator_rss_mb(&self) -> f64 {
        self.of(|window| {
            let shares = window.shares.iter();
            let ours = shares.filter(|share| share.name.starts_with("orchestrator"));
            ours.map(|share| share.rss_mb).sum()
        })
    }

    fn bound(&self) -> String {
        let busy = self.of(|window| window.processors.busy);
        let disk = self.of(|window| window.processors.disk);
        if let Shape::PerSecond(offered) = self.shape
            && self.sagas_per_second > 0.97 * f64::from(offered)
        {
            format!("what was offered ({:.0} % busy)", busy * 100.0)
        } else if busy >= BUSY {
            format!("the processors ({:.0} % busy)", busy * 100.0)
        } else if disk >= WAITS_FOR_DISK {
            format!("the disk ({:.0} % of the time)", disk * 100.0)
        } else {
            let busy = busy * 100.0;
            format!("commits and hops, one after the other ({busy:.0} % busy)")
        }
    }
}

impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.machine, self.report)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.workload)?;
        for load in &self.loads {
            write!(f, "\n{load}")?;
        }
        for Figure { name, value, unit } in &self.figures {
            let digits = if *value < 100.0 { 2 } else { 0 };
            write!(f, "\n  {name:28} {value:10.digits$} {unit}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            sagas_per_second: rate,
            spread_percent: spread,
            p50_ms,
            p99_ms,
            bound_by,
            ..
        } = self;
        write!(f, "  {name:18} {rate:7.0} sagas/s (spread {spread:.0} %)")?;
        writeln!(f, "  p50 {p50_ms:.1} ms  p99 {p99_ms:.1} ms")?;
        writeln!(f, "    bound by {bound_by}")?;
        let rows = self.of(|window| window.rows_per_commit as f64);
        let commit = self.of(|window| window.commit_ms_p50);
        let stored = self.of(|window| window.stored_bytes_per_saga);
        let logged = self.of(|window| window.logged_bytes_per_saga);
        write!(f, "    {rows:.0} rows and {commit:.1} ms a commit")?;
        writeln!(f, "; {stored:.0} bytes stored, {logged:.0} logged a saga")?;
        let sum = |count: fn(&Round) -> usize| self.rounds.iter().map(count).sum::<usize>();
        let (unanswered, refused) = (sum(|r| r.unanswered), sum(|r| r.refused));
        if unanswered + refused > 0 {
            writeln!(
                f,
                "    {refused} refused, {unanswered} without an end in time"
            )?;
        }
        write!(f, "   ")?;
        let Some(Round { window, .. }) = self.rounds.last() else {
            return Ok(());
        };
        for share in &window.shares {
            write!(f, " {share}")?;
        }
        Ok(())
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
        let (cores, memory) = (processors, memory_mib);
        writeln!(
            f,
            "machine   {cores} × {processor}, {memory} MiB, Linux {kernel}"
        )?;
        let postgres = short(&self.postgres);
        writeln!(
            f,
            "versions  {}; {postgres}, fsync {}; Kafka {}",
            self.ours, self.fsync, self.kafka
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

#[cfg(test)]
mod tests {
    use super::*;

    fn load(shape: Shape, rates: &[f64], busy: f64, disk: f64) -> Load {
        let round = |rate: &f64| Round {
            seconds: 1.0,
            sagas_per_second: *rate,
            completed: 1,
            compensated: 0,
            unanswered: 0,
            refused: 0,
            latencies: Latencies::default(),
            window: Window {
                processors: Busy {
                    busy,
                    disk,
                    stolen: 0.0,
                },
                ..Window::default()
            },
        };
        Load::new("some".to_owned(), shape, rates.iter().map(round).collect())
    }

    #[test]
    fn the_median_counts_and_the_spread_is_of_it() {
        let load = load(Shape::InFlight(8), &[90.0, 120.0, 100.0], 0.5, 0.0);
        assert!((load.sagas_per_second - 100.0).abs() < 1e-9);
        assert!((load.spread_percent - 30.0).abs() < 1e-9);
    }

    #[test]
    fn what_bounds_a_run_is_told_by_what_was_used_up() {
        #[track_caller]
        fn check(shape: Shape, rate: f64, busy: f64, disk: f64, expected: &str) {
            let bound = load(shape, &[rate], busy, disk).bound_by;
            assert!(bound.starts_with(expected), "{bound}");
        }
        check(Shape::PerSecond(100), 99.0, 0.95, 0.0, "what was offered");
        check(Shape::PerSecond(100), 50.0, 0.95, 0.0, "the processors");
        check(Shape::InFlight(64), 50.0, 0.95, 0.3, "the processors");
        check(Shape::InFlight(64), 50.0, 0.5, 0.3, "the disk");
        check(Shape::InFlight(64), 50.0, 0.5, 0.0, "commits and hops");
    }
}
