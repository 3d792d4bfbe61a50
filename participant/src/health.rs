//! Whether a service can do its work now: what each of its parts was last seen to do.
//!
//! ```text
//!  probe: a ping each 3 s ────────────> database ┐
//!  poller: librdkafka's state each 3 s,
//!          and whether it has partitions ─> broker ├─> Health::report(), by whoever is asked
//!  release: since when replies wait ──────> broker ┤
//!  processor: since when a batch is in hand ─────┘
//! ```
//!
//! Invariant: nobody is asked when a report is made, so a report never waits; and silence is
//! trouble, so a part that hangs shows as one that errs does.
//!
//! Not here: how the outside asks. A service that is asked over HTTP or by a file builds that
//! itself, on the runtime that its handlers run on: then a runtime that hangs gives no answer.

mod probe;
mod watch;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use watch::Watch;

pub(crate) use probe::probe;

/// How often each part is heard of. A database and a broker notice neither.
pub(crate) const HEARD_EVERY: Duration = Duration::from_secs(3);
/// How long a batch may be in hand. A batch of the largest size takes a second; one that waits for
/// the database or the broker is in hand for as long.
const IN_HAND_MAX: Duration = Duration::from_secs(60);

/// A view of a service's health, from before its start until after its end. Cheap to clone.
///
/// It comes from [`Service::health`](crate::Service::health), for those who call `run_until`, or
/// from [`Running::health`](crate::Running::health).
#[derive(Debug, Clone)]
pub struct Health {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    database: Mutex<Watch>,
    broker: Mutex<Watch>,
    /// Since when no partition is assigned that should be, and what is known of it.
    unassigned: Mutex<Option<(Instant, String)>>,
    /// Since when replies wait for the broker, and why.
    unsent: Mutex<Option<(Instant, String)>>,
    in_hand_since: Mutex<Option<Instant>>,
}

/// What is the matter with each part; `None`: nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthReport {
    /// The service's own database answered its last ping, and takes writes.
    pub database: Option<Trouble>,
    /// The consumer polls, its group's coordinator is in reach, and it has partitions of its topic,
    /// where there are enough for every instance; and it takes the replies that are there.
    pub broker: Option<Trouble>,
    /// The commands in hand come to an end: no handler hangs.
    pub commands: Option<Trouble>,
}

/// What is the matter, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// How long it has lasted.
    pub lasted: Duration,
    /// What it is, without any text of the database or the broker: those are in the log.
    pub what: String,
}

impl Health {
    pub(crate) fn new() -> Self {
        let unknown = || Mutex::new(Watch::new(Instant::now()));
        let shared = Shared {
            database: unknown(),
            broker: unknown(),
            unassigned: Mutex::default(),
            unsent: Mutex::default(),
            in_hand_since: Mutex::default(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// How it is now. A service that has not started, or has ended, is in trouble.
    #[must_use]
    pub fn report(&self) -> HealthReport {
        let now = Instant::now();
        let since = *lock(&self.shared.in_hand_since);
        HealthReport {
            database: lock(&self.shared.database).trouble(now),
            broker: self.broker_trouble(now),
            commands: since.and_then(|since| too_long_in_hand(since, now)),
        }
    }

    /// The database answered, or did not. Returns whether that is news.
    pub(crate) fn database(&self, heard: Result<(), &str>) -> bool {
        lock(&self.shared.database).hear(Instant::now(), heard)
    }

    /// The consumer said how it is.
    pub(crate) fn broker(&self, heard: Result<(), &str>) -> bool {
        lock(&self.shared.broker).hear(Instant::now(), heard)
    }

    /// The consumer has partitions of its topic, or none although there is one for it.
    pub(crate) fn assignment(&self, heard: Result<(), &str>) {
        let mut unassigned = lock(&self.shared.unassigned);
        *unassigned = heard.err().map(|what| {
            let since = unassigned.take().map(|(since, _)| since);
            (since.unwrap_or_else(Instant::now), what.to_owned())
        });
    }

    /// The broker takes replies, or has not taken some since that time.
    pub(crate) fn replies(&self, heard: Result<(), (Instant, String)>) {
        *lock(&self.shared.unsent) = heard.err();
    }

    fn broker_trouble(&self, now: Instant) -> Option<Trouble> {
        let heard = lock(&self.shared.broker).trouble(now);
        let lasting = |of: &Mutex<Option<(Instant, String)>>| {
            let (since, what) = lock(of).clone()?;
            let lasted = now.saturating_duration_since(since);
            Some(Trouble { lasted, what })
        };
        let unassigned = || lasting(&self.shared.unassigned);
        heard
            .or_else(unassigned)
            .or_else(|| lasting(&self.shared.unsent))
    }

    /// A batch is in hand until the result is dropped.
    pub(crate) fn in_hand(&self) -> InHand<'_> {
        *lock(&self.shared.in_hand_since) = Some(Instant::now());
        InHand(self)
    }
}

/// A batch is in hand for as long as this lives.
pub(crate) struct InHand<'a>(&'a Health);

impl Drop for InHand<'_> {
    fn drop(&mut self) {
        *lock(&self.0.shared.in_hand_since) = None;
    }
}

