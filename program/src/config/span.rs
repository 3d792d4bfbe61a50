//! A duration as people write it: `500ms`, `30s`, `2m`, `12h`, `7d`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A duration in a setting; its text always names the unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// Milliseconds of each unit, the largest first.
const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a duration is a whole number and a unit: 500ms, 30s, 2m, 12h or 7d")]
pub struct NotASpan;

impl FromStr for Span {
    type Err = NotASpan;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let end = text.find(|c: char| !c.is_ascii_digit()).ok_or(NotASpan)?;
        let (number, unit) = text.split_at(end);
        let number: u64 = number.parse().map_err(|_| NotASpan)?;
        let (_, millis) = UNITS
            .iter()
            .find(|(name, _)| *name == unit.trim_start())
            .ok_or(NotASpan)?;
        let millis = number.checked_mul(*millis).ok_or(NotASpan)?;
        Ok(Self(Duration::from_millis(millis)))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        let whole = UNITS
            .iter()
            .find(|(_, unit)| millis > 0 && millis.is_multiple_of(*unit));
        match whole {
            Some((name, unit)) => write!(f, "{}{name}", millis / unit),
            None => f.write_str("0s"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_reads_back_as_it_was_written() {
        for text in ["500ms", "30s", "2m", "12h", "7d", "1500ms", "0s"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_bare_number_and_an_unknown_unit_are_refused() {
        for text in [
            "",
            "30",
            "s",
            "30 parsecs",
            "-1s",
            "1.5s",
            "99999999999999999999s",
        ] {
            assert_eq!(text.parse::<Span>(), Err(NotASpan), "{text:?}");
        }
    }
}
