//! The partitions of the archive: made days ahead, dropped when their day has come.
//!
//! No lock here makes anybody wait. A partition is made beside the table and then attached, and
//! detached concurrently: both let readers and writers of the table go on. What is detached is out of
//! everybody's sight, and only then dropped.
//!
//! Several replicas that do this at once get errors of each other's work, and none does harm: what
//! counts is what is there when they look again. A drop that was interrupted anywhere is taken up by
//! the next one, because each of its steps shows in the catalog.

use chrono::{Datelike as _, NaiveDate};
use sagas::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Row as _};

use super::kind::Ask;
use super::retention::{AHEAD_FOR_SURE, Policy};
use super::{Error, Store};

/// Settings of each partition. Compression begins at 128 bytes instead of 2 kB. Rows never change, so
/// vacuum has little to do but to keep the visibility map.
const OPTIONS: &str = "toast_tuple_target = 128, autovacuum_vacuum_insert_scale_factor = 0.1,
    autovacuum_analyze_scale_factor = 0.05";

/// Under this slot, `saga_tally` has what was dropped, as negative numbers. No reply partition has it.
const DROPPED: i32 = -1;

/// A partition of the archive, or what is left of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// The first day on which it may be gone.
    pub day: NaiveDate,
    /// Its size on disk, with indexes.
    pub bytes: u64,
    state: State,
}

/// How many sagas of a definition a partition holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archived {
    /// The partition.
    pub day: NaiveDate,
    /// The definition's name.
    pub definition: String,
    /// How many.
    pub sagas: u64,
}

/// How far its end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Attached,
    /// Queries do not see it any more, but somebody may who began before.
    Detaching,
    Detached,
}

/// What became of the partitions whose day has come.
#[derive(Debug, Default)]
pub struct Dropped {
    /// Gone.
    pub partitions: Vec<Partition>,
    /// Why the others are not; somebody still reads them, mostly. The next call goes on.
    pub held_up: Option<Error>,
}

impl Store {
    /// The archive's partitions, those that go first, first.
    ///
    /// # Errors
    ///
    /// When the database is away or refuses.
    pub async fn partitions(&self) -> Result<Vec<Partition>, Error> {
        let statement = sqlx::query(
            "SELECT substr(c.relname, 14) AS day, i.inhdetachpending AS is_detaching,
                 coalesce(pg_total_relation_size(c.oid), 0) AS bytes
             FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
             WHERE c.relkind = 'r' AND c.relname ~ '^saga_archive_[0-9]{8}$' AND c.relnamespace =
                 (SELECT relnamespace FROM pg_class WHERE oid = 'saga_archive'::regclass)
             ORDER BY day",
        );
        let rows = self.run(Ask::Partitions, statement).await?;
        rows.iter().map(read).collect()
    }

    /// What the partitions hold, as the moves have counted it; by day, then definition.
    ///
    /// # Errors
    ///
    /// When the database is away or refuses.
    pub async fn archived_sagas(&self) -> Result<Vec<Archived>, Error> {
        let statement = sqlx::query(
            "SELECT drop_on, definition, sum(sagas)::bigint AS sagas FROM saga_archive_tally
             GROUP BY drop_on, definition ORDER BY drop_on, definition",
        );
        let read = |row: &PgRow| {
            Ok(Archived {
                day: row.try_get("drop_on")?,
                definition: row.try_get("definition")?,
                sagas: row.try_get::<i64, _>("sagas")?.unsigned_abs(),
            })
        };
        let rows = self.run(Ask::ArchivedSagas, statement).await?;
        rows.iter().map(read).collect()
    }

    /// Makes the partitions that the policy will need in the next days, where they are missing, and
    /// lets the commits of the next day put there what they end. Returns how many were made.
    ///
    /// # Errors
    ///
    /// When the database is away or refuses.
    pub async fn make_partitions(&self, policy: &Policy, now: Timestamp) -> Result<usize, Error> {
        let mut made = 0;
        for day in policy.days(now) {
            if self.has_partition(day).await? {
                continue;
            }
            match self.make_partition(day).await {
                Ok(()) => made += 1,
                // Another replica may have made it meanwhile.
                Err(error) if !self.has_partition(day).await? => return Err(error),
                Err(_) => {}
            }
        }
        self.destination.open(policy, now + AHEAD_FOR_SURE)?;
        Ok(made)
    }

