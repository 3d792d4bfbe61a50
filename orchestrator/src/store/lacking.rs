//! What open sagas may pin and a binary lacks: read once, before that binary serves.
//!
//! Whatever a saga pins was published first (`definition_seen`), so the look begins
//! there; open sagas are gone through only for what the binary lacks, and only those that started
//! while some replica had it. Every statement ends with the session's `statement_timeout` at the latest;
//! a table that is too large for one statement is gone through shard by shard.
//!
//! It says what there is, and decides nothing.

use std::time::Duration;

use sagas_core::registry::Pin;
use sqlx::Row as _;

use super::commit::column;
use super::definition;
use super::kind::Ask;
use super::replica::{FORGOTTEN_AFTER, PUBLISHED_EVERY};
use super::sql::interval;
use super::{Error, Store};

/// A definition that some replica had, and this binary does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lacking {
    /// Which.
    pub pin: Pin,
    /// Whether a replica has published it within 10 s; each that lives does so every 5 s.
    pub is_live: bool,
}

/// How many open sagas there are of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// So many.
    Exactly(u64),
    /// As many, and maybe more.
    AtLeast(u64),
    /// The database was not done within its time.
    Unknown,
}

/// What was published within this time is of a replica that lives.
const LIVE_WITHIN: Duration = PUBLISHED_EVERY.saturating_mul(2);

/// Sagas that are counted one by one: enough to tell few from many.
const COUNTED_MAX: u32 = 10_000;

impl Store {
    /// What replicas have published, now or ever, without what is in `held`; by name, version and
    /// fingerprint.
    ///
    /// # Errors
    ///
    /// When the database is away or refuses.
    pub async fn lacking(&self, held: &[Pin]) -> Result<Vec<Lacking>, Error> {
        let live = interval(LIVE_WITHIN);
        let statement = sqlx::query(sqlx::AssertSqlSafe(format!(
            "SELECT name, version, fingerprint, seen_at,
                 seen_at > statement_timestamp() - {live}
                     AND seen_at < statement_timestamp() + {live} AS is_live
             FROM definition_seen d
             WHERE NOT EXISTS (
                 SELECT FROM unnest($1::text[], $2::bigint[], $3::uuid[])
                     AS held (name, version, fingerprint)
                 WHERE held.name = d.name AND held.version = d.version
                     AND held.fingerprint = d.fingerprint)
             ORDER BY name, version, fingerprint"
        )))
        .bind(column(held, |pin| pin.name.clone()))
        .bind(column(held, |pin| i64::from(pin.version)))
        .bind(column(held, |pin| pin.fingerprint));
        let rows = self.run(Ask::Lacking, statement).await?;
        let lacking = rows.iter().map(|row| {
            Ok(Lacking {
                pin: definition::read(row)?.pin,
                is_live: row.try_get("is_live")?,
            })
        });
        lacking.collect()
    }

    /// Open sagas that pin this, up to ten thousand; of all shards, or of this one.
    ///
    /// # Errors
    ///
    /// When the database is away or refuses.
    pub async fn open_sagas_of(&self, pin: &Pin, shard: Option<u16>) -> Result<Counted, Error> {
        let of_shard = shard.map_or("", |_| "AND shard = $5::integer");
        // Later than it was seen: a replica goes on without a heartbeat, but not for so long.
        let forgotten = interval(FORGOTTEN_AFTER);
        let mut statement = sqlx::query(sqlx::AssertSqlSafe(format!(
            "SELECT count(*) FROM (
                 SELECT FROM saga
                 WHERE definition = $1 AND version = $2 AND fingerprint = $3
                     AND status IN ('running', 'compensating', 'stuck') {of_shard}
                     AND started_at <= (
                         SELECT seen_at + {forgotten} FROM definition_seen
                         WHERE name = $1 AND version = $2 AND fingerprint = $3)
                 LIMIT $4) AS open"
        )))
        .bind(pin.name.clone())
        .bind(i64::from(pin.version))
        .bind(pin.fingerprint)
        .bind(i64::from(COUNTED_MAX) + 1);
        if let Some(shard) = shard {
            statement = statement.bind(i32::from(shard));
        }
        let count: i64 = match self.run_one(Ask::OpenSagasOf, statement).await {
            Ok(row) => row.try_get("count")?,
            Err(failure) if failure.was_cancelled() => return Ok(Counted::Unknown),
            Err(failure) => return Err(failure.into()),
        };
        let (count, max) = (count.unsigned_abs(), u64::from(COUNTED_MAX));
        Ok(if count > max {
            Counted::AtLeast(max)
        } else {
            Counted::Exactly(count)
        })
    }
}
