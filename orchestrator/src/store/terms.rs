//! For how long who is kept, as the statements want it that move a saga to the archive.

use std::time::Duration;

use sqlx::postgres::types::PgInterval;

use super::commit::column;
use super::retention::{Policy, step_days};

/// The common part of the statements that move sagas to the archive.
pub(super) const TO_ARCHIVE: &str = include_str!("to_archive.sql");

/// Bytes that a history takes in the archive at least: up to the size from which on Postgres compresses
/// a row.
pub(super) const HISTORY_BYTES_MIN: i32 = 2048;

/// A policy's times.
#[derive(Debug, Clone, Default)]
pub(super) struct Terms {
    pub(super) definitions: Vec<String>,
    pub(super) kept: Vec<PgInterval>,
    pub(super) steps: Vec<i32>,
    pub(super) other_kept: PgInterval,
    pub(super) other_step: i32,
}

impl Terms {
    /// # Errors
    ///
    /// When a time is longer than Postgres can say.
    pub(super) fn of(policy: &Policy) -> Result<Self, sqlx::Error> {
        let interval = |kept: Duration| PgInterval::try_from(kept).map_err(sqlx::Error::Encode);
        let own: Vec<_> = policy.definitions.iter().collect();
        let kept = own.iter().map(|(_, kept)| interval(**kept));
        Ok(Self {
            definitions: column(&own, |(name, _)| (*name).clone()),
            kept: kept.collect::<Result<_, _>>()?,
            steps: column(&own, |(_, kept)| step_days(**kept)),
            other_kept: interval(policy.finished)?,
            other_step: step_days(policy.finished),
        })
    }
}
