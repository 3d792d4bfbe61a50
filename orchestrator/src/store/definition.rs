//! Which definitions the live replicas have, and which pinned ones none has.
//!
//! A saga pins name, version and fingerprint. Where no live replica has them, nobody moves the
//! saga, and a person must deploy a binary that does. Every replica publishes what it has with its
//! heartbeats (`replica.rs`); here is what follows for those who look.
//!
//! A definition counts as missing [`GRACE`] after it was last published, measured against the last
//! heartbeat of any replica instead of the clock: a restart one by one makes nothing flicker, and
//! after the database was away for a minute nobody is blamed for its silence.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sagas::Timestamp;
use sagas_core::membership::SILENCE;
use sagas_core::registry::Pin;
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::commit::column;
use super::kind::Ask;
use super::sql::interval;
use super::{Error, Store};

/// How long a definition may be missing before anybody is told: longer than one process takes to
/// be replaced by the next.
pub const GRACE: Duration = Duration::from_secs(30);

/// The condition, in SQL, that nobody has the definition of the row `definition_seen`, joined from
/// the left as `d`. Without any replica nothing is known, hence nothing said.
pub(super) fn is_missing() -> String {
    let (silence, grace) = (interval(SILENCE), interval(GRACE));
    format!(
        "(d.seen_at IS NULL OR
    d.seen_at < (
        SELECT max(heartbeat_at) FROM replica
        WHERE heartbeat_at < statement_timestamp() + {silence}
    ) - {grace})"
    )
}

/// A definition that no live replica has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Which.
    pub pin: Pin,
    /// When a replica last had it; `None` when none is known to have had it.
    pub since: Option<Timestamp>,
}

impl Store {
    /// Those of `pins` that no live replica has.
    ///
    /// # Errors
    ///
    /// When the database is away or refuses.
    pub async fn missing(&self, pins: &[Pin]) -> Result<Vec<Missing>, Error> {
        let statement = sqlx::query(sqlx::AssertSqlSafe(format!(
            "SELECT name, version, fingerprint, d.seen_at
             FROM unnest($1::text[], $2::bigint[], $3::uuid[]) AS p (name, version, fingerprint)
             LEFT JOIN definition_seen d USING (name, version, fingerprint)
             WHERE {}
             ORDER BY name, version, fingerprint",
            is_missing()
        )))
        .bind(column(pins, |pin| pin.name.clone()))
        .bind(column(pins, |pin| i64::from(pin.version)))
        .bind(column(pins, |pin| pin.fingerprint));
        let rows = self.run(Ask::MissingDefinitions, statement).await?;
        rows.iter().map(|row| Ok(read(row)?)).collect()
    }
}

/// Reads `name`, `version`, `fingerprint` and `seen_at`.
pub(super) fn read(row: &PgRow) -> Result<Missing, sqlx::Error> {
    let since: Option<DateTime<Utc>> = row.try_get("seen_at")?;
    let version: i64 = row.try_get("version")?;
    let pin = Pin {
        name: row.try_get("name")?,
        // Written from a `u32`.
        version: u32::try_from(version).unwrap_or(u32::MAX),
        fingerprint: row.try_get("fingerprint")?,
    };
    Ok(Missing {
        pin,
        since: since.map(Timestamp::from),
    })
}
