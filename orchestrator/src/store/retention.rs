//! How long what is kept, and on which days it goes.
//!
//! Pure: it computes days, and touches no database. What has ended is kept in partitions, one for
//! each day on which something goes. The longer it is kept, the fewer such days there are, so that
//! ten years need no ten times as many partitions as one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, Days, NaiveDate, Utc};
use sagas::Timestamp;

/// Kept for so many days at most: a partition for every day. Kept for longer: for every seventh.
const DAILY_MAX: u64 = 100;
/// Kept for more days than this: a partition for every thirtieth day.
const WEEKLY_MAX: u64 = 700;
/// Partitions are made so many days before the first row needs them.
const AHEAD: Days = Days::new(2);
/// For so long after they were made, whatever ends finds its partition, whatever the time of day.
pub(super) const AHEAD_FOR_SURE: Duration = DAY;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The longest that anything is kept: ten years. About 400 partitions.
pub const KEPT_MAX: Duration = Duration::from_secs(3_650 * 24 * 60 * 60);

/// What is kept for how long. Everything is kept for at least that time, and goes within a day
/// after it, or within a week or a month where it is kept for long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// How long after its end a saga is kept.
    pub finished: Duration,
    /// The same for single definitions, by name.
    pub definitions: BTreeMap<String, Duration>,
    /// How long after its first use an idempotency key is refused to other submissions.
    pub keys: Duration,
    /// How long records that nobody could use are kept.
    pub dead_letters: Duration,
}

/// 30 days, 180 days, 90 days.
impl Default for Policy {
    fn default() -> Self {
        Self {
            finished: 30 * DAY,
            definitions: BTreeMap::new(),
            keys: 180 * DAY,
            dead_letters: 90 * DAY,
        }
    }
}

/// Why a policy makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Nonsense {
    /// A key must be refused for as long as its saga may be found.
    #[error(
        "idempotency keys are kept for {} days, which must be at least two days longer than \
         sagas of {what} ({} days): the same key would start a second saga beside the first",
        days(*keys), days(*finished)
    )]
    KeysTooShort {
        /// How long keys are kept.
        keys: Duration,
        /// `place-order`, or `any definition`.
        what: String,
        /// How long those sagas are.
        finished: Duration,
    },
    /// More partitions than a list can merge.
    #[error("{what} are kept for {} days; {} days are the most", days(*kept), days(KEPT_MAX))]
    TooLong {
        /// Sagas of which definition, or what else.
        what: String,
        /// How long.
        kept: Duration,
    },
}

impl Policy {
    /// Whether every time fits the others.
    ///
    /// # Errors
    ///
    /// The first that does not.
    pub fn check(&self) -> Result<(), Nonsense> {
        let own = self.definitions.iter();
        let own = own.map(|(name, kept)| (name.clone(), *kept));
        let all = std::iter::once(("any definition".to_owned(), self.finished)).chain(own);
        for (what, finished) in all {
            if finished > KEPT_MAX {
                let what = format!("sagas of {what}");
                let kept = finished;
                return Err(Nonsense::TooLong { what, kept });
            }
            if self.keys < finished + 2 * DAY {
                let keys = self.keys;
                return Err(Nonsense::KeysTooShort {
                    keys,
                    what,
                    finished,
                });
            }
        }
        Ok(())
    }

    /// How long sagas of this definition are kept.
    #[must_use]
    pub fn kept(&self, definition: &str) -> Duration {
        self.definitions
            .get(definition)
            .copied()
            .unwrap_or(self.finished)
    }

    /// The days for which there must be a partition, so that whatever ends until two days from now,
    /// or has ended before and was not moved yet, finds its own.
    pub(super) fn days(&self, now: Timestamp) -> BTreeSet<NaiveDate> {
        let tomorrow = tomorrow(now);
        let kept: BTreeSet<Duration> = self.definitions.values().copied().collect();
        let kept = kept.into_iter().chain([self.finished]);
        let days = kept.flat_map(|kept| {
            let step = step_days(kept);
            let last = round_up(day_after(now.to_chrono() + kept) + AHEAD, step);
            tomorrow
                .iter_days()
                .take_while(move |day| *day <= last)
                .filter(move |day| round_up(*day, step) == *day)
        });
        // What should have gone long ago goes tomorrow.
        days.chain([tomorrow, tomorrow + AHEAD, tomorrow + Days::new(1)])
            .collect()
    }
}

