//! What a commit says when the database refuses, deadlocks, hangs up or is away.

use std::time::{Duration, Instant};

use sagas::Outcome;
use sagas_core::CommitError;
use sagas_core::batch::{Batch, StartOutcome};
use sagas_local::{Postgres, PostgresOptions};
use sagas_orchestrator::store::{Error, Failure};
use sqlx::Connection as _;

use crate::database::{SHARDS, connect, fresh};
use crate::sample::{self, id};

/// Sagas `1..=count`, started, and a batch that moves them all.
async fn started(store: &sagas_orchestrator::store::Store, count: u128) -> Batch {
    let definition = sample::definition(1);
    let mut begin = Batch::default();
    let mut go_on = Batch::default();
    for number in 1..=count {
        let (saga, start) = sample::start(&definition, id(number), "a");
        begin.starts.push(start);
        let (_, update) = sample::reply(&definition, &saga, 0, Outcome::Succeeded);
        go_on.updates.push(update);
    }
    store.commit(&begin).await.unwrap();
    go_on
}

const WAITING: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
     AND application_name = 'saga-orchestrator' AND wait_event_type = 'Lock'";

#[tokio::test]
async fn data_that_cannot_be_stored_is_told_from_trouble_and_commits_nothing() {
    let mut db = fresh().await;
    let definition = sample::definition(1);
    let (_, good) = sample::start(&definition, id(1), "a");
    let (_, mut nul) = sample::start(&definition, id(2), "a");
    nul.definition = "a\0b".to_owned();
    let batch = Batch {
        starts: vec![good, nul],
        ..Batch::default()
    };
    let error = db.store.commit(&batch).await.unwrap_err();
    assert!(matches!(error, CommitError::Data(_)), "{error:?}");
    assert_eq!(db.number("SELECT count(*) FROM saga").await, 0);
}

#[tokio::test]
async fn a_connection_that_is_killed_during_the_commit_leaves_its_outcome_unknown() {
    let mut db = fresh().await;
    let batch = started(&db.store, 1).await;
    let mut other = sqlx::PgConnection::connect(&db.url).await.unwrap();
    sqlx::raw_sql("BEGIN; SELECT id FROM saga FOR UPDATE")
        .execute(&mut other)
        .await
        .unwrap();
    let commit = async { db.store.commit(&batch).await.unwrap_err() };
    let url = db.url.clone();
    let kill = async move {
        let mut side = crate::database::Database {
            store: connect(&url, SHARDS),
            side: sqlx::PgConnection::connect(&url).await.unwrap(),
            url,
        };
        side.until(WAITING, 1).await;
        sqlx::query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
        .execute(&mut side.side)
        .await
        .unwrap();
    };
    let (error, ()) = tokio::join!(commit, kill);
    assert!(matches!(error, CommitError::Ambiguous(_)), "{error:?}");
    other.close().await.unwrap();
    // The next one gets another connection, and here the answer is: it was not committed.
    assert_eq!(db.store.commit(&batch).await.unwrap().updates, [true]);
    assert_eq!(db.entries().await, 2);
}

#[tokio::test]
async fn the_victim_of_a_deadlock_may_try_again() {
    let mut db = fresh().await;
    let batch = started(&db.store, 2).await;
    let shard = |number| id(number).shard(SHARDS);
    let (first, last) = if shard(1) < shard(2) { (1, 2) } else { (2, 1) };
    let lock = |number: u128| {
        let saga = id(number);
        sqlx::query("SELECT 1 FROM saga WHERE id = $1 FOR UPDATE").bind(saga.0)
    };
    let mut other = sqlx::PgConnection::connect(&db.url).await.unwrap();
    // The commit shall be the one that notices.
    let begin = "SET deadlock_timeout = '60 s'; BEGIN";
    sqlx::raw_sql(begin).execute(&mut other).await.unwrap();
    lock(last).execute(&mut other).await.unwrap();
    let store = db.store.clone();
    let commit = tokio::spawn({
        let batch = batch.clone();
        async move { store.commit(&batch).await }
    });
    db.until(WAITING, 1).await;
    lock(first).execute(&mut other).await.unwrap();
    let error = commit.await.unwrap().unwrap_err();
    assert!(matches!(error, CommitError::Retry(_)), "{error:?}");
    other.close().await.unwrap();
    assert_eq!(db.store.commit(&batch).await.unwrap().updates, [true, true]);
}

#[tokio::test]
async fn a_caller_that_goes_away_interrupts_nothing() {
    let mut db = fresh().await;
    let batch = started(&db.store, 1).await;
    let mut other = sqlx::PgConnection::connect(&db.url).await.unwrap();
    sqlx::raw_sql("BEGIN; SELECT id FROM saga FOR UPDATE")
        .execute(&mut other)
        .await
        .unwrap();
    let store = db.store.clone();
    let caller = tokio::spawn(async move { store.commit(&batch).await });
    db.until(WAITING, 1).await;
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    other.close().await.unwrap();
    db.until("SELECT count(*) FROM saga WHERE revision = 2", 1)
        .await;
    db.store.ping().await.unwrap();
    let open = "SELECT count(*) FROM pg_stat_activity \
                WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
    assert_eq!(db.number(open).await, 0);
}

