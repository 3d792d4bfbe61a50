//! Installing, checking, and refusing to work with another installation.

use std::time::{Duration, Instant};

use sagas_core::batch::Batch;
use sagas_orchestrator::store::{Error, Settings, Store};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{Connection as _, Executor as _, PgConnection, SqlSafeStr as _};

use crate::database::{SHARDS, connect, empty, fresh};
use crate::log::Log;
use crate::sample::{self, id};

#[tokio::test]
async fn migrating_again_or_from_several_replicas_at_once_changes_nothing() {
    let url = empty();
    let (one, two) = (connect(&url, SHARDS), connect(&url, SHARDS));
    let (first, second) = tokio::join!(one.migrate(), two.migrate());
    first.unwrap();
    second.unwrap();
    one.migrate().await.unwrap();
    one.check_schema().await.unwrap();
}

#[tokio::test]
async fn another_number_of_shards_is_refused() {
    let db = fresh().await;
    let other = connect(&db.url, SHARDS + 1);
    for checked in [other.check_schema().await, other.migrate().await] {
        let error = checked.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the database was installed with 16 shards, the configuration says 17; set it to 16"
        );
    }
    db.store.check_schema().await.unwrap();
}

#[tokio::test]
async fn a_database_without_the_schema_is_recognized() {
    let store = connect(&empty(), SHARDS);
    let error = store.check_schema().await.unwrap_err();
    assert!(
        matches!(&error, Error::NotMigrated { missing } if *missing == [200]),
        "{error:?}"
    );
}

/// The database's own word for a schema that the migrator of sqlx has written down.
async fn noted(url: &str, versions: &[i64]) {
    let mut side = PgConnection::connect(url).await.unwrap();
    let table = "CREATE TABLE IF NOT EXISTS saga_migrations (version bigint PRIMARY KEY,
        description text NOT NULL, installed_on timestamptz NOT NULL DEFAULT now(),
        success boolean NOT NULL, checksum bytea NOT NULL, execution_time bigint NOT NULL)";
    side.execute(table).await.unwrap();
    let row =
        "INSERT INTO saga_migrations (version, description, success, checksum, execution_time)
        SELECT version, 'sagas', true, '\\x07', 1 FROM unnest($1::bigint[]) AS version";
    sqlx::query(row)
        .bind(versions)
        .execute(&mut side)
        .await
        .unwrap();
}

/// What a store says of the schema, asked either way.
async fn refused(store: &Store) -> String {
    let checked = store.check_schema().await.unwrap_err();
    let migrated = store.migrate().await.unwrap_err();
    assert!(matches!(migrated, Error::OtherSchema(_)), "{migrated:?}");
    assert_eq!(checked.to_string(), migrated.to_string());
    migrated.to_string()
}

#[tokio::test]
async fn the_schema_of_a_release_before_the_break_is_refused_in_one_sentence() {
    let url = empty();
    noted(&url, &[1, 2, 3, 4, 5, 6, 7, 8]).await;
    assert_eq!(
        refused(&connect(&url, SHARDS)).await,
        "the database's schema does not fit this binary: it is of a release before 0.2.0 (migration 8), \
         and formats broke once, with 0.2.0; nothing is converted: let the old binary finish the sagas \
         that are open there, and give this one a new, empty database"
    );
    let mut side = PgConnection::connect(&url).await.unwrap();
    let made = "SELECT to_regclass('saga') IS NOT NULL";
    let made: bool = sqlx::query_scalar(made).fetch_one(&mut side).await.unwrap();
    assert!(!made, "it was migrated nevertheless");
}

#[tokio::test]
async fn the_schema_of_a_build_between_releases_is_refused() {
    let url = empty();
    noted(&url, &[200]).await;
    let said = refused(&connect(&url, SHARDS)).await;
    assert!(
        said.contains("a build between releases (migration 200"),
        "{said}"
    );
    assert!(said.contains("a new, empty database"), "{said}");
}

#[tokio::test]
async fn the_schema_of_the_next_release_fits_and_that_of_a_later_one_is_refused() {
    let db = fresh().await;
    noted(&db.url, &[201, 300, 399]).await;
    db.store.check_schema().await.unwrap();
    db.store.migrate().await.unwrap();
    noted(&db.url, &[400]).await;
    assert_eq!(
        refused(&db.store).await,
        "the database's schema does not fit this binary: it is of release 0.4 (migration 400), and since \
         formats broke once, with 0.2.0, a binary works with the schemas of its own release, here 0.2, \
         and of the next one; start a newer binary"
    );
}

#[tokio::test]
async fn a_malformed_url_and_impossible_shards_are_refused_without_showing_the_password() {
    let settings = |url: &str, shards| Settings {
        url: url.to_owned(),
        connections_max: 1,
        commits_max: 2,
        shards,
    };
    let malformed = settings("postgres://me:secret@host:port/db", 1);
    assert!(!format!("{malformed:?}").contains("secret"));
    let error = Store::connect(&malformed).unwrap_err();
    assert!(!format!("{error:?}").contains("secret"));
    let good = "postgres://127.0.0.1/db";
    for shards in [0, 40_000] {
        let error = Store::connect(&settings(good, shards)).unwrap_err();
        assert!(matches!(error, Error::ShardsOutOfRange(_)), "{error:?}");
    }
}

/// A migration that excludes everybody from the table `saga` for a moment.
fn one_more() -> Migrator {
    let sql = "ALTER TABLE saga ADD COLUMN added_later text";
    let (kind, description) = (MigrationType::Simple, "later".into());
    let migration = Migration::new(9_999, description, kind, sql.into_sql_str(), false);
    let mut migrator = Migrator::with_migrations(vec![migration]);
    migrator.dangerous_set_table_name("saga_migrations");
    migrator.set_ignore_missing(true);
    migrator
}

#[tokio::test]
async fn commits_go_on_while_a_migration_waits_for_a_lock_and_the_log_says_who_holds_it() {
    let db = fresh().await;
    let named = format!("{}?application_name=month-end-report", db.url);
    let mut holder = PgConnection::connect(&named).await.unwrap();
    holder
        .execute("BEGIN; SELECT count(*) FROM saga")
        .await
        .unwrap();
    let (log, _here) = Log::begin();
    let migrating = tokio::spawn({
        let store = db.store.clone();
        async move { store.apply(&one_more()).await }
    });
    // Two tries: the second comes after the first has given way.
    let (definition, deadline) = (
        sample::definition(1),
        Instant::now() + Duration::from_secs(30),
    );
    let mut number = 0;
    while log.count("trying again in") < 2 {
        number += 1;
        let (_, start) = sample::start(&definition, id(number), "a");
        let batch = Batch {
            starts: vec![start],
            ..Batch::default()
        };
        let asked = Instant::now();
        db.store.commit(&batch).await.unwrap();
        // As long as one try waits, on a machine that does other things, too.
        assert!(asked.elapsed() < Duration::from_secs(4));
        assert!(Instant::now() < deadline, "{log:?}");
    }
    assert_eq!(
        log.count("month-end-report, idle in transaction"),
        2,
        "{log:?}"
    );
    assert!(!migrating.is_finished());
    holder.execute("COMMIT").await.unwrap();
    migrating.await.unwrap().unwrap();
    let last = db.store.load(&[id(number)]).await.unwrap().loaded;
    assert_eq!(last.len(), 1);
}
