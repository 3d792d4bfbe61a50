//! Where the processors' time went: CPU time by process, between two instants.

use std::time::{Duration, Instant};

use local::process::{Usage, usage, usage_of_tree};
use serde::Serialize;

/// A process that takes part in a run, with all that it started.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) pid: u32,
}

impl Part {
    fn usage(&self) -> Option<Usage> {
        // This process has started all others, and is counted without them.
        let is_own = self.pid == std::process::id();
        let usage = if is_own {
            usage(self.pid)
        } else {
            usage_of_tree(self.pid)
        };
        usage.ok()
    }

    /// CPU time; zero when it is gone.
    fn cpu(&self) -> Duration {
        self.usage().map(|usage| usage.cpu).unwrap_or_default()
    }

    fn rss_mib(&self) -> f64 {
        let bytes = self
            .usage()
            .map(|usage| usage.rss_bytes)
            .unwrap_or_default();
        let tenths = bytes / (1024 * 1024 / 10);
        f64::from(u32::try_from(tenths).unwrap_or(u32::MAX)) / 10.0
    }
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
            .map(|part| (part.clone(), part.cpu()))
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
            let used = part.cpu().saturating_sub(*before);
            Share {
                name: part.name.clone(),
                processors: used.as_secs_f64() / elapsed,
                rss_mib: part.rss_mib(),
            }
        };
        self.parts.iter().map(share).collect()
    }
}