fn too_long_in_hand(since: Instant, now: Instant) -> Option<Trouble> {
    let lasted = now.saturating_duration_since(since);
    (lasted > IN_HAND_MAX).then(|| Trouble {
        lasted,
        what: "the batch in hand does not come to an end".to_owned(),
    })
}

/// A panic in between leaves no half-written watch.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl HealthReport {
    /// Whether nothing is the matter with any part.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.parts().iter().all(|(_, trouble)| trouble.is_none())
    }

    /// The parts with their names, for those who print them.
    #[must_use]
    pub fn parts(&self) -> [(&'static str, Option<&Trouble>); 3] {
        [
            ("database", self.database.as_ref()),
            ("broker", self.broker.as_ref()),
            ("commands", self.commands.as_ref()),
        ]
    }
}

/// `for 12 s: it does not answer`.
impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "for {} s: {}", self.lasted.as_secs(), self.what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_that_has_not_started_is_in_trouble() {
        let report = Health::new().report();
        assert!(!report.is_healthy());
        assert_eq!(report.commands, None);
    }

    #[test]
    fn one_part_in_trouble_is_enough() {
        let health = Health::new();
        health.database(Ok(()));
        health.broker(Ok(()));
        assert!(health.report().is_healthy());
        health.broker(Err("no coordinator"));
        let report = health.report();
        assert!(!report.is_healthy() && report.database.is_none());
        assert_eq!(
            report.broker.unwrap().to_string(),
            "for 0 s: no coordinator"
        );
    }

    #[test]
    fn an_instance_without_a_partition_is_in_trouble_although_the_broker_answers() {
        let health = Health::new();
        health.database(Ok(()));
        health.broker(Ok(()));
        health.assignment(Err("no partition"));
        health.broker(Ok(()));
        let trouble = health.report().broker.unwrap();
        assert_eq!(trouble.to_string(), "for 0 s: no partition");
        health.assignment(Ok(()));
        assert!(health.report().is_healthy());
    }

    #[test]
    fn replies_that_wait_are_trouble_although_the_broker_answers() {
        let health = Health::new();
        health.database(Ok(()));
        health.broker(Ok(()));
        health.replies(Err((Instant::now(), "replies wait".to_owned())));
        health.broker(Ok(()));
        let trouble = health.report().broker.unwrap();
        assert_eq!(trouble.to_string(), "for 0 s: replies wait");
        health.replies(Ok(()));
        assert!(health.report().is_healthy());
    }

    #[test]
    fn a_batch_that_is_in_hand_too_long_is_trouble() {
        let (since, second) = (Instant::now(), Duration::from_secs(1));
        assert_eq!(too_long_in_hand(since, since + IN_HAND_MAX), None);
        let trouble = too_long_in_hand(since, since + IN_HAND_MAX + second);
        assert_eq!(trouble.unwrap().lasted, IN_HAND_MAX + second);
    }

    #[test]
    fn a_batch_is_in_hand_until_it_is_dropped() {
        let health = Health::new();
        let in_hand = health.in_hand();
        assert!(lock(&health.shared.in_hand_since).is_some());
        drop(in_hand);
        assert!(lock(&health.shared.in_hand_since).is_none());
    }
}
