//! Where the processors' time went: CPU time by process, between two instants.

use std::time::{Duration, Instant};

use local::process::usage_of_tree;
use serde::Serialize;

/// A process, or the tree below it, that takes part in a run.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) pid: u32,
}

/// What a part used during a run.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Share {
    pub(crate) name: String,
    /// Processors kept busy, on average: 1.0 is one of them all the time.
    pub(crate) processors: f64,
    /// Memory at the end of the run, in MiB.
    pub(crate) rss_mib: f64,
}

/// A run that is being watched.
#[derive(Debug)]
pub(crate) struct Watch {
    start: Instant,
    parts: Vec<(Part, Duration)>,
}

impl Watch {
    pub(crate) fn start(parts: &[Part]) -> Self {
        let parts = parts
            .iter()
            .map(|part| (part.clone(), cpu(part.pid)))
            .collect();
        Self {
            start: Instant::now(),
            parts,
        }
    }

    /// What each part used since the start.
    pub(crate) fn shares(&self) -> Vec<Share> {
        let elapsed = self.start.elapsed().as_secs_f64();
        let share = |(part, before): &(Part, Duration)| {
            let used = cpu(part.pid).saturating_sub(*before);
            Share {
                name: part.name.clone(),
                processors: used.as_secs_f64() / elapsed,
                rss_mib: rss_mib(part.pid),
            }
        };
        self.parts.iter().map(share).collect()
    }
}

/// CPU time of a process and all below it; zero when it is gone.
fn cpu(pid: u32) -> Duration {
    usage_of_tree(pid)
        .map(|usage| usage.cpu)
        .unwrap_or_default()
}

fn rss_mib(pid: u32) -> f64 {
    let bytes = usage_of_tree(pid)
        .map(|usage| usage.rss_bytes)
        .unwrap_or_default();
    // Exact up to 2^53 bytes.
    let mib = bytes / (1024 * 1024 / 10);
    f64::from(u32::try_from(mib).unwrap_or(u32::MAX)) / 10.0
}
