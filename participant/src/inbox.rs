//! The inbox rows: taken under lock and written back; all in the service's own database.
//!
//! Invariant: whoever was given a row (or its absence) by [`take`] is the only one who has it until
//! the transaction ends. A row in status `taken` is never committed.

use chrono::NaiveDate;
use sagas::barrier::{Row, Stored};
use sagas::schema;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{PgPool, SqlSafeStr};
use uuid::Uuid;

use crate::Error;
use crate::handler::Tx;

/// The table that says which inbox migrations are applied; the service's own migrations have
/// another.
const VERSIONS: &str = "saga_inbox_migrations";

/// The name of a row. Rows are locked in this order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    /// The UTC day on which the saga started.
    pub(crate) day: NaiveDate,
    pub(crate) saga: Uuid,
    pub(crate) step: String,
}

/// The rows of some keys, in the keys' order.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) rows: Vec<Option<Row>>,
    /// Rows of sagas that started before this day may be gone.
    pub(crate) before_day: NaiveDate,
}

/// All that this binary has.
fn migrator() -> Migrator {
    let sql = include_str!("../migrations/0200_inbox.sql");
    let first = Migration::new(
        schema::FIRST,
        "inbox".into(),
        MigrationType::Simple,
        sql.into_sql_str(),
        false,
    );
    let mut migrator = Migrator::with_migrations(vec![first]);
    migrator.dangerous_set_table_name(VERSIONS);
    // An instance of the next release may have run; `check` knows how far that may go.
    migrator.set_ignore_missing(true);
    migrator
}

/// Creates the tables where they are not there yet.
pub(crate) async fn migrate(database: &PgPool) -> Result<(), Error> {
    check(database).await?;
    migrator().run(database).await.map_err(Error::Migrate)
}

/// Refuses tables of a release that this one does not work with.
pub(crate) async fn check(database: &PgPool) -> Result<(), Error> {
    let failed = |source| Error::Database {
        doing: "read which inbox migrations are applied",
        source,
    };
    let exists: bool = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
        .bind(VERSIONS)
        .fetch_one(database)
        .await
        .map_err(failed)?;
    let mut applied: Vec<(i64, Vec<u8>)> = Vec::new();
    if exists {
        let all = "SELECT version, checksum FROM saga_inbox_migrations WHERE success";
        let all = sqlx::query_as(all).fetch_all(database);
        applied = all.await.map_err(failed)?;
    }
    let of = |(version, checksum)| schema::Migration { version, checksum };
    let applied: Vec<_> = applied.into_iter().map(of).collect();
    let migrator = migrator();
    let ours = migrator.iter();
    let ours = ours.map(|migration| of((migration.version, migration.checksum.to_vec())));
    let ours: Vec<_> = ours.collect();
    schema::missing(&applied, &ours).map_err(Error::OtherSchema)?;
    Ok(())
}

type Columns = (
    String,
    Option<i64>,
    Option<String>,
    Option<i64>,
    Option<String>,
    NaiveDate,
);

/// Locks the rows of `keys`, which are sorted and distinct.
///
/// One statement that goes by the primary key alone, whatever the planner believes of the table:
/// a row that is there is locked by an update that changes nothing, one that is not is inserted. It
/// sees what a concurrent transaction committed while it waited, but the watermark as it was when it
/// began; [`write`] tells whether that was too old. Rows come back in the order of the arrays: nothing
/// stands between the scan of the function and the insert.
///
/// So every transaction writes, also one that only gives a stored answer again: its COMMIT waits for a
/// synchronous standby, and with it for whatever wrote the row that it answers from.
pub(crate) async fn take(tx: &mut Tx<'_>, keys: &[&Key]) -> Result<Taken, sqlx::Error> {
    let (days, sagas, steps) = columns(keys);
    let found: Vec<Columns> = sqlx::query_as(
        "INSERT INTO saga_inbox AS inbox (start_day, saga, step, status)
         SELECT start_day, saga, step, 'taken'
           FROM UNNEST($1::date[], $2::uuid[], $3::text[]) AS new (start_day, saga, step)
         ON CONFLICT (start_day, saga, step) DO UPDATE SET status = inbox.status
         RETURNING inbox.status, inbox.generation, inbox.answer, inbox.compensation_generation,
                   inbox.compensation_answer, (SELECT before_day FROM saga_inbox_watermark WHERE single)",
    )
    .bind(&days)
    .bind(&sagas)
    .bind(&steps)
    .fetch_all(&mut **tx)
    .await?;
    let before_day = found.first().expect("no batch is empty").5;
    let rows = found
        .into_iter()
        .map(from_columns)
        .collect::<Result<_, _>>()?;
    Ok(Taken { rows, before_day })
}

