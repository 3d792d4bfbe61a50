//! The clock that the service reads: Postgres time, estimated as `saga_core::clock` says.
//!
//! This is the only module that reads a clock for decisions.

use std::time::{Instant, SystemTime};

use saga_core::clock;
use sagas::Timestamp;

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

/// This machine's own clock, for what no saga depends on and no database is there to say.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the clock module")]
pub(crate) fn wall() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Timestamp::from_micros(0) + since_epoch.unwrap_or_default()
}
