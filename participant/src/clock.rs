//! The one place that reads the wall clock: reply times, advisory deadlines and the purge day.
//! No decision about an effect depends on it.

use std::time::SystemTime;

use sagas::Timestamp;

/// The present instant.
#[expect(clippy::disallowed_methods, reason = "this is the clock module")]
pub(crate) fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let micros = since_epoch.map_or(0, |elapsed| elapsed.as_micros());
    Timestamp::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
}
