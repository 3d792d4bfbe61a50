//! Work that is done again and again until the engine stops.

use std::future::{Future, pending};
use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

/// Comes round at an interval; only the waiting is cancelled, never the work.
#[derive(Debug)]
pub(super) struct Rounds {
    ticks: Interval,
    stop: CancellationToken,
}

impl Rounds {
    pub(super) fn every(period: Duration, stop: CancellationToken) -> Self {
        let mut ticks = interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { ticks, stop }
    }

    /// Waits for the next round; `false` once it is time to stop.
    pub(super) async fn next(&mut self) -> bool {
        self.next_or(pending()).await
    }

    /// Waits for the next round, or for what makes one more worth while; `false` once it is time to
    /// stop.
    pub(super) async fn next_or(&mut self, early: impl Future<Output = ()>) -> bool {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => false,
            _ = self.ticks.tick() => true,
            () = early => true,
        }
    }

    /// Rests within a round; `false` once it is time to stop.
    pub(super) async fn pause(&self, rest: Duration) -> bool {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => false,
            () = sleep(rest) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use super::*;

    #[tokio::test]
    async fn a_round_may_come_before_its_time() {
        let stop = CancellationToken::new();
        let mut rounds = Rounds::every(Duration::from_secs(3600), stop.clone());
        assert!(rounds.next().await, "the first comes at once");
        assert!(rounds.next_or(ready(())).await);
        stop.cancel();
        assert!(!rounds.next_or(ready(())).await);
    }
}