    async fn has_partition(&self, day: NaiveDate) -> Result<bool, Error> {
        let statement = sqlx::query("SELECT to_regclass($1) IS NOT NULL AS exists").bind(name(day));
        let row = self.run_one(Ask::HasPartition, statement).await?;
        Ok(row.try_get("exists")?)
    }

    /// One statement, so that there is never a table of this name that is not attached and holds
    /// nothing. To create it as a partition at once would lock the archive against its readers.
    async fn make_partition(&self, day: NaiveDate) -> Result<(), Error> {
        let (name, next) = (name(day), day.succ_opt().unwrap_or(day));
        self.define(format!(
            "DO $$ BEGIN
                 CREATE TABLE {name} (LIKE saga_archive INCLUDING STORAGE INCLUDING COMPRESSION) WITH ({OPTIONS});
                 ALTER TABLE saga_archive ATTACH PARTITION {name}
                     FOR VALUES FROM ('{day}') TO ('{next}');
             END $$"
        ))
        .await
    }

    /// Drops the partitions whose day has come, oldest first. Whoever reads one of them goes on
    /// undisturbed, and holds it and the later ones up until then.
    ///
    /// # Errors
    ///
    /// When the partitions cannot be listed; what holds up the drop of one is in the answer.
    pub async fn drop_partitions(&self, now: Timestamp) -> Result<Dropped, Error> {
        let today = now.to_chrono().date_naive();
        let mut dropped = Dropped::default();
        for partition in self.partitions().await? {
            if partition.day > today {
                break;
            }
            if let Err(error) = self.drop_partition(&partition).await {
                dropped.held_up = Some(error);
                break;
            }
            dropped.partitions.push(partition);
        }
        Ok(dropped)
    }

    async fn drop_partition(&self, partition: &Partition) -> Result<(), Error> {
        let name = name(partition.day);
        let detach = |how| format!("ALTER TABLE saga_archive DETACH PARTITION {name} {how}");
        match partition.state {
            State::Attached => self.define(detach("CONCURRENTLY")).await?,
            State::Detaching => self.define(detach("FINALIZE")).await?,
            State::Detached => {}
        }
        self.forget_tally(partition.day).await?;
        self.define(format!("DROP TABLE {name}")).await
    }

    /// Takes what the partition held off the counts of sagas that have ended, once.
    async fn forget_tally(&self, day: NaiveDate) -> Result<(), Error> {
        let statement = sqlx::query(
            "WITH gone AS (
                 DELETE FROM saga_archive_tally WHERE drop_on = $1 RETURNING is_compensated, sagas
             )
             INSERT INTO saga_tally (slot, status, sagas)
             SELECT $2, CASE WHEN is_compensated THEN 'compensated' ELSE 'completed' END, -sum(sagas)
             FROM gone GROUP BY is_compensated ORDER BY is_compensated
             ON CONFLICT (slot, status) DO UPDATE SET sagas = saga_tally.sagas + excluded.sagas",
        )
        .bind(day)
        .bind(DROPPED);
        self.run(Ask::ForgetTally, statement).await?;
        Ok(())
    }

    /// Runs a definition of the schema. Its text has nothing from outside: names are made of days.
    async fn define(&self, sql: String) -> Result<(), Error> {
        let statement = sqlx::query(AssertSqlSafe(sql)).persistent(false);
        self.run(Ask::Define, statement).await?;
        Ok(())
    }
}

fn name(day: NaiveDate) -> String {
    format!(
        "saga_archive_{:04}{:02}{:02}",
        day.year(),
        day.month(),
        day.day()
    )
}

fn read(row: &PgRow) -> Result<Partition, Error> {
    let day: &str = row.try_get("day")?;
    let day = NaiveDate::parse_from_str(day, "%Y%m%d").map_err(|error| {
        let index = "day".to_owned();
        let source = error.into();
        sqlx::Error::ColumnDecode { index, source }
    })?;
    let bytes: i64 = row.try_get("bytes")?;
    let state = match row.try_get("is_detaching")? {
        Some(false) => State::Attached,
        Some(true) => State::Detaching,
        None => State::Detached,
    };
    Ok(Partition {
        day,
        bytes: bytes.unsigned_abs(),
        state,
    })
}