#[tokio::test]
async fn a_database_that_is_away_is_noticed_in_seconds_and_used_again_when_it_is_back() {
    let options = PostgresOptions {
        fsync: false,
        ..PostgresOptions::default()
    };
    let mut server = tokio::task::spawn_blocking(|| Postgres::start(options).unwrap())
        .await
        .unwrap();
    let store = connect(&server.url("postgres"), SHARDS);
    store.migrate().await.unwrap();
    let batch = started(&store, 1).await;
    server.kill().unwrap();

    let asked = Instant::now();
    // Connections that lay idle when it died tell so once each.
    let error = loop {
        match store.commit(&batch).await.unwrap_err() {
            CommitError::Ambiguous(_) => {}
            error => break error,
        }
    };
    assert!(matches!(error, CommitError::Unavailable(_)), "{error:?}");
    // Reads have connections of their own, which say so once each, too.
    while !matches!(store.load(&[id(1)]).await, Err(Error::Unavailable(_))) {
        assert!(asked.elapsed() < Duration::from_secs(10));
    }
    assert!(asked.elapsed() < Duration::from_secs(10));

    server.start_again().unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while store.ping().await.is_err() {
        assert!(Instant::now() < deadline);
    }
    let committed = loop {
        match store.commit(&batch).await {
            Ok(committed) => break committed,
            Err(error) => assert!(Instant::now() < deadline, "{error:?}"),
        }
    };
    assert_eq!(committed.updates, [true]);
    let (_, again) = sample::start(&sample::definition(1), id(1), "a");
    let again = Batch {
        starts: vec![again],
        ..Batch::default()
    };
    let again = store.commit(&again).await.unwrap();
    assert_eq!(again.starts, [StartOutcome::SameBefore]);
}

/// A server with room for few clients.
async fn crowded() -> Postgres {
    let settings = [
        ("max_connections", "20"),
        ("superuser_reserved_connections", "0"),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let options = PostgresOptions {
        fsync: false,
        settings: settings.into(),
        ..PostgresOptions::default()
    };
    let start = || Postgres::start(options).unwrap();
    tokio::task::spawn_blocking(start).await.unwrap()
}

/// What so many callers get who ask at the same time.
async fn failures(store: &sagas_orchestrator::store::Store, callers: usize) -> Vec<Error> {
    let mut asked = tokio::task::JoinSet::new();
    for _ in 0..callers {
        let store = store.clone();
        asked.spawn(async move { store.load(&[id(1)]).await });
    }
    let answers = asked.join_all().await;
    answers.into_iter().filter_map(Result::err).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_caller_hears_that_the_server_has_too_many_clients() {
    let server = crowded().await;
    let url = server.url("postgres");
    let store = connect(&url, SHARDS);
    store.migrate().await.unwrap();
    store.close().await;
    let store = connect(&url, SHARDS);
    let mut clients = Vec::new();
    while let Ok(client) = sqlx::PgConnection::connect(&url).await {
        clients.push(client);
    }
    let failures = failures(&store, 12).await;
    assert_eq!(failures.len(), 12, "{failures:?}");
    for failure in failures {
        let cause = sagas_orchestrator::cause::of(&failure);
        let told = "cannot get a connection to Postgres: SQLSTATE 53300: the server has no \
                    connection free";
        assert!(cause.to_string().ends_with(told), "{cause}");
        for of_server in ["sorry, too many clients already", "(SQLSTATE 53300)"] {
            assert!(cause.chain().contains(of_server), "{}", cause.chain());
        }
    }
    drop(clients);
    let deadline = Instant::now() + Duration::from_secs(20);
    while let Err(error) = store.load(&[id(1)]).await {
        assert!(Instant::now() < deadline, "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_all_in_use_are_not_blamed_on_the_server() {
    let db = fresh().await;
    let mut other = sqlx::PgConnection::connect(&db.url).await.unwrap();
    let lock = "BEGIN; LOCK TABLE saga IN ACCESS EXCLUSIVE MODE";
    sqlx::raw_sql(lock).execute(&mut other).await.unwrap();
    let failures = failures(&db.store, 12).await;
    let is_busy = |failure: &&Error| {
        let Error::Unavailable(Failure::NotSent(error)) = failure else {
            return false;
        };
        matches!(**error, sqlx::Error::PoolTimedOut)
    };
    assert!(failures.iter().filter(is_busy).count() > 0, "{failures:?}");
}
