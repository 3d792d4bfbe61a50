//! `migrate`, `serve` and the others on a database whose schema is of another release.

use sqlx::{Connection as _, Executor as _, PgConnection};

use crate::database::{SHARDS, fresh};
use crate::program::{check, saga};

/// What a database says that was installed before 0.2.0.
const OLD: &str = "DELETE FROM saga_migrations;
    INSERT INTO saga_migrations (version, description, success, checksum, execution_time)
    VALUES (1, 'sagas', true, '\\x07', 1), (2, 'definition seen', true, '\\x07', 1)";

#[tokio::test]
async fn a_schema_from_before_the_break_ends_every_command_with_two_and_says_what_to_do() {
    let db = fresh().await;
    let mut side = PgConnection::connect(&db.url).await.unwrap();
    side.execute(OLD).await.unwrap();
    let shards = SHARDS.to_string();
    let said = [
        "error: Postgres at 127.0.0.1",
        "a release before 0.2.0 (migration 2)",
        "formats broke once, with 0.2.0",
        "a new, empty database",
    ];
    let commands: [&[&str]; 5] = [
        &["migrate"],
        &["serve", "--listen", "127.0.0.1:0"],
        &["serve", "--listen", "127.0.0.1:0", "--no-migrate"],
        &["retention"],
        &["definitions", "check"],
    ];
    for command in commands {
        let mut program = saga();
        program.args(command).args(["--database-url", &db.url]);
        program.args(["--shards", &shards]);
        check(&mut program, 2, &said);
    }
}
