//! The schema: bringing it up to date, and refusing to work with another one.
//!
//! Migrations only ever add, so an older binary works beside a newer one during a deployment: a
//! database that knows more migrations than the binary is fine.

use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Row as _};

use super::kind::Ask;
use super::{Error, Failure, Store};

/// Beside it, an application may keep migrations of its own in the same database.
const VERSION_TABLE: &str = "saga_migrations";

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
    /// # Errors
    ///
    /// When the database is away or refuses, or was installed with another number of shards.
    pub async fn migrate(&self) -> Result<(), Error> {
        // A connection of its own: a migration may take longer than any statement may. Dropped half
        // way, it is closed, and the migration is rolled back.
        let options = self.pool.pool().connect_options();
        let connected = PgConnection::connect_with(&options).await;
        let mut connection = connected.map_err(Failure::NotSent)?;
        // `run` would make this future one that cannot be spawned (rust-lang/rust#100013).
        let run = migrator().run_direct(None, &mut connection, false).await;
        run.map_err(Error::Migration)?;
        // It is idle: an error while it closes changes nothing.
        let _ = connection.close().await;
        let install = sqlx::query(
            "INSERT INTO installation (shards) VALUES ($1) ON CONFLICT (is_only) DO NOTHING",
        );
        self.run(Ask::Install, install.bind(self.shards_stored()))
            .await?;
        self.check_schema().await
    }

    /// Whether the schema is the one that this binary needs.
    ///
    /// # Errors
    ///
    /// When migrations are missing, the number of shards differs from the stored one, or the
    /// database is away.
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

    async fn missing_migrations(&self) -> Result<Vec<i64>, Error> {
        let exists =
            sqlx::query("SELECT to_regclass($1) IS NOT NULL AS exists").bind(VERSION_TABLE);
        let exists = self.run_one(Ask::Migrations, exists).await?;
        let exists: bool = exists.try_get("exists")?;
        let mut applied = Vec::new();
        if exists {
            let versions = sqlx::query("SELECT version FROM saga_migrations WHERE success");
            for row in self.run(Ask::Migrations, versions).await? {
                applied.push(row.try_get::<i64, _>("version")?);
            }
        }
        let migrator = migrator();
        let needed = migrator.iter().map(|migration| migration.version);
        Ok(needed
            .filter(|version| !applied.contains(version))
            .collect())
    }
}
