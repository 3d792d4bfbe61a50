//! The clock that the service reads: Postgres time, estimated as `sagas_core::clock` says.
//!
//! This is the only module that reads a clock for decisions.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use sagas::Timestamp;
use sagas_core::clock;

/// When this process first asked for its age.
static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The time since then, for what knows no calendar.
#[must_use]
pub fn uptime() -> Duration {
    BEGAN.elapsed()
}

/// Database time, by this process's monotonic clock.
#[derive(Debug)]
pub struct Clock(clock::Clock);

impl Clock {
    /// A clock that was told the database's time, between `sent` and now.
    #[must_use]
    pub fn started(database_time: Timestamp, sent: Instant) -> Self {
        Self(clock::Clock::started(database_time, sent, Instant::now()))
    }

    /// Takes a new measurement: the database said `database_time` between `sent` and now.
    pub fn observe(&self, database_time: Timestamp, sent: Instant) {
        self.0.observe(database_time, sent, Instant::now());
    }

    /// Database time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.0.at(Instant::now())
    }
}