fn columns<'a>(keys: &[&'a Key]) -> (Vec<NaiveDate>, Vec<Uuid>, Vec<&'a str>) {
    let mut days = Vec::with_capacity(keys.len());
    let mut sagas = Vec::with_capacity(keys.len());
    let mut steps = Vec::with_capacity(keys.len());
    for key in keys {
        days.push(key.day);
        sagas.push(key.saga);
        steps.push(key.step.as_str());
    }
    (days, sagas, steps)
}

fn from_columns(
    (status, generation, answer, compensation_generation, compensation_answer, _): Columns,
) -> Result<Option<Row>, sqlx::Error> {
    let broken = || sqlx::Error::Decode(format!("saga_inbox row in status {status}").into());
    let stored = |generation: Option<i64>, payload: Option<String>| {
        generation.zip(payload).map(|(generation, payload)| Stored {
            generation: u32::try_from(generation).unwrap_or(u32::MAX),
            payload,
        })
    };
    let forward = stored(generation, answer);
    let undo = stored(compensation_generation, compensation_answer);
    Ok(Some(match status.as_str() {
        "taken" => return Ok(None),
        "done" => Row::Done {
            forward: forward.ok_or_else(broken)?,
            refusal: undo,
        },
        "rejected" => Row::Rejected {
            refusal: forward.ok_or_else(broken)?,
        },
        "compensated" => Row::Compensated {
            forward,
            compensation: undo,
        },
        _ => return Err(broken()),
    }))
}

/// The status and the two stored answers of a row, as its columns have them.
fn to_columns(row: &Row) -> (&'static str, Option<&Stored>, Option<&Stored>) {
    match row {
        Row::Done { forward, refusal } => ("done", Some(forward), refusal.as_ref()),
        Row::Rejected { refusal } => ("rejected", Some(refusal), None),
        Row::Compensated {
            forward,
            compensation,
        } => ("compensated", forward.as_ref(), compensation.as_ref()),
    }
}

/// Writes the rows that changed, all of them locked by [`take`]. `false`: a purge was committed since,
/// so a row that was not there may have been dropped; roll back and begin again.
pub(crate) async fn write(
    tx: &mut Tx<'_>,
    rows: &[(&Key, Row)],
    before_day: NaiveDate,
) -> Result<bool, sqlx::Error> {
    if rows.is_empty() {
        return Ok(true);
    }
    let keys: Vec<&Key> = rows.iter().map(|(key, _)| *key).collect();
    let (days, sagas, steps) = columns(&keys);
    let statuses: Vec<_> = rows.iter().map(|(_, row)| to_columns(row)).collect();
    let generation = |stored: Option<&Stored>| stored.map(|stored| i64::from(stored.generation));
    let watermarks: Vec<NaiveDate> = sqlx::query_scalar(
        "INSERT INTO saga_inbox (start_day, saga, step, status, generation, answer,
                                 compensation_generation, compensation_answer)
         SELECT * FROM UNNEST($1::date[], $2::uuid[], $3::text[], $4::text[], $5::bigint[],
                              $6::text[], $7::bigint[], $8::text[])
         ON CONFLICT (start_day, saga, step) DO UPDATE
            SET status = excluded.status, generation = excluded.generation,
                answer = excluded.answer, compensation_generation = excluded.compensation_generation,
                compensation_answer = excluded.compensation_answer
         RETURNING (SELECT before_day FROM saga_inbox_watermark WHERE single)",
    )
    .bind(&days)
    .bind(&sagas)
    .bind(&steps)
    .bind(statuses.iter().map(|(status, ..)| *status).collect::<Vec<_>>())
    .bind(
        statuses
            .iter()
            .map(|(_, stored, _)| generation(*stored))
            .collect::<Vec<_>>(),
    )
    .bind(
        statuses
            .iter()
            .map(|(_, stored, _)| stored.map(|s| s.payload.as_str()))
            .collect::<Vec<_>>(),
    )
    .bind(
        statuses
            .iter()
            .map(|(.., undo)| generation(*undo))
            .collect::<Vec<_>>(),
    )
    .bind(
        statuses
            .iter()
            .map(|(.., undo)| undo.map(|s| s.payload.as_str()))
            .collect::<Vec<_>>(),
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(watermarks.iter().all(|watermark| *watermark == before_day))
}

/// Gives back the rows that were taken and stay unused. Rare, so its plan may be a poor one.
pub(crate) async fn give_back(tx: &mut Tx<'_>, keys: &[&Key]) -> Result<(), sqlx::Error> {
    if keys.is_empty() {
        return Ok(());
    }
    let (days, sagas, steps) = columns(keys);
    sqlx::query(
        "DELETE FROM saga_inbox AS inbox
          USING UNNEST($1::date[], $2::uuid[], $3::text[]) AS unused (start_day, saga, step)
          WHERE inbox.start_day = unused.start_day AND inbox.saga = unused.saga
            AND inbox.step = unused.step AND inbox.status = 'taken'",
    )
    .bind(&days)
    .bind(&sagas)
    .bind(&steps)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
