//! The kit finds what is wrong: every case holds for a sound service, and for each there is a
//! mistake, in the handlers or in what the inbox remembers, that it is the one to notice.

mod till;

use sagas_participant::Settings;
use sagas_participant::testkit::{Kit, Report, Verdict};
use sqlx::PgPool;
use uuid::Uuid;

use crate::servers::{servers, start_postgres, unique};
use till::{Hold, Mistake, Release, SCHEMA, service};

/// A database of its own, with the till's table and an inbox.
async fn database() -> PgPool {
    let name = unique("k");
    servers().postgres.create_database(&name).unwrap();
    prepared(&servers().postgres.url(&name)).await
}

async fn prepared(url: &str) -> PgPool {
    let pool = PgPool::connect(url).await.unwrap();
    sqlx::raw_sql(SCHEMA).execute(&pool).await.unwrap();
    let settings = Settings::new("no-broker", pool.clone());
    service(Mistake::None, settings).migrate().await.unwrap();
    pool
}

fn hold(cents: i64) -> Hold {
    let id = Uuid::now_v7();
    Hold { id, cents }
}

fn without_probes(pool: PgPool, mistake: Mistake) -> Kit<Hold> {
    Kit::new(pool, move |to| service(mistake, to), || hold(250)).refused(|| hold(-1))
}

/// A kit over a database whose inbox forgets what `sabotage` says.
async fn kit(mistake: Mistake, sabotage: &'static str) -> Kit<Hold> {
    let pool = database().await;
    sqlx::raw_sql(sabotage).execute(&pool).await.unwrap();
    without_probes(pool, mistake)
        .effects("SELECT count(*) FROM held")
        .effects("SELECT sum(cents) FROM held")
}

fn undone(kit: Kit<Hold>) -> Kit<Hold> {
    kit.compensation(|hold| Release { id: hold.id })
}

