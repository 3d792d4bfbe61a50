//! Which replicas live: each says so every half second, with the definitions that it has, and learns
//! of the others by the same statement.
//!
//! This is affinity, never correctness: two replicas that both believe to hold a partition do no
//! harm. All times are the database's.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use sagas::Timestamp;
use sagas_core::membership::{Replica, ReplicaSeen, SILENCE};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Row as _};
use uuid::Uuid;

use super::commit::column;
use super::kind::Ask;
use super::sql::{Argument, Numbered, Statement, interval};
use super::{Error, Store};

/// Every heartbeat publishes a replica's definitions, unless somebody did within this time.
pub(super) const PUBLISHED_EVERY: Duration = Duration::from_secs(5);

/// The row of a replica that was silent for so long goes. None goes on for so long without a heartbeat.
pub(super) const FORGOTTEN_AFTER: Duration = Duration::from_secs(60 * 60);

type Bind = fn(&Replica, Statement) -> Statement;

const ARGUMENTS: [Argument<Bind>; 6] = [
    ("id", |own, s| s.bind(own.id)),
    ("name", |own, s| s.bind(own.name.clone())),
    ("started_at", |own, s| s.bind(own.started_at.to_chrono())),
    ("names", |own, s| {
        s.bind(column(&own.definitions, |pin| pin.name.clone()))
    }),
    ("versions", |own, s| {
        s.bind(column(&own.definitions, |pin| i64::from(pin.version)))
    }),
    ("fingerprints", |own, s| {
        s.bind(column(&own.definitions, |pin| pin.fingerprint))
    }),
];

static HEARTBEAT: LazyLock<Numbered<Bind>> = LazyLock::new(|| {
    let (silence, published) = (interval(SILENCE), interval(PUBLISHED_EVERY));
    let forgotten = interval(FORGOTTEN_AFTER);
    let named = format!(
        "WITH own AS (
             INSERT INTO replica (id, name, started_at, heartbeat_at)
             VALUES (:id, :name, :started_at, clock_timestamp())
             ON CONFLICT (id) DO UPDATE SET heartbeat_at = excluded.heartbeat_at
             RETURNING id, name, started_at, heartbeat_at
         ), published AS (
             INSERT INTO definition_seen AS seen (name, version, fingerprint, seen_at)
             SELECT name, version, fingerprint, clock_timestamp()
             FROM unnest(:names::text[], :versions::bigint[], :fingerprints::uuid[])
                 AS d (name, version, fingerprint)
             WHERE NOT EXISTS (
                 SELECT FROM definition_seen s
                 WHERE s.name = d.name AND s.version = d.version
                     AND s.fingerprint = d.fingerprint
                     AND s.seen_at > statement_timestamp() - {published})
             ON CONFLICT (name, version, fingerprint)
                 DO UPDATE SET seen_at = greatest(seen.seen_at, excluded.seen_at)
         ), purged AS (
             DELETE FROM replica
             WHERE heartbeat_at < statement_timestamp() - {forgotten} AND id <> :id
         )
         SELECT id, name, started_at, heartbeat_at, clock_timestamp() AS database_time FROM (
             SELECT id, name, started_at, heartbeat_at FROM own
             UNION ALL
             SELECT id, name, started_at, heartbeat_at FROM replica
             WHERE id <> :id AND heartbeat_at > statement_timestamp() - {silence}
         ) AS alive ORDER BY id"
    );
    Numbered::new(&named, &ARGUMENTS)
});

/// The text of a heartbeat.
pub(super) fn text() -> Arc<str> {
    HEARTBEAT.text()
}

impl Store {
    /// Says that this replica lives; returns all that do (heartbeat younger than 2 s), this one
    /// included, ordered by id, and the database's time. Rows that are dead for an hour go.
    ///
    /// Its definitions are published unless somebody did within 5 s: most beats write one row.
    ///
    /// # Errors
    ///
    /// When the database is away or refuses.
    pub async fn heartbeat(
        &self,
        replica: &Replica,
    ) -> Result<(Vec<ReplicaSeen>, Timestamp), Error> {
        let rows = self.run(Ask::Heartbeat, HEARTBEAT.bind(replica)).await?;
        let own = rows.first().ok_or(sqlx::Error::RowNotFound)?;
        let now: DateTime<Utc> = own.try_get("database_time")?;
        let alive = rows.iter().map(|row| Ok(read(row)?));
        Ok((alive.collect::<Result<_, Error>>()?, now.into()))
    }

    /// Takes this replica off the list, so that others need not wait for its silence.
    ///
    /// # Errors
    ///
    /// When the database is away or refuses; the others then notice within 2 s.
    pub async fn leave(&self, replica: Uuid) -> Result<(), Error> {
        let statement = sqlx::query("DELETE FROM replica WHERE id = $1").bind(replica);
        self.run(Ask::Leave, statement).await?;
        Ok(())
    }

    /// Replicas that live, ordered by name.
    ///
    /// # Errors
    ///
    /// When the database is away or refuses.
    pub async fn replicas(&self) -> Result<Vec<ReplicaSeen>, Error> {
        let silence = interval(SILENCE);
        let statement = sqlx::query(AssertSqlSafe(format!(
            "SELECT id, name, started_at, heartbeat_at FROM replica
             WHERE heartbeat_at > statement_timestamp() - {silence}
                 AND heartbeat_at < statement_timestamp() + {silence} ORDER BY name, id"
        )));
        let rows = self.run(Ask::Replicas, statement).await?;
        rows.iter().map(|row| Ok(read(row)?)).collect()
    }
}

fn read(row: &PgRow) -> Result<ReplicaSeen, sqlx::Error> {
    let started_at: DateTime<Utc> = row.try_get("started_at")?;
    let heartbeat_at: DateTime<Utc> = row.try_get("heartbeat_at")?;
    Ok(ReplicaSeen {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        started_at: started_at.into(),
        heartbeat_at: heartbeat_at.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sql;

    #[test]
    fn every_argument_of_a_heartbeat_has_a_name_of_its_own_and_is_used() {
        sql::ensure_used(&ARGUMENTS, [&*HEARTBEAT]);
    }
}
