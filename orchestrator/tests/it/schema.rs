//! Installing, checking, and refusing to work with another installation.

use orchestrator::store::{Error, Settings, Store};

use crate::database::{SHARDS, connect, empty, fresh};

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
        matches!(&error, Error::NotMigrated { missing } if *missing == [1, 2, 3, 4, 5, 6, 7]),
        "{error:?}"
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