/// The cases that fail, in their order.
async fn found(mistake: Mistake, sabotage: &'static str) -> Vec<&'static str> {
    let report = undone(kit(mistake, sabotage).await).run().await;
    report.failed().collect()
}

fn skipped(report: &Report) -> Vec<&'static str> {
    let skipped = |verdict: &Verdict| matches!(verdict, Verdict::Skipped { .. });
    let cases = report.cases.iter();
    let cases = cases.filter(|case| skipped(&case.verdict));
    cases.map(|case| case.name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_service_passes_every_case_and_passes_again_on_the_same_database() {
    let pool = database().await;
    for _ in 0..2 {
        let kit = undone(without_probes(pool.clone(), Mistake::None));
        let kit = kit.effects("SELECT sum(cents) FROM held");
        let report = kit.run().await;
        report.assert_passed();
        assert_eq!(report.cases.len(), 12);
        assert_eq!(skipped(&report), ["answers while the standby is away"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_samples_do_not_allow_is_skipped_and_said_so() {
    let report = kit(Mistake::None, "").await.run().await;
    report.assert_passed();
    let expected = [
        "duplicate compensation",
        "compensation first",
        "late forward",
        "concurrent forward and compensation",
        "answers while the standby is away",
    ];
    assert_eq!(skipped(&report), expected);
    let line = "skipped  late forward (the kit was given no compensation)";
    assert!(report.to_string().contains(line), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_effect_outside_the_transaction_is_found_where_the_transaction_is_lost() {
    let expected = ["crash before the commit", "batch with one bad neighbour"];
    assert_eq!(found(Mistake::WritesOutside, "").await, expected);
    // Its row is free before it is written, too, for whoever comes at that moment.
    let found = found(Mistake::Commits, "").await;
    assert!(
        expected.iter().all(|case| found.contains(case)),
        "{found:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compensation_that_leaves_something_or_says_no_is_found_at_once() {
    for mistake in [Mistake::UndoesHalf, Mistake::RefusesToUndo] {
        assert_eq!(found(mistake, "").await, ["forward and compensation"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_whose_members_spoil_each_other_is_found() {
    let losing = found(Mistake::LosesTheBatch, "").await;
    assert_eq!(losing, ["batch with one bad neighbour"]);
    let keeping = found(Mistake::KeepsTheRefused, "").await;
    let expected = ["batch with one bad neighbour", "refused forward"];
    assert_eq!(keeping, expected);
}

/// Deletes rows of one state in the transaction that wrote them.
macro_rules! forget {
    ($state:literal) => {
        concat!(
            "CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                DELETE FROM saga_inbox
                 WHERE (start_day, saga, step) = (NEW.start_day, NEW.saga, NEW.step);
                RETURN NULL;
             END $$;
             CREATE CONSTRAINT TRIGGER forget AFTER INSERT OR UPDATE ON saga_inbox
             DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.status = '",
            $state,
            "') EXECUTE FUNCTION forget();"
        )
    };
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inbox_that_forgets_what_was_undone_is_found() {
    let expected = [
        "duplicate compensation",
        "compensation first",
        "late forward",
        "concurrent forward and compensation",
        "crash between commit and reply",
    ];
    assert_eq!(found(Mistake::None, forget!("compensated")).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inbox_that_forgets_what_was_done_is_found() {
    // Nothing can be undone then, which the first case finds; what else there is shows without.
    let with = found(Mistake::None, forget!("done")).await;
    assert_eq!(with, ["forward and compensation"]);
    let report = kit(Mistake::None, forget!("done")).await.run().await;
    let without: Vec<_> = report.failed().collect();
    let expected = [
        "duplicate forward",
        "crash between commit and reply",
        "redelivery after a month",
        "batch with one bad neighbour",
    ];
    assert_eq!(without, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inbox_that_forgets_refusals_or_its_watermark_is_found() {
    let refusals = found(Mistake::CountsRefusals, forget!("rejected")).await;
    assert_eq!(refusals, ["refused forward"]);
    let watermark = found(
        Mistake::None,
        "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
         CREATE TRIGGER keep BEFORE UPDATE ON saga_inbox_watermark
         FOR EACH ROW EXECUTE FUNCTION keep();",
    )
    .await;
    assert_eq!(watermark, ["redelivery after a month"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_a_failover_would_take_back_is_found() {
    let server = start_postgres();
    let superuser = PgPool::connect(&server.url("postgres")).await.unwrap();
    for (number, (mistake, sabotage, is_found)) in [
        (Mistake::None, "", false),
        (Mistake::None, "ALTER TABLE saga_inbox SET UNLOGGED", true),
        (Mistake::DoesNotWait, "", true),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("k{number}");
        server.create_database(&name).unwrap();
        let pool = prepared(&server.url(&name)).await;
        sqlx::raw_sql(sabotage).execute(&pool).await.unwrap();
        let kit = undone(without_probes(pool, mistake)).superuser(superuser.clone());
        let report = kit.effects("SELECT count(*) FROM held").run().await;
        let found: Vec<_> = report.failed().collect();
        let expected = ["answers while the standby is away"];
        assert_eq!(found, expected[..usize::from(is_found)], "{report}");
        assert_eq!(skipped(&report), [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_says_which_case_what_was_sent_what_was_expected_and_what_came() {
    let report = undone(kit(Mistake::UndoesHalf, "").await).run().await;
    let text = report.to_string();
    for part in [
        "FAILED   forward and compensation",
        "sent forward hold @1 of saga …",
        r#""cents":250}"#,
        r#": succeeded @1 {"cents":250}"#,
        "sent compensate release @1 of saga …",
        "expected: everything is compensated, so the effects of 0 commands: \
         0 by `SELECT count(*) FROM held`, 0 by",
        "came:     1 by `SELECT count(*) FROM held`, 0 by `SELECT sum(cents) FROM held`",
        "skipped  late forward (the first case failed)",
    ] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_sees_no_effect_is_refused() {
    let kit = undone(kit(Mistake::None, "").await);
    let blind = kit.effects("SELECT count(*) FROM nowhere").run().await;
    assert!(blind.to_string().contains("nowhere"), "{blind}");
    assert_eq!(blind.failed().count(), 1);

    let kit = without_probes(database().await, Mistake::None);
    let report = kit.effects("SELECT 7").run().await;
    let line = "unchanged: 7 by `SELECT 7`";
    assert!(report.to_string().contains(line), "{report}");
}
