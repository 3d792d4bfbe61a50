//! The purge of the inbox: rows that are older than their retention go, by whole days.
//!
//! A watermark that was moved too far is not moved back by the service, and every command of an older
//! saga is answered `expired`. Invariant: no single wrong clock moves it. It follows this process's clock
//! only as far as the database's and the youngest saga in the inbox bear that out.

use std::time::Duration;

use chrono::{Days, NaiveDate};
use sagas_log::chain;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::{Error, Settings};

/// Whole days are purged, so an hour is often enough.
const EVERY: Duration = Duration::from_secs(60 * 60);

/// Rows that one statement drops: some ten milliseconds.
const DROPPED_AT_ONCE: i64 = 2_000;

/// Days by which this process's clock may be ahead of the database's, and of the youngest saga.
const AHEAD_MAX: Days = Days::new(2);

/// Days that this process's clock is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Clocks {
    /// Today by the database's clock, in UTC.
    database: NaiveDate,
    /// Day on which the youngest saga in the inbox started; `None` of an empty inbox.
    youngest: Option<NaiveDate>,
}

impl Clocks {
    pub(crate) async fn read(database: &PgPool) -> Result<Self, sqlx::Error> {
        let (database, youngest) = sqlx::query_as(
            "SELECT (clock_timestamp() AT TIME ZONE 'UTC')::date,
                 (SELECT max(start_day) FROM saga_inbox)",
        )
        .fetch_one(database)
        .await?;
        Ok(Self { database, youngest })
    }

    /// `Err` when this process's clock, at `today`, is too far ahead of the database's.
    pub(crate) fn check(self, today: NaiveDate) -> Result<(), Error> {
        let database = self.database;
        if today > ahead_of(database) {
            return Err(Error::ClockAhead { today, database });
        }
        Ok(())
    }

    /// The day before which rows may go that are kept for `kept`; `None` where there are none.
    fn purge_day(self, today: NaiveDate, kept: Duration) -> Result<Option<NaiveDate>, Error> {
        self.check(today)?;
        let youngest = self.youngest.map(ahead_of);
        Ok(youngest.map(|youngest| days_before(today.min(youngest), kept)))
    }
}

fn ahead_of(day: NaiveDate) -> NaiveDate {
    day.checked_add_days(AHEAD_MAX).unwrap_or(NaiveDate::MAX)
}

/// The day so long before `day`. A part of a day counts as a whole one.
fn days_before(day: NaiveDate, ago: Duration) -> NaiveDate {
    let days = ago.as_secs().div_ceil(24 * 60 * 60);
    day.checked_sub_days(Days::new(days))
        .unwrap_or(NaiveDate::MIN)
}

/// Today by this process's clock, in UTC.
pub(crate) fn today() -> NaiveDate {
    clock::now().to_chrono().date_naive()
}

/// The UTC day so long ago.
pub(crate) fn days_before_today(ago: Duration) -> NaiveDate {
    days_before(today(), ago)
}

/// Drops rows that are older than the inbox's retention, now and every hour.
pub(crate) async fn hourly(settings: Settings, stopping: CancellationToken) {
    let Some(database) = &settings.database else {
        return;
    };
    loop {
        match once(database, settings.inbox_retention, &stopping).await {
            Ok(0) => {}
            Ok(rows) => tracing::info!(rows, "purged the inbox"),
            Err(error) => {
                let error = chain(&error);
                tracing::warn!(
                    error,
                    "the inbox was not purged; it is tried again in an hour"
                );
            }
        }
        tokio::select! {
            () = stopping.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

async fn once(
    database: &PgPool,
    kept: Duration,
    stopping: &CancellationToken,
) -> Result<u64, Error> {
    let failed = |source| Error::Database {
        doing: "purge the inbox",
        source,
    };
    let clocks = Clocks::read(database).await.map_err(failed)?;
    let Some(day) = clocks.purge_day(today(), kept)? else {
        return Ok(0);
    };
    let dropped = drop_before(database, day, || stopping.is_cancelled()).await;
    dropped.map_err(failed)
}

/// Drops the rows of sagas that started before `day`. Returns how many there were.
///
/// The watermark says so first, in a transaction of its own: a command that then finds no row may have
/// had one. The rows follow a few at a time, so that no command waits behind a month of
/// them; one that is in use at that moment stays until the next purge. Ended early, when `must_end` says
/// so, or by a crash, the next purge goes on.
pub(crate) async fn drop_before(
    database: &PgPool,
    day: NaiveDate,
    must_end: impl Fn() -> bool,
) -> Result<u64, sqlx::Error> {
    sqlx::query("UPDATE saga_inbox_watermark SET before_day = $1 WHERE before_day < $1")
        .bind(day)
        .execute(database)
        .await?;
    let mut dropped = 0;
    loop {
        let some = sqlx::query(
            "DELETE FROM saga_inbox WHERE ctid = ANY (ARRAY(
                 SELECT ctid FROM saga_inbox WHERE start_day < $1
                 ORDER BY start_day, saga, step LIMIT $2 FOR UPDATE SKIP LOCKED))",
        )
        .bind(day)
        .bind(DROPPED_AT_ONCE)
        .execute(database)
        .await?
        .rows_affected();
        dropped += some;
        if some < DROPPED_AT_ONCE.unsigned_abs() || must_end() {
            return Ok(dropped);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEPT: Duration = Duration::from_secs(45 * 24 * 60 * 60);

    /// Day of a year in which this process's clock may be at `today`.
    fn day(number: u32) -> NaiveDate {
        NaiveDate::from_yo_opt(2026, number).unwrap()
    }

    fn clocks(database: u32, youngest: Option<u32>) -> Clocks {
        Clocks {
            database: day(database),
            youngest: youngest.map(day),
        }
    }

    #[test]
    fn rows_go_once_they_have_been_kept_for_their_time() {
        let purged = clocks(100, Some(100)).purge_day(day(100), KEPT).unwrap();
        assert_eq!(purged, Some(day(55)));
    }

    #[test]
    fn a_clock_that_is_far_ahead_purges_nothing_and_says_so() {
        let ahead = clocks(100, Some(100)).purge_day(day(160), KEPT);
        let text = ahead.unwrap_err().to_string();
        assert!(
            text.contains("2026-06-09") && text.contains("2026-04-10"),
            "{text}"
        );
        assert!(clocks(100, Some(100)).purge_day(day(103), KEPT).is_err());
        assert!(clocks(100, Some(100)).purge_day(day(102), KEPT).is_ok());
    }

    #[test]
    fn two_clocks_that_are_far_ahead_purge_no_more_than_the_youngest_saga_bears_out() {
        let purged = clocks(160, Some(100)).purge_day(day(160), KEPT).unwrap();
        assert_eq!(purged, Some(day(57)));
        assert_eq!(clocks(160, None).purge_day(day(160), KEPT).unwrap(), None);
    }

    #[test]
    fn a_saga_of_the_future_purges_nothing_early() {
        let purged = clocks(100, Some(300)).purge_day(day(100), KEPT).unwrap();
        assert_eq!(purged, Some(day(55)));
    }
}
