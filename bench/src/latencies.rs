//! How long things took, and what half or nearly all of them took at most.

use std::time::Duration;

use serde::Serialize;

/// Latencies of one run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Latencies(Vec<Duration>);

/// What there is to say of many latencies, in milliseconds.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Summary {
    /// How many.
    pub(crate) count: usize,
    /// Half took at most this.
    pub(crate) p50_ms: f64,
    /// 99 of 100 took at most this.
    pub(crate) p99_ms: f64,
    /// None took longer.
    pub(crate) max_ms: f64,
}

impl Latencies {
    pub(crate) fn add(&mut self, latency: Duration) {
        self.0.push(latency);
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub(crate) fn summary(mut self) -> Summary {
        self.0.sort_unstable();
        let at = |share: usize| {
            let index = (self.0.len() * share / 1000).min(self.0.len().saturating_sub(1));
            self.0
                .get(index)
                .map_or(0.0, |latency| latency.as_secs_f64() * 1000.0)
        };
        Summary {
            count: self.0.len(),
            p50_ms: at(500),
            p99_ms: at(990),
            max_ms: at(1000),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_sorted_values() {
        let mut latencies = Latencies::default();
        for millis in (1..=1000).rev() {
            latencies.add(Duration::from_millis(millis));
        }
        let summary = latencies.summary();
        assert!((summary.p50_ms - 501.0).abs() < 0.1, "{summary:?}");
        assert!((summary.p99_ms - 991.0).abs() < 0.1, "{summary:?}");
        assert!((summary.max_ms - 1000.0).abs() < 0.1, "{summary:?}");
    }

    #[test]
    fn no_values_are_no_figures() {
        assert_eq!(Latencies::default().summary().count, 0);
    }
}
