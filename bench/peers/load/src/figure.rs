//! What is said of a peer at one number in flight.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What so many sagas in flight gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// Sagas in flight.
    pub in_flight: usize,
    /// The median of the rounds.
    pub sagas_per_second: f64,
    /// Sagas per second of each round, in their order.
    pub rounds: Vec<f64>,
    /// Half of the last round's sagas took at most this, in milliseconds.
    pub p50_ms: f64,
    /// 99 of 100 of the last round's sagas took at most this, in milliseconds.
    pub p99_ms: f64,
}

/// What the driver of a peer prints, as JSON, on its standard output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// What was measured: `1.7.12 (SDK 0.13.0)`.
    pub version: String,
    /// One for each number in flight.
    pub figures: Vec<Figure>,
}

/// The figure with the highest rate.
#[must_use]
pub fn best(figures: &[Figure]) -> Option<&Figure> {
    figures
        .iter()
        .max_by(|one, two| one.sagas_per_second.total_cmp(&two.sagas_per_second))
}

/// The middle value; of an even number the higher of the two; of none, zero.
#[must_use]
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// What `share` of a thousand sorted durations do not exceed, in milliseconds; of none, zero.
pub(crate) fn permille_ms(sorted: &[Duration], share: usize) -> f64 {
    let index = (sorted.len() * share / 1000).min(sorted.len().saturating_sub(1));
    sorted
        .get(index)
        .map_or(0.0, |latency| latency.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_our_own_benchmark() {
        let millis: Vec<Duration> = (1..=1000).map(Duration::from_millis).collect();
        assert!((permille_ms(&millis, 500) - 501.0).abs() < 0.1);
        assert!((permille_ms(&millis, 990) - 991.0).abs() < 0.1);
        assert!(permille_ms(&[], 500).abs() < 0.1);
    }

    #[test]
    fn the_best_is_the_fastest_wherever_it_stands() {
        let figure = |in_flight, sagas_per_second| Figure {
            in_flight,
            sagas_per_second,
            rounds: Vec::new(),
            p50_ms: 0.0,
            p99_ms: 0.0,
        };
        let figures = [figure(64, 10.0), figure(512, 30.0), figure(2000, 20.0)];
        assert_eq!(best(&figures).map(|figure| figure.in_flight), Some(512));
        assert_eq!(best(&[]), None);
    }

    #[test]
    fn the_median_ignores_a_round_that_fell_out_of_line() {
        assert!((median(vec![9.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
    }
}
