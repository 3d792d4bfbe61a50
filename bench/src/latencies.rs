//! How long things took, and what half or nearly all of them took at most.

use std::time::Duration;

use serde::Serialize;

/// What there is to say of many latencies, in milliseconds. Zero where there are none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(crate) struct Latencies {
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
    pub(crate) fn of(mut all: Vec<Duration>) -> Self {
        all.sort_unstable();
        let at = |share: usize| {
            let index = (all.len() * share / 1000).min(all.len().saturating_sub(1));
            all.get(index)
                .map_or(0.0, |latency| latency.as_secs_f64() * 1000.0)
        };
        Self {
            count: all.len(),
            p50_ms: at(500),
            p99_ms: at(990),
            max_ms: at(1000),
        }
    }
}

/// The value in the middle; 0 of none.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_sorted_values() {
        let latencies = Latencies::of((1..=1000).rev().map(Duration::from_millis).collect());
        assert!((latencies.p50_ms - 501.0).abs() < 0.1, "{latencies:?}");
        assert!((latencies.p99_ms - 991.0).abs() < 0.1, "{latencies:?}");
        assert!((latencies.max_ms - 1000.0).abs() < 0.1, "{latencies:?}");
    }

    #[test]
    fn no_values_are_no_figures() {
        assert_eq!(Latencies::of(Vec::new()), Latencies::default());
        assert!(median([]).abs() < f64::EPSILON);
    }
}
