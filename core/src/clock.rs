//! The service's clock: Postgres time, so that replicas' own clocks may differ and jump.
//!
//! An offset between a process's monotonic clock and the database's is measured at every heartbeat and
//! commit. Instants are arguments: whoever asks has read the monotonic clock.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use sagas::Timestamp;

/// Database time, estimated from the monotonic clock.
#[derive(Debug)]
pub struct Clock {
    origin: Instant,
    /// Database time at `origin`, in microseconds.
    epoch_micros: AtomicI64,
}

impl Clock {
    /// A clock that was told the database's time, between `sent` and `received`.
    #[must_use]
    pub fn started(database_time: Timestamp, sent: Instant, received: Instant) -> Self {
        let clock = Self {
            origin: sent,
            epoch_micros: AtomicI64::new(0),
        };
        clock.observe(database_time, sent, received);
        clock
    }

    /// Takes a new measurement: the database said `database_time` between `sent` and `received`.
    ///
    /// The answer is assumed to be half-way; the error is at most half the round trip.
    pub fn observe(&self, database_time: Timestamp, sent: Instant, received: Instant) {
        let half = received.saturating_duration_since(sent) / 2;
        let at_origin = database_time - (sent.saturating_duration_since(self.origin) + half);
        self.epoch_micros
            .store(at_origin.as_micros(), Ordering::Relaxed);
    }

    /// Database time at `instant`.
    #[must_use]
    pub fn at(&self, instant: Instant) -> Timestamp {
        Timestamp::from_micros(self.epoch_micros.load(Ordering::Relaxed))
            + instant.saturating_duration_since(self.origin)
    }
}
