//! `saga retention`, as an operator runs it.

use crate::database::{SHARDS, fresh, id};
use crate::program::{check, saga};

#[tokio::test]
async fn a_dry_run_changes_nothing_and_a_run_moves_what_has_ended() {
    let mut db = fresh().await;
    db.complete(20).await;
    let shards = SHARDS.to_string();
    let retention = |more: &[&str]| {
        let mut command = saga();
        command.args(["retention", "--database-url", &db.url, "--shards", &shards]);
        command.args(more);
        command
    };
    let dry = [
        "sagas         30d after their end",
        "The archive holds no sagas yet.",
        "move 20 finished sagas to the archive",
    ];
    check(&mut retention(&["--dry-run"]), 0, &dry);
    check(&mut retention(&["--dry-run"]), 0, &dry);
    let done = [
        "moved 20 finished sagas to the archive",
        "dropped 0 partitions",
    ];
    check(
        &mut retention(&["--retention-definitions", "take-notes=7d"]),
        0,
        &done,
    );
    // They ended years ago, so their time is over tomorrow.
    let left = ["take-notes", "tomorrow", "move 0 finished sagas"];
    check(&mut retention(&["--dry-run"]), 0, &left);
    let json = ["\"sagas\": 20", "\"done\": null"];
    check(&mut retention(&["--dry-run", "--output", "json"]), 0, &json);
    assert_eq!(db.number("SELECT count(*) FROM saga_archive").await, 20);
}

#[tokio::test]
async fn sagas_that_cannot_be_moved_stay_and_hold_up_no_others() {
    let mut db = fresh().await;
    db.complete(300).await;
    let bad = [7, 8, 200]
        .map(|number| format!("'{}'", id(number)))
        .join(", ");
    let refuse = format!(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN RAISE EXCEPTION 'damaged' USING ERRCODE = 'data_corrupted'; END $$;
         CREATE TRIGGER refuse BEFORE INSERT ON saga_archive FOR EACH ROW
             WHEN (NEW.id IN ({bad})) EXECUTE FUNCTION refuse()"
    );
    let refuse = sqlx::raw_sql(sqlx::AssertSqlSafe(refuse));
    refuse.execute(&mut db.side).await.unwrap();
    let mut command = saga();
    let shards = SHARDS.to_string();
    command.args(["retention", "--database-url", &db.url, "--shards", &shards]);
    let saga = id(200).to_string();
    let said = [
        "moved 297 finished sagas",
        "cannot be moved to the archive",
        &saga,
    ];
    check(&mut command, 0, &said);
    assert_eq!(db.number("SELECT count(*) FROM saga").await, 3);
}

#[tokio::test]
async fn keys_that_are_freed_too_early_are_refused_before_anything_is_done() {
    let db = fresh().await;
    let arguments = ["--database-url", &db.url, "--retention-keys", "31d"];
    let said = [
        "keys are kept for 31 days",
        "sagas of any definition (30 days)",
    ];
    check(saga().arg("retention").args(arguments), 2, &said);
}
