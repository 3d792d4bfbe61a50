//! When a step is tried again. A pure function of the policy, the attempt and a seed.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::sabotage::{Bug, is_seeded};

/// How long to wait for a reply, and how often and how far apart to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// A participant that stays silent for this long is asked again.
    pub reply_within: Duration,
    /// Wait before the second attempt.
    pub delay_first: Duration,
    /// Each wait is this many times the one before.
    pub factor: u32,
    /// No wait is longer.
    pub delay_max: Duration,
    /// Before the pivot: the saga compensates after so many. Elsewhere: the saga needs attention
    /// after so many, and tries on at `delay_max`.
    pub attempts_max: u32,
}

/// Ten attempts, half a second to half a minute apart: about two minutes of a participant's
/// absence before a saga gives up on a step that it may still give up on.
impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            reply_within: Duration::from_secs(10),
            delay_first: Duration::from_millis(500),
            factor: 2,
            delay_max: Duration::from_secs(30),
            attempts_max: 10,
        }
    }
}

impl RetryPolicy {
    /// The wait between a `failed` reply to `attempt` (from 1) and the next attempt.
    ///
    /// `seed` spreads the waits of different commands over the last fifth of the delay, so that
    /// sagas which failed together do not come back together.
    #[must_use]
    pub fn delay_after(&self, attempt: u32, seed: u64) -> Duration {
        if is_seeded(Bug::RetriesAtOnce) {
            return Duration::ZERO;
        }
        let growth = self
            .factor
            .saturating_pow(attempt.saturating_sub(1).min(32));
        let delay = self.delay_first.saturating_mul(growth).min(self.delay_max);
        let spread = delay / 5;
        let part = u32::try_from(scramble(seed ^ u64::from(attempt)) >> 48).unwrap_or(0);
        delay - spread + spread.saturating_mul(part) / (1 << 16)
    }

    /// Whether `attempt` is the last one that the policy grants.
    #[must_use]
    pub fn is_last(&self, attempt: u32) -> bool {
        attempt >= self.attempts_max
    }
}

/// The finalizer of splitmix64: every bit of the seed moves every bit of the result.
fn scramble(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_cap_within_a_fifth() {
        let policy = RetryPolicy::default();
        let whole = [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000];
        for (attempt, whole) in (1..).zip(whole) {
            let whole = Duration::from_millis(whole);
            for seed in 0..100 {
                let delay = policy.delay_after(attempt, seed);
                assert!(
                    delay <= whole && delay >= whole * 4 / 5,
                    "attempt {attempt}: {delay:?}"
                );
            }
        }
    }

    #[test]
    fn attempts_without_end_do_not_overflow() {
        let policy = RetryPolicy {
            delay_max: Duration::MAX,
            ..RetryPolicy::default()
        };
        assert!(policy.delay_after(u32::MAX, 1) > Duration::from_secs(1));
    }

    #[test]
    fn seeds_spread_the_waits() {
        let policy = RetryPolicy::default();
        let mut delays: Vec<_> = (0..100).map(|seed| policy.delay_after(5, seed)).collect();
        delays.sort();
        delays.dedup();
        assert!(delays.len() > 90);
    }
}
