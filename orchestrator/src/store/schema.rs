//! The schema: bringing it up to date, and refusing to work with another one.
//!
//! Invariant: no migration waits for a lock for longer than [`LOCK_WITHIN`]. While it waits for one that
//! excludes all others, every statement of the running replicas waits behind it; so it gives up, they go
//! on, and it comes again.
//!
//! A binary works with its own release's schema and with the next one's, so a database that knows more
//! migrations than the binary may be fine; `sagas::schema` has the rule.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use sagas::schema::{self, Migration};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Row as _};

use super::kind::Ask;
use super::lock::Holders;
use super::{Error, Failure, Store};
use crate::cause::chain;

/// Beside it, an application may keep migrations of its own in the same database.
const VERSION_TABLE: &str = "saga_migrations";

/// How long one statement of a migration waits for a lock: as long as a commit may be late without
/// anybody minding.
const LOCK_WITHIN: Duration = Duration::from_secs(1);

/// How often somebody looks whom it waits for.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Between two tries; doubled each time, up to the second one.
const REST: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

fn migrator() -> Migrator {
    let mut migrator = sqlx::migrate!("../migrations");
    migrator.dangerous_set_table_name(VERSION_TABLE);
    migrator.set_ignore_missing(true);
    migrator
}

impl Store {
    /// Applies the migrations that are missing, each in its own transaction, and fixes the number
    /// of shards if this is the first time. Replicas that start together do it one after another.
    ///
    /// Waits for locks that others hold for as long as it takes, a second at a time; the log says who
    /// holds them. Replicas that are running stay at work meanwhile.
    ///
    /// # Errors
    ///
    /// When the database is away or refuses, has a schema that this release does not work with, or was
    /// installed with another number of shards.
    pub async fn migrate(&self) -> Result<(), Error> {
        self.missing_migrations().await?;
        self.apply(&migrator()).await?;
        let install = sqlx::query(
            "INSERT INTO installation (shards) VALUES ($1) ON CONFLICT (is_only) DO NOTHING",
        );
        self.run(Ask::Install, install.bind(self.shards_stored()))
            .await?;
        self.check_schema().await
    }

    /// Applies what the migrator has and the database lacks, as [`Store::migrate`] does.
    ///
    /// # Errors
    ///
    /// When the database is away, or refuses a migration for another reason than a lock.
    pub async fn apply(&self, migrator: &Migrator) -> Result<(), Error> {
        let mut rest = REST.0;
        loop {
            let (outcome, holders) = self.try_to_apply(migrator).await?;
            let Err(error) = outcome else {
                return Ok(());
            };
            if !waited_for_a_lock(&error) {
                return Err(Error::Migration(error));
            }
            tracing::warn!(
                "the schema is not migrated yet: a lock is held by {holders}; trying again in {} s",
                rest.as_secs()
            );
            tokio::time::sleep(rest).await;
            rest = (rest * 2).min(REST.1);
        }
    }

    /// One try, and whom it was last seen to wait for.
    async fn try_to_apply(
        &self,
        migrator: &Migrator,
    ) -> Result<(Result<(), MigrateError>, Holders), Error> {
        // A connection of its own: a migration may take longer than any statement may. Dropped half
        // way, it is closed, and the migration is rolled back.
        let options = self.pool.pool().connect_options().as_ref().clone();
        let lock_within = ("lock_timeout", LOCK_WITHIN.as_millis().to_string());
        let options = options
            .application_name("saga-migrate")
            .options([lock_within]);
        let connected = PgConnection::connect_with(&options).await;
        let mut connection = connected.map_err(|error| Failure::NotSent(Arc::new(error)))?;
        let pid = sqlx::query_scalar("SELECT pg_backend_pid()");
        let pid = pid.fetch_one(&mut connection).await;
        let pid = pid.map_err(Failure::Answered)?;
        let mut last = Holders::default();
        let outcome = {
            // `run` would make this future one that cannot be spawned (rust-lang/rust#100013).
            let mut run = pin!(migrator.run_direct(None, &mut connection, false));
            let mut look = tokio::time::interval(LOOK_EVERY);
            loop {
                tokio::select! {
                    outcome = &mut run => break outcome,
                    _ = look.tick() => {}
                }
                // It waits on the server: nothing is lost while somebody looks.
                match self.holders(pid).await {
                    Ok(holders) if !holders.is_empty() => last = holders,
                    Ok(_) => {}
                    Err(error) => {
                        tracing::debug!(error = chain(&error), "cannot see who holds a lock");
                    }
                }
            }
        };
        // It is idle, or of no use: an error while it closes changes nothing.
        let _ = connection.close().await;
        Ok((outcome, last))
    }

    /// Whether the schema is the one that this binary needs.
    ///
    /// # Errors
    ///
    /// When migrations are missing, the schema is of a release that this one does not work with, the
    /// number of shards differs from the stored one, or the database is away.
    pub async fn check_schema(&self) -> Result<(), Error> {
        let missing = self.missing_migrations().await?;
        if !missing.is_empty() {
            return Err(Error::NotMigrated { missing });
        }
        let stored = sqlx::query("SELECT shards FROM installation");
        let row = self.run(Ask::Shards, stored).await?.pop();
        let Some(row) = row else {
            // Migrated, but interrupted before the number of shards was written.
            return Err(Error::NotMigrated { missing: vec![] });
        };
        let stored = row.try_get::<i16, _>("shards")?.unsigned_abs();
        if stored != self.shards {
            return Err(Error::ShardsDiffer {
                stored,
                configured: self.shards,
            });
        }
        Ok(())
    }

    /// What this binary has and the database lacks.
    async fn missing_migrations(&self) -> Result<Vec<i64>, Error> {
        let exists =
            sqlx::query("SELECT to_regclass($1) IS NOT NULL AS exists").bind(VERSION_TABLE);
        let exists = self.run_one(Ask::Migrations, exists).await?;
        let exists: bool = exists.try_get("exists")?;
        let mut applied = Vec::new();
        if exists {
            let all = sqlx::query("SELECT version, checksum FROM saga_migrations WHERE success");
            for row in self.run(Ask::Migrations, all).await? {
                applied.push(Migration {
                    version: row.try_get("version")?,
                    checksum: row.try_get("checksum")?,
                });
            }
        }
        let migrator = migrator();
        let ours = migrator.iter().map(|migration| Migration {
            version: migration.version,
            checksum: migration.checksum.to_vec(),
        });
        let ours: Vec<_> = ours.collect();
        schema::missing(&applied, &ours).map_err(Error::OtherSchema)
    }
}

/// Whether it gave up because others hold a lock, the one among them that lets one replica migrate at a
/// time.
fn waited_for_a_lock(error: &MigrateError) -> bool {
    let (MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) = error else {
        return false;
    };
    let code = error.as_database_error().and_then(|error| error.code());
    code.as_deref() == Some("55P03")
}
