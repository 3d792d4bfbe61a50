//! When a step is tried again. A pure function of the policy, the attempt and a seed.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::sabotage::{Bug, is_seeded};
use crate::splitmix::scramble;

/// Longest wait between attempts beyond those of a policy, after silence and after a failure.
pub const SILENCE_MAX: Duration = Duration::from_secs(15 * 60);

/// How long to wait for a reply, and how often and how far apart to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// A participant that stays silent for this long is asked again. Beyond `max_attempts`, each wait
    /// is `backoff_coefficient` times the one before, up to [`SILENCE_MAX`].
    pub reply_timeout: Duration,
    /// Wait before the second attempt.
    pub initial_interval: Duration,
    /// Each wait is this many times the one before.
    pub backoff_coefficient: u32,
    /// No wait after a failure is longer, as long as the attempts last. Beyond `max_attempts` each wait
    /// is `backoff_coefficient` times the one before, up to [`SILENCE_MAX`].
    pub max_interval: Duration,
    /// Before the pivot: the saga compensates after so many. Elsewhere: the saga needs attention
    /// after so many, and tries on, ever more seldom.
    pub max_attempts: u32,
}

/// Ten attempts, half a second to half a minute apart: about two minutes of a participant's
/// absence before a saga gives up on a step that it may still give up on.
impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            reply_timeout: Duration::from_secs(10),
            initial_interval: Duration::from_millis(500),
            backoff_coefficient: 2,
            max_interval: Duration::from_secs(30),
            max_attempts: 10,
        }
    }
}

impl RetryPolicy {
    /// The wait for a reply to `attempt` (from 1) before the next attempt.
    ///
    /// Where the attempts are used up, the participant is away: then the command lies in the broker
    /// until it is back, and another one helps only if that got lost. So an absence of any length
    /// costs a saga few attempts, each of which is a record and an entry of its history.
    #[must_use]
    pub fn reply_wait(&self, attempt: u32) -> Duration {
        self.beyond(attempt, self.reply_timeout)
    }

    /// `last`, the wait after the last attempt that the policy grants, as it has grown by `attempt`.
    fn beyond(&self, attempt: u32, last: Duration) -> Duration {
        let beyond = attempt.saturating_sub(self.max_attempts);
        let growth = self.backoff_coefficient.saturating_pow(beyond.min(32));
        last.saturating_mul(growth).min(last.max(SILENCE_MAX))
    }

    /// The wait between a `failed` reply to `attempt` (from 1) and the next attempt.
    ///
    /// `seed` spreads the waits of different commands over the last fifth of the delay, so that
    /// sagas which failed together do not come back together.
    #[must_use]
    pub fn delay_after(&self, attempt: u32, seed: u64) -> Duration {
        if is_seeded(Bug::RetriesAtOnce) {
            return Duration::ZERO;
        }
        let granted = attempt.min(self.max_attempts).saturating_sub(1);
        let growth = self.backoff_coefficient.saturating_pow(granted.min(32));
        let last = self
            .initial_interval
            .saturating_mul(growth)
            .min(self.max_interval);
        let delay = self.beyond(attempt, last);
        let spread = delay / 5;
        let part = u32::try_from(scramble(seed ^ u64::from(attempt)) >> 48).unwrap_or(0);
        delay - spread + spread.saturating_mul(part) / (1 << 16)
    }

    /// Whether `attempt` is the last one that the policy grants.
    #[must_use]
    pub fn is_last(&self, attempt: u32) -> bool {
        attempt >= self.max_attempts
    }
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
    fn beyond_the_attempts_delays_grow_up_to_a_quarter_of_an_hour() {
        let policy = RetryPolicy::default();
        let whole = [30, 60, 120, 240, 480, 900, 900];
        for (attempt, whole) in (10..).zip(whole) {
            let whole = Duration::from_secs(whole);
            let delay = policy.delay_after(attempt, 7);
            assert!(
                delay <= whole && delay >= whole * 4 / 5,
                "attempt {attempt}: {delay:?}"
            );
        }
        let steady = RetryPolicy {
            backoff_coefficient: 1,
            ..policy
        };
        assert!(steady.delay_after(1_000, 7) <= policy.initial_interval);
        let patient = RetryPolicy {
            max_interval: Duration::from_secs(7200),
            initial_interval: Duration::from_secs(7200),
            ..policy
        };
        let least = Duration::from_secs(7200) * 4 / 5;
        assert!((9..20).all(|attempt| patient.delay_after(attempt, 7) >= least));
    }

    #[test]
    fn attempts_without_end_do_not_overflow() {
        let policy = RetryPolicy {
            max_interval: Duration::MAX,
            ..RetryPolicy::default()
        };
        assert!(policy.delay_after(u32::MAX, 1) > Duration::from_secs(1));
        assert_eq!(policy.reply_wait(u32::MAX), SILENCE_MAX);
    }

    #[test]
    fn silence_is_waited_for_longer_only_beyond_the_attempts() {
        let policy = RetryPolicy::default();
        let waits = |policy: RetryPolicy, attempts: std::ops::RangeInclusive<u32>| {
            let waits = attempts.map(|attempt| policy.reply_wait(attempt).as_secs());
            waits.collect::<Vec<_>>()
        };
        assert_eq!(waits(policy, 1..=10), [10; 10]);
        assert_eq!(
            waits(policy, 11..=18),
            [20, 40, 80, 160, 320, 640, 900, 900]
        );
        let steady = RetryPolicy {
            backoff_coefficient: 1,
            ..policy
        };
        assert_eq!(waits(steady, 8..=14), [10; 7]);
        let patient = RetryPolicy {
            reply_timeout: Duration::from_secs(7200),
            ..policy
        };
        assert_eq!(waits(patient, 9..=12), [7200; 4]);
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