/// The UTC day after that of `now`: the earliest on which what is moved now may go.
pub(super) fn tomorrow(now: Timestamp) -> NaiveDate {
    day_after(now.to_chrono())
}

/// How many days lie between two days on which what is kept so long may go.
pub(super) fn step_days(kept: Duration) -> i32 {
    match days(kept) {
        days if days <= DAILY_MAX => 1,
        days if days <= WEEKLY_MAX => 7,
        _ => 30,
    }
}

/// `day`, or the first one after it whose number, counted from [`FIRST_DAY`], `step` divides.
fn round_up(day: NaiveDate, step: i32) -> NaiveDate {
    let number = day.signed_duration_since(FIRST_DAY).num_days();
    let step = i64::from(step);
    let rest = (step - number.rem_euclid(step)) % step;
    day + Days::new(rest.unsigned_abs())
}

/// Days are counted from here, in `to_archive.sql` likewise.
pub(super) const FIRST_DAY: NaiveDate = NaiveDate::from_ymd_opt(2000, 1, 1).expect("a day");

fn day_after(instant: DateTime<Utc>) -> NaiveDate {
    instant.date_naive() + Days::new(1)
}

/// Whole days, a begun one included.
fn days(span: Duration) -> u64 {
    span.as_secs().div_ceil(DAY.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-26, 14:00 UTC.
    const NOW: Timestamp = Timestamp::from_micros(1_795_701_600_000_000);

    fn policy(days: &[u64]) -> Policy {
        let definitions = days[1..].iter();
        let definitions = definitions.map(|days| (format!("saga-{days}"), DAY * to_u32(*days)));
        Policy {
            finished: DAY * to_u32(days[0]),
            definitions: definitions.collect(),
            keys: KEPT_MAX * 2,
            ..Policy::default()
        }
    }

    fn to_u32(number: u64) -> u32 {
        u32::try_from(number).unwrap()
    }

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn thirty_days_need_a_partition_for_every_day_from_tomorrow_on() {
        let days: Vec<_> = policy(&[30]).days(NOW).into_iter().collect();
        assert_eq!(days[0], day("2026-11-27"));
        assert_eq!(days[days.len() - 1], day("2026-12-29"));
        assert_eq!(days.len(), 33);
    }

    #[test]
    fn what_is_kept_longer_goes_on_fewer_days() {
        assert!(policy(&[30, 365]).days(NOW).len() < 33 + 365 / 7 + 2);
        let most = policy(&[30, 100, 700, 3_650]).days(NOW).len();
        assert!(most < 350, "{most}");
        let days = policy(&[1, 365]).days(NOW);
        let last = days.iter().next_back().unwrap();
        assert!(*last >= day("2027-11-27"), "{last}");
        assert_eq!(round_up(*last, 7), *last);
    }

    #[test]
    fn a_rounded_day_is_never_earlier_and_stays_where_it_is() {
        for step in [1, 7, 30] {
            for day in day("1999-11-20").iter_days().take(100) {
                let rounded = round_up(day, step);
                assert!(rounded >= day && rounded < day + Days::new(30));
                assert_eq!(round_up(rounded, step), rounded);
            }
        }
    }

    #[test]
    fn keys_that_are_freed_before_their_saga_is_gone_are_refused() {
        let mut policy = policy(&[30, 90]);
        policy.keys = 92 * DAY;
        assert_eq!(policy.check(), Ok(()));
        policy.keys = 91 * DAY;
        let text = policy.check().unwrap_err().to_string();
        assert!(
            text.starts_with("idempotency keys are kept for 91 days"),
            "{text}"
        );
        assert!(text.contains("sagas of saga-90 (90 days)"), "{text}");
    }

    #[test]
    fn eleven_years_are_too_long() {
        let text = policy(&[30, 4_000]).check().unwrap_err().to_string();
        assert_eq!(
            text,
            "sagas of saga-4000 are kept for 4000 days; 3650 days are the most"
        );
    }
}
