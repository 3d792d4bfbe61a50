//! Who holds the lock that a server process waits for.

use std::fmt;
use std::time::Duration;

use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::kind::Ask;
use super::{Error, Store};

/// At most so many are named.
const NAMED_MAX: usize = 5;

/// Sessions that others wait for.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Holders(Vec<Holder>);

/// A session that another one waits for. Without its statement, which may hold what is secret.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Holder {
    pid: i32,
    application: String,
    /// `idle in transaction`; unknown of other roles' sessions, without the right to see it.
    state: Option<String>,
    /// How long its transaction is open.
    open_for: Option<Duration>,
    /// How long ago its last statement began.
    asked_ago: Option<Duration>,
}

impl Holders {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// `pid 4711 (psql, idle in transaction, its transaction open for 95 s, its last statement 90 s ago)`.
impl fmt::Display for Holders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("a session that was gone when it was looked for");
        }
        for (place, holder) in self.0.iter().take(NAMED_MAX).enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            write!(f, "{comma}pid {} ({}", holder.pid, holder.application)?;
            if let Some(state) = &holder.state {
                write!(f, ", {state}")?;
            }
            if let Some(open) = holder.open_for {
                write!(f, ", its transaction open for {} s", open.as_secs())?;
            }
            if let Some(ago) = holder.asked_ago {
                write!(f, ", its last statement {} s ago", ago.as_secs())?;
            }
            f.write_str(")")?;
        }
        match self.0.len().saturating_sub(NAMED_MAX) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

impl Store {
    /// Whom the server process `pid` waits for now.
    pub(super) async fn holders(&self, pid: i32) -> Result<Holders, Error> {
        let statement = sqlx::query(
            "SELECT a.pid, coalesce(nullif(a.application_name, ''), 'unnamed') AS application, a.state,
                 extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS open_seconds,
                 extract(epoch FROM clock_timestamp() - a.query_start)::float8 AS asked_seconds
             FROM pg_stat_activity a WHERE a.pid = ANY (pg_blocking_pids($1))
             ORDER BY a.xact_start, a.pid",
        );
        let rows = self.run(Ask::Holders, statement.bind(pid)).await?;
        let holders = rows.iter().map(read).collect::<Result<_, _>>()?;
        Ok(Holders(holders))
    }
}

fn read(row: &PgRow) -> Result<Holder, sqlx::Error> {
    let span = |column: &str| {
        let seconds: Option<f64> = row.try_get(column)?;
        let span = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        Ok::<_, sqlx::Error>(span)
    };
    Ok(Holder {
        pid: row.try_get("pid")?,
        application: row.try_get("application")?,
        state: row.try_get("state")?,
        open_for: span("open_seconds")?,
        asked_ago: span("asked_seconds")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(pid: i32) -> Holder {
        Holder {
            pid,
            application: "psql".to_owned(),
            state: None,
            open_for: None,
            asked_ago: None,
        }
    }

    #[test]
    fn a_session_is_named_with_all_that_is_known_of_it() {
        let seen = Holder {
            state: Some("idle in transaction".to_owned()),
            open_for: Some(Duration::from_millis(95_900)),
            asked_ago: Some(Duration::from_secs(90)),
            ..holder(7)
        };
        assert_eq!(
            Holders(vec![seen, holder(8)]).to_string(),
            "pid 7 (psql, idle in transaction, its transaction open for 95 s, its last statement \
             90 s ago), pid 8 (psql)"
        );
    }

    #[test]
    fn many_are_counted() {
        let many = Holders((1..=7).map(holder).collect()).to_string();
        assert!(many.ends_with("pid 5 (psql) and 2 more"), "{many}");
    }
}
