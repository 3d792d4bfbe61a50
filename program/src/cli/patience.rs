//! Waiting for something that is away: longer each time, and without filling the log.

use std::time::{Duration, Instant};

const FIRST: Duration = Duration::from_millis(100);

/// Short enough that the service is back soon after what it waits for.
const LONGEST: Duration = Duration::from_secs(3);

/// The same trouble is said again after this time.
const SAY_AGAIN: Duration = Duration::from_secs(30);

/// How long to wait next, and whether to say why.
#[derive(Debug)]
pub(super) struct Patience {
    wait: Duration,
    said: Option<(String, Instant)>,
}

impl Patience {
    pub(super) fn new() -> Self {
        let (wait, said) = (FIRST, None);
        Self { wait, said }
    }

    /// The next wait: doubled each time, up to a bound.
    pub(super) fn next(&mut self) -> Duration {
        let wait = self.wait;
        self.wait = (wait * 2).min(LONGEST);
        wait
    }

    /// Whether to log this trouble: when it is new, or was last said a while ago.
    pub(super) fn speaks(&mut self, trouble: &str, now: Instant) -> bool {
        let is_old = self.said.as_ref().is_some_and(|(said, at)| {
            said == trouble && now.saturating_duration_since(*at) < SAY_AGAIN
        });
        if !is_old {
            self.said = Some((trouble.to_owned(), now));
        }
        !is_old
    }

    /// Logs the trouble if it is due, and waits.
    pub(super) async fn bear(&mut self, trouble: &str) {
        if self.speaks(trouble, Instant::now()) {
            tracing::warn!("{trouble}; trying on, /readyz says the same");
        }
        tokio::time::sleep(self.next()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_bound() {
        let mut patience = Patience::new();
        let waits: Vec<_> = (0..7).map(|_| patience.next().as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1600, 3000, 3000]);
    }

    #[test]
    fn the_same_trouble_is_said_twice_a_minute_and_another_at_once() {
        let mut patience = Patience::new();
        let start = Instant::now();
        assert!(patience.speaks("a", start));
        assert!(!patience.speaks("a", start + Duration::from_secs(29)));
        assert!(patience.speaks("a", start + Duration::from_secs(30)));
        assert!(patience.speaks("b", start + Duration::from_secs(31)));
    }
}
