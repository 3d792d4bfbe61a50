//! For how long who is kept, as the statements want it that move a saga to the archive.

use std::time::Duration;

use chrono::NaiveDate;
use sqlx::postgres::types::PgInterval;

use super::commit::column;
use super::retention::{Policy, step_days};
use super::session::Statement;

/// A policy's times.
#[derive(Debug, Clone, Default)]
pub(super) struct Terms {
    definitions: Vec<String>,
    kept: Vec<PgInterval>,
    steps: Vec<i32>,
    other_kept: PgInterval,
    other_step: i32,
}

/// What stands for the arguments in a statement's text: `$7`.
pub(super) struct Arguments {
    pub(super) slot: &'static str,
    pub(super) first_day: &'static str,
    pub(super) definitions: &'static str,
    pub(super) kept: &'static str,
    pub(super) steps: &'static str,
    pub(super) other_kept: &'static str,
    pub(super) other_step: &'static str,
}

/// The common part of the statements that move sagas to the archive.
pub(super) fn to_archive(arguments: &Arguments) -> String {
    include_str!("to_archive.sql")
        .replace(":slot", arguments.slot)
        .replace(":first_day", arguments.first_day)
        .replace(":definitions", arguments.definitions)
        .replace(":kept", arguments.kept)
        .replace(":steps", arguments.steps)
        .replace(":other_kept", arguments.other_kept)
        .replace(":other_step", arguments.other_step)
        .trim_end()
        .to_owned()
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

    /// Binds `first_day`, before which nothing may go, and the others in the order of
    /// [`Arguments`].
    pub(super) fn bind(&self, statement: Statement, first_day: NaiveDate) -> Statement {
        statement
            .bind(first_day)
            .bind(self.definitions.clone())
            .bind(self.kept.clone())
            .bind(self.steps.clone())
            .bind(self.other_kept)
            .bind(self.other_step)
    }
}
