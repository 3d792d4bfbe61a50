//! This machine's own clock, for a run that no database tells the time.
//!
//! No saga depends on it: the sagas of a run exist in its messages alone.

use std::time::SystemTime;

use sagas::Timestamp;

/// Wall-clock time now.
#[expect(clippy::disallowed_methods, reason = "this is the clock module")]
pub(super) fn wall() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Timestamp::from_micros(0) + since_epoch.unwrap_or_default()
}
