//! An instant, as a value that somebody else measured. This crate never asks for the time.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

use chrono::{DateTime, Datelike as _, SecondsFormat, Timelike as _, Utc};
use serde::{Deserialize, Serialize};

/// An instant in microseconds since 1970-01-01T00:00:00Z, the resolution of Postgres.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The instant `micros` microseconds after the epoch.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// How long after `earlier` this is; zero when it is not after it.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Reads RFC 3339, as the wire and REST write it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        DateTime::parse_from_rfc3339(text)
            .ok()
            .map(|at| Self(at.timestamp_micros()))
    }

    /// The same instant for `chrono` and the database driver.
    #[must_use]
    pub fn to_chrono(self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(at: DateTime<Utc>) -> Self {
        Self(at.timestamp_micros())
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, wait: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(wait.as_micros()).unwrap_or(i64::MAX)),
        )
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, wait: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(i64::try_from(wait.as_micros()).unwrap_or(i64::MAX)),
        )
    }
}

/// RFC 3339 in UTC with milliseconds: `2026-11-23T13:10:36.123Z`.
///
/// Written digit by digit: every message has one to three instants, and `chrono` makes a `String`
/// of each.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.to_chrono();
        let Some(year) = u32::try_from(at.year()).ok().filter(|year| *year < 10_000) else {
            return f.write_str(&at.to_rfc3339_opts(SecondsFormat::Millis, true));
        };
        let mut text = *b"0000-00-00T00:00:00.000Z";
        put(&mut text[0..4], year);
        put(&mut text[5..7], at.month());
        put(&mut text[8..10], at.day());
        put(&mut text[11..13], at.hour());
        put(&mut text[14..16], at.minute());
        put(&mut text[17..19], at.second());
        put(&mut text[20..23], at.timestamp_subsec_millis());
        f.write_str(str::from_utf8(&text).expect("digits and what is between them are ASCII"))
    }
}

/// Writes the last digits of `number`, as many as there is room for.
fn put(room: &mut [u8], mut number: u32) {
    for digit in room.iter_mut().rev() {
        *digit = b"0123456789"[(number % 10) as usize];
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(at: Timestamp) -> Result<(), TestCaseError> {
        let expected = at.to_chrono().to_rfc3339_opts(SecondsFormat::Millis, true);
        prop_assert_eq!(at.to_string(), expected);
        Ok(())
    }

    proptest! {
        #[test]
        fn every_instant_is_written_as_chrono_writes_it(
            any in any::<i64>(),
            usual in -62_200_000_000_000_000_i64..253_500_000_000_000_000,
        ) {
            check(Timestamp::from_micros(any))?;
            check(Timestamp::from_micros(usual))?;
        }
    }
}
