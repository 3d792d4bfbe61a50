//! What the last commits were like: how many rows, how long. For operators and benchmarks.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Commits that are remembered.
const COMMITS_MAX: usize = 4096;

/// The last commits of this replica.
#[derive(Debug, Default)]
pub(super) struct Meter {
    commits: Mutex<VecDeque<(usize, Duration)>>,
}

/// The last commits, summed up. Zero where there were none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CommitFigures {
    /// Commits that the figures are over: the last ones, at most 4096.
    pub commits: usize,
    /// Sagas written by half of the commits or more.
    pub rows_median: usize,
    /// Time that half of the commits took at most.
    pub time_median: Duration,
    /// Time that 99 of 100 commits took at most.
    pub time_p99: Duration,
}

impl Meter {
    pub(super) fn committed(&self, rows: usize, took: Duration) {
        let mut commits = self.lock();
        if commits.len() == COMMITS_MAX {
            commits.pop_front();
        }
        commits.push_back((rows, took));
    }

    pub(super) fn figures(&self) -> CommitFigures {
        let (mut rows, mut times): (Vec<_>, Vec<_>) = self.lock().iter().copied().unzip();
        rows.sort_unstable();
        times.sort_unstable();
        let at = |share: usize| rows.len() * share / 100;
        CommitFigures {
            commits: rows.len(),
            rows_median: rows.get(at(50)).copied().unwrap_or_default(),
            time_median: times.get(at(50)).copied().unwrap_or_default(),
            time_p99: times.get(at(99)).copied().unwrap_or_default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(usize, Duration)>> {
        self.commits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_of_the_last_commits() {
        let meter = Meter::default();
        assert_eq!(meter.figures(), CommitFigures::default());
        for rows in 0..COMMITS_MAX + 100 {
            meter.committed(rows, Duration::from_micros(rows as u64));
        }
        let figures = meter.figures();
        assert_eq!(figures.commits, COMMITS_MAX);
        assert_eq!(figures.rows_median, 100 + COMMITS_MAX / 2);
        assert_eq!(
            figures.time_p99,
            Duration::from_micros(100 + COMMITS_MAX as u64 * 99 / 100)
        );
    }
}
