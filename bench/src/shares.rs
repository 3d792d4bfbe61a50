//! Where the processors' time went: by process, and on the machine as a whole.

use std::time::{Duration, Instant};

use sagas_local::process::{Usage, usage, usage_of_tree};
use serde::Serialize;

/// A process that takes part in a run, with all that it started.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) pid: u32,
}

impl Part {
    /// This process: the client.
    pub(crate) fn client() -> Self {
        Self {
            name: "client".to_owned(),
            pid: std::process::id(),
        }
    }

    /// Zero when it is gone.
    fn usage(&self) -> Usage {
        // This process has started all others, and is counted without them.
        let is_own = self.pid == std::process::id();
        let usage = if is_own {
            usage(self.pid)
        } else {
            usage_of_tree(self.pid)
        };
        usage.unwrap_or_default()
    }
}

/// What a part used during a run.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Share {
    pub(crate) name: String,
    /// Processors kept busy, on average: 1.0 is one of them all the time.
    pub(crate) processors: f64,
    /// Memory at the end of the run, in MB.
    pub(crate) rss_mb: f64,
}

impl std::fmt::Display for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            name,
            processors,
            rss_mb,
        } = self;
        write!(f, "{name} {processors:.2} ({rss_mb:.0} MB)")
    }
}

/// What all processors together did, as shares of their time.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Busy {
    /// With anything at all, whoever's.
    pub(crate) busy: f64,
    /// Idle, while something waited for the disk.
    pub(crate) disk: f64,
    /// Taken by the machine's host.
    pub(crate) stolen: f64,
}

/// A run that is being watched.
#[derive(Debug)]
pub(crate) struct Watch {
    start: Instant,
    parts: Vec<(Part, Duration)>,
    processors: Ticks,
}

impl Watch {
    pub(crate) fn start(parts: &[Part]) -> Self {
        let parts = parts.iter().map(|part| (part.clone(), part.usage().cpu));
        Self {
            parts: parts.collect(),
            start: Instant::now(),
            processors: Ticks::now(),
        }
    }

    /// What each part used since the start.
    pub(crate) fn shares(&self) -> Vec<Share> {
        let elapsed = self.start.elapsed().as_secs_f64();
        let share = |(part, before): &(Part, Duration)| {
            let usage = part.usage();
            Share {
                name: part.name.clone(),
                processors: usage.cpu.saturating_sub(*before).as_secs_f64() / elapsed,
                rss_mb: usage.rss_bytes as f64 / 1e6,
            }
        };
        self.parts.iter().map(share).collect()
    }

    /// What the orchestrator used since the start: the first replica.
    ///
    /// # Panics
    ///
    /// Without one; a stage has at least one.
    pub(crate) fn orchestrator(&self) -> Share {
        let mut shares = self.shares().into_iter();
        let ours = shares.find(|share| share.name.starts_with("orchestrator"));
        ours.expect("a stage has a replica")
    }

    /// What the machine did since the start.
    pub(crate) fn busy(&self) -> Busy {
        let (before, now) = (self.processors, Ticks::now());
        let all = now.all.saturating_sub(before.all).max(1) as f64;
        let share = |now: u64, before: u64| now.saturating_sub(before) as f64 / all;
        let (idle, disk) = (share(now.idle, before.idle), share(now.disk, before.disk));
        Busy {
            busy: (1.0 - idle - disk).clamp(0.0, 1.0),
            disk,
            stolen: share(now.stolen, before.stolen),
        }
    }
}

/// The first line of `/proc/stat`, in clock ticks; see proc(5).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Ticks {
    all: u64,
    idle: u64,
    disk: u64,
    stolen: u64,
}

impl Ticks {
    /// Zeros where there is no such file.
    fn now() -> Self {
        let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        Self::parse(&text)
    }

    fn parse(text: &str) -> Self {
        let line = text.lines().next().unwrap_or_default();
        let fields = line.split_whitespace().skip(1);
        // The guests' time, from the ninth on, is in the user's already.
        let ticks: Vec<u64> = fields
            .take(8)
            .filter_map(|word| word.parse().ok())
            .collect();
        let at = |field: usize| ticks.get(field).copied().unwrap_or_default();
        Self {
            all: ticks.iter().sum(),
            idle: at(3),
            disk: at(4),
            stolen: at(7),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_time_is_read_without_the_guests() {
        let text = "cpu  10 1 20 300 40 2 3 5 7 0\ncpu0 5 0 10 150 20 1 1 2 3 0\n";
        let expected = Ticks {
            all: 381,
            idle: 300,
            disk: 40,
            stolen: 5,
        };
        assert_eq!(Ticks::parse(text), expected);
        assert_eq!(Ticks::parse(""), Ticks::default());
    }

    #[test]
    fn this_process_is_watched_by_itself() {
        let watch = Watch::start(&[Part::client()]);
        let shares = watch.shares();
        assert!(shares[0].rss_mb > 1.0, "{shares:?}");
        assert!(watch.busy().busy <= 1.0);
    }
}
