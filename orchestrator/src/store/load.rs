//! What a lane needs to go on: sagas with their history, and who is due.
//!
//! Row and history are read by one statement, hence from one snapshot: a history that is ahead of
//! its row would bring back a saga that never was. What is not where sagas run is looked for in the
//! archive, so that whoever names a saga that has ended is answered alike, wherever it lies.

use std::collections::HashSet;
use std::sync::LazyLock;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sagas::machine::{Entry, Moving, Status};
use sagas::sabotage::{Bug, is_seeded};
use sagas::{SagaId, Timestamp};
use sagas_core::loaded::{Found, Loaded, SagaRow, Unreadable};
use sagas_core::look::Look;
use sagas_core::registry::Pin;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use sqlx::postgres::types::PgInterval;

use super::archive::stored;
use super::commit::column;
use super::kind::Ask;
use super::{Error, Store};

/// Which wakes are asked for.
#[derive(Debug, Clone, Copy)]
pub struct Due<'a> {
    /// Of these shards.
    pub shards: &'a [u16],
    /// Of these definitions: what cannot be moved here must not stand before what can.
    pub definitions: &'a [Pin],
    /// That came at least so long ago.
    pub late_by: Duration,
    /// At most so many.
    pub limit: u32,
    /// And of one shard, so that a look is short however many are due.
    pub of_each: u32,
}

impl<'a> Due<'a> {
    /// What a look takes of these definitions.
    #[must_use]
    pub fn of(look: &'a Look, definitions: &'a [Pin]) -> Self {
        Self {
            shards: &look.shards,
            definitions,
            late_by: look.late_by,
            limit: look.limit,
            of_each: look.of_each,
        }
    }
}

/// The columns of the table `saga` that [`read_row`] reads. The archive has them likewise
/// ([`super::archive::AS_SAGA`]). Named one by one, as in every statement: a column that a newer
/// migration adds changes no result, which Postgres would refuse to a prepared statement.
pub(super) const COLUMNS: &str =
    "id, definition, version, fingerprint, status, revision, started_at, updated_at,
    finished_at, wake_at, moving";

static LOAD: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {COLUMNS}, '[' || concat_ws(',', s.entries, (
             SELECT string_agg(h.entry, ',' ORDER BY h.revision) FROM saga_history h
             WHERE s.spilled AND h.shard = s.shard AND h.saga_id = s.id
         )) || ']' AS history
         FROM unnest($1::smallint[], $2::uuid[]) AS l (asked_shard, asked) CROSS JOIN LATERAL (
             SELECT shard, {COLUMNS}, entries, spilled FROM saga
             WHERE saga.shard = l.asked_shard AND saga.id = l.asked OFFSET 0
         ) AS s"
    )
});

impl Store {
    /// Rows and whole histories, in no particular order, to decide by and to answer with: a failover
    /// takes nothing of it back. Unknown ids are simply absent.
    ///
    /// # Errors
    ///
    /// When the database is away or refuses.
    pub async fn load(&self, ids: &[SagaId]) -> Result<Found, Error> {
        self.read(ids, Ask::Load, Ask::LoadArchived).await
    }

    /// As [`Store::load`], to be shown: what is visible, although a failover may take it back. It never
    /// waits for a standby.
    ///
    /// # Errors
    ///
    /// As [`Store::load`]; [`Error::Unreadable`] where this binary cannot read the saga.
    pub async fn show(&self, id: SagaId) -> Result<Option<Loaded>, Error> {
        let mut shown = self.read(&[id], Ask::Show, Ask::ShowArchived).await?;
        match shown.unreadable.pop() {
            Some(Unreadable { id: saga, why, .. }) => Err(Error::Unreadable { saga, why }),
            None => Ok(shown.loaded.pop()),
        }
    }

    async fn read(&self, ids: &[SagaId], hot: Ask, archived: Ask) -> Result<Found, Error> {
        // One look by key for each: a join of a table that was small when it was last analyzed
        // would be planned as a walk through all of it. OFFSET keeps it from becoming a join.
        let statement = sqlx::query(LOAD.as_str())
            .bind(column(ids, |id| self.shard(*id)))
            .bind(column(ids, |id| id.0));
        let rows = self.run(hot, statement).await?;
        let mut found = Found::default();
        read_all(&rows, &mut found)?;
        let readable = found.loaded.iter().map(|loaded| loaded.row.id);
        let unreadable = found.unreadable.iter().map(|saga| saga.id);
        let hot: HashSet<SagaId> = readable.chain(unreadable).collect();
        // Sagas move to the archive and never back: none slips through between the two.
        let rows = self.load_archived(archived, ids, &hot).await?;
        read_all(&rows, &mut found)?;
        Ok(found)
    }

