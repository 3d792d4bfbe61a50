//! A real Postgres is started, asked with `psql`, stopped, killed and started again.

use std::process::Command;

use sagas_local::{Postgres, PostgresOptions, program};

fn fast() -> PostgresOptions {
    PostgresOptions {
        fsync: false,
        ..PostgresOptions::default()
    }
}

/// What `psql` prints for a statement.
fn ask(url: &str, statement: &str) -> Result<String, sagas_local::Error> {
    let printed = program::run(Command::new("psql").args(["-qtAX", url, "-c", statement]))?;
    Ok(printed.trim().to_owned())
}

#[test]
fn a_started_server_answers_and_a_dropped_one_leaves_nothing() {
    let server = Postgres::start(fast()).unwrap();
    let folder = server.log().parent().unwrap().to_owned();
    assert_eq!(ask(&server.url("postgres"), "select 1").unwrap(), "1");
    assert_eq!(
        ask(&server.url("postgres"), "show listen_addresses").unwrap(),
        "127.0.0.1"
    );
    assert_eq!(
        ask(&server.url("postgres"), "show max_connections").unwrap(),
        "300"
    );

    let (url, pid) = (server.url("postgres"), server.pid().unwrap());
    drop(server);
    assert!(ask(&url, "select 1").is_err());
    assert!(
        sagas_local::process::usage(pid).is_err(),
        "process {pid} lives on"
    );
    assert!(!folder.exists(), "{} is still there", folder.display());
}

#[test]
fn committed_rows_survive_a_stop_and_a_kill() {
    let mut server = Postgres::start(fast()).unwrap();
    server.create_database("shop").unwrap();
    let url = server.url("shop");
    ask(&url, "create table t (n int); insert into t values (7)").unwrap();

    server.stop().unwrap();
    assert!(ask(&url, "select n from t").is_err());
    assert_eq!(server.pid(), None);
    server.start_again().unwrap();
    assert_eq!(ask(&url, "select n from t").unwrap(), "7");

    for round in 0..3 {
        ask(&url, "insert into t values (8)").unwrap();
        server.kill().unwrap();
        assert!(ask(&url, "select 1").is_err(), "round {round}");
        server.start_again().unwrap();
    }
    assert_eq!(ask(&url, "select count(*) from t").unwrap(), "4");
}

#[test]
fn a_folder_of_the_caller_is_kept_and_used_again() {
    let folder = sagas_local::folder::Temporary::new("local-test").unwrap();
    let data = folder.path().join("not/there/yet");
    let options = PostgresOptions {
        data: Some(data),
        settings: vec![("work_mem".to_owned(), "5MB".to_owned())],
        ..fast()
    };
    let first = Postgres::start(options.clone()).unwrap();
    first.create_database("kept").unwrap();
    drop(first);

    let second = Postgres::start(options).unwrap();
    assert_eq!(ask(&second.url("kept"), "show work_mem").unwrap(), "5MB");
}

#[test]
fn a_database_that_exists_is_refused_with_the_words_of_postgres() {
    let server = Postgres::start(fast()).unwrap();
    server.create_database("twice").unwrap();
    let error = server.create_database("twice").unwrap_err().to_string();
    assert!(error.contains("already exists"), "{error}");
}

#[test]
fn a_setting_that_postgres_refuses_shows_its_log() {
    let settings = vec![("no_such_setting".to_owned(), "1".to_owned())];
    let error = Postgres::start(PostgresOptions { settings, ..fast() }).unwrap_err();
    assert!(
        matches!(
            error,
            sagas_local::Error::EndedEarly {
                server: "Postgres",
                ..
            }
        ),
        "{error}"
    );
    assert!(error.to_string().contains("no_such_setting"), "{error}");
}

#[test]
fn a_promoted_standby_has_what_its_primary_was_told_was_committed() {
    let primary = Postgres::start(fast()).unwrap();
    let mut standby = primary.standby().unwrap();
    let (there, here) = (primary.url("postgres"), standby.url("postgres"));
    let synchronous = format!(
        "alter system set synchronous_standby_names = '{}'",
        Postgres::STANDBY
    );
    ask(&there, &synchronous).unwrap();
    ask(&there, "select pg_reload_conf()").unwrap();
    ask(&there, "create table t (n int); insert into t values (7)").unwrap();
    assert_eq!(ask(&here, "select pg_is_in_recovery()").unwrap(), "t");

    standby.stop().unwrap();
    standby.start_again().unwrap();
    standby.promote().unwrap();
    drop(primary);
    assert_eq!(
        ask(&here, "insert into t values (8) returning n").unwrap(),
        "8"
    );
    assert_eq!(ask(&here, "select count(*) from t").unwrap(), "2");
}