    /// Sagas whose wake has come, the longest due first; of each shard its own longest.
    ///
    /// # Errors
    ///
    /// When the database is away or refuses.
    pub async fn due(&self, asked: &Due<'_>) -> Result<Vec<SagaId>, Error> {
        // One index range per shard, and no more of it than is asked for: what is pinned is compared as
        // one text, because a join would leave the order to the planner.
        let statement = sqlx::query(
            "SELECT due.id FROM unnest($1::smallint[]) AS asked (shard) CROSS JOIN LATERAL (
                 SELECT s.id, s.wake_at FROM saga s
                 WHERE s.shard = asked.shard AND s.wake_at <= statement_timestamp() - $3::interval
                     AND concat_ws('/', s.definition, s.version, s.fingerprint) = ANY($4)
                 ORDER BY s.wake_at LIMIT $5
             ) AS due
             ORDER BY due.wake_at, due.id LIMIT $2",
        );
        let late_by = PgInterval::try_from(asked.late_by).map_err(sqlx::Error::Encode)?;
        let statement = statement
            .bind(stored(asked.shards))
            .bind(i64::from(asked.limit))
            .bind(late_by)
            .bind(column(asked.definitions, ToString::to_string))
            .bind(i64::from(asked.of_each));
        let rows = self.run(Ask::Due, statement).await?;
        rows.iter()
            .map(|row| Ok(SagaId(row.try_get("id")?)))
            .collect()
    }
}

/// Adds what these rows say to what was found.
fn read_all(rows: &[PgRow], found: &mut Found) -> Result<(), sqlx::Error> {
    for row in rows {
        match read_loaded(row)? {
            Ok(loaded) => found.loaded.push(loaded),
            Err(unreadable) => found.unreadable.push(unreadable),
        }
    }
    Ok(())
}

/// Reads a row with its history as one JSON array.
fn read_loaded(row: &PgRow) -> Result<Result<Loaded, Unreadable>, sqlx::Error> {
    let text: &str = row.try_get("history")?;
    let (stored, saga) = read_stored(row)?;
    let history: Result<Vec<Entry>, _> = serde_json::from_str(text);
    let history = history.map_err(|error| format!("the history: {error}"));
    Ok(match (saga, history) {
        (Ok(saga), Ok(mut history)) => {
            if is_seeded(Bug::ReadsStale) {
                history.pop();
            }
            Ok(Loaded { row: saga, history })
        }
        (Err(why), _) | (_, Err(why)) => Err(Unreadable { why, ..stored }),
    })
}

/// Reads a row of the table `saga`, or one of the archive in its shape.
pub(super) fn read_row(row: &PgRow) -> Result<Result<SagaRow, Unreadable>, sqlx::Error> {
    let (stored, saga) = read_stored(row)?;
    Ok(saga.map_err(|why| Unreadable { why, ..stored }))
}

/// What is stored, and the saga's row or why it cannot be read.
fn read_stored(row: &PgRow) -> Result<(Unreadable, Result<SagaRow, String>), sqlx::Error> {
    let at = |column: &str| {
        let at: Option<DateTime<Utc>> = row.try_get(column)?;
        Ok::<_, sqlx::Error>(at.map(Timestamp::from))
    };
    let always = |column: &str| {
        let at: DateTime<Utc> = row.try_get(column)?;
        Ok::<_, sqlx::Error>(Timestamp::from(at))
    };
    let stored = Unreadable {
        id: SagaId(row.try_get("id")?),
        definition: row.try_get("definition")?,
        version: row.try_get("version")?,
        status: row.try_get("status")?,
        revision: row.try_get("revision")?,
        started_at: always("started_at")?,
        updated_at: always("updated_at")?,
        finished_at: at("finished_at")?,
        why: String::new(),
    };
    let (fingerprint, wake_at) = (row.try_get("fingerprint")?, at("wake_at")?);
    let moving: &str = row.try_get("moving")?;
    let saga = values(&stored, moving).map(|(version, status, revision, moving)| SagaRow {
        id: stored.id,
        definition: stored.definition.clone(),
        version,
        fingerprint,
        status,
        revision,
        started_at: stored.started_at,
        updated_at: stored.updated_at,
        finished_at: stored.finished_at,
        wake_at,
        moving,
    });
    Ok((stored, saga))
}

/// Version, status, revision and state, or why one of them cannot be read.
fn values(stored: &Unreadable, moving: &str) -> Result<(u32, Status, u64, Moving), String> {
    let status = Status::ALL
        .into_iter()
        .find(|known| known.as_str() == stored.status)
        .ok_or_else(|| format!("the status: this binary does not know {:?}", stored.status))?;
    let version = u32::try_from(stored.version);
    let revision = u64::try_from(stored.revision);
    Ok((
        version.map_err(|error| format!("the version: {error}"))?,
        status,
        revision.map_err(|error| format!("the revision: {error}"))?,
        serde_json::from_str(moving).map_err(|error| format!("the state: {error}"))?,
    ))
}
