//! Every hot statement touches only the shards (or slots) that it names: the plans say so, as the
//! server made them.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use sagas::Status;
use sagas::wire::Headers;
use sagas_core::batch::{Batch, DeadLetter, LetterKind, Postponement, Slots};
use sagas_core::registry::Pin;
use sagas_local::{Postgres, PostgresOptions};
use sagas_orchestrator::store::list::ListFilter;
use sagas_orchestrator::store::retention::Policy;
use sagas_orchestrator::store::{Due, Store};
use serde_json::Value;
use sqlx::{Connection as _, Executor as _, PgConnection};

use crate::database::{SHARDS, connect};
use crate::retention::{archive_all, completed, later};
use crate::sample;

/// The tables that every saga goes through.
const HOT: [&str; 6] = [
    "saga",
    "saga_history",
    "saga_key",
    "saga_tally",
    "event_outbox",
    "saga_archive",
];

/// As many as an installation has by default: few rows for each.
const SHARDS_USUAL: u16 = 64;

/// A table that a statement reads, and by what it finds its rows.
struct Access {
    statement: String,
    table: String,
    /// `Index Scan saga_wake`.
    how: String,
    condition: String,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            statement,
            table,
            how,
            condition,
        } = self;
        write!(f, "{table} by {how} {condition:?} in {statement}")
    }
}

impl Access {
    fn names_its_place(&self) -> bool {
        self.condition.contains("shard") || self.condition.contains("slot")
    }
}

#[tokio::test]
async fn every_hot_statement_finds_its_rows_by_shard_or_slot() {
    let server = explaining().await;
    let store = connect(&server.url("postgres"), SHARDS);
    store.migrate().await.unwrap();

    completed(&store, 1..=3).await;
    leave_open(&store).await;
    let shards: Vec<u16> = (0..SHARDS).collect();
    let definitions = [Pin::of(&sample::chain())];
    store.due(&due(&shards, &definitions)).await.unwrap();
    store.load(&[sample::id(1), sample::id(9)]).await.unwrap();
    for left in store
        .outbox(&Slots::of(&[0, 1]), Duration::ZERO, None, 10)
        .await
        .unwrap()
    {
        store.delivered(&[left.id]).await.unwrap();
    }
    assert_eq!(archive_all(&store, later()).await, 3);
    store.load(&[sample::id(1)]).await.unwrap();

    let hot = accesses(&server);
    let tables: BTreeSet<_> = hot.iter().map(|access| access.table.as_str()).collect();
    let expected = ["saga", "saga_history", "event_outbox", "saga_archive"];
    assert!(
        expected.iter().all(|table| tables.contains(table)),
        "{tables:?}"
    );
    let wrong: Vec<_> = hot.iter().filter(|one| !one.names_its_place()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");

    // What the check is for.
    let mut side = PgConnection::connect(&server.url("postgres"))
        .await
        .unwrap();
    side.execute("SELECT id FROM saga WHERE started_at > now()")
        .await
        .unwrap();
    let wrong = accesses(&server);
    assert!(wrong.iter().any(|one| !one.names_its_place()));
}

#[tokio::test]
async fn a_commit_finds_its_rows_by_key_although_the_tables_were_empty_when_analyzed() {
    let (server, store, mut side) = installed().await;
    side.execute("VACUUM (ANALYZE)").await.unwrap();
    completed(&store, 1..=3).await;
    ensure_by_key(&accesses(&server));
}

#[tokio::test]
async fn a_commit_finds_its_rows_by_key_although_there_was_one_row_when_it_was_planned() {
    let (server, store, mut side) = installed().await;
    completed(&store, 1..=3).await;
    leave_open(&store).await;
    side.execute(
        "INSERT INTO saga_history (shard, saga_id, revision, at, entry)
         SELECT shard, id, revision, updated_at, entries FROM saga",
    )
    .await
    .unwrap();
    side.execute("DELETE FROM event_outbox WHERE id <> (SELECT id FROM event_outbox LIMIT 1)")
        .await
        .unwrap();
    let outbox = store
        .outbox(&Slots::of(&[0, 1]), Duration::ZERO, None, 10)
        .await
        .unwrap();
    let [left] = &outbox[..] else {
        panic!("{outbox:#?}")
    };
    side.execute("VACUUM (ANALYZE)").await.unwrap();
    let before = accesses(&server).len();
    completed(&store, 4..=6).await;
    let batch = Batch {
        postponements: vec![Postponement {
            id: sample::id(9),
            expected: 1,
            wake_at: None,
        }],
        delivered: vec![left.id],
        ..Default::default()
    };
    store.commit(&batch).await.unwrap();
    let anew = &accesses(&server)[before..];
    ensure_by_key(anew);
    assert!(anew.iter().any(|one| one.table == "event_outbox"));
}

#[tokio::test]
async fn a_commit_of_dead_letters_finds_their_rows_by_digest_although_the_table_was_empty() {
    let (server, store, mut side) = installed().await;
    side.execute("VACUUM (ANALYZE)").await.unwrap();
    let letter = DeadLetter {
        cluster: "".into(),
        topic: "saga.replies".into(),
        partition: 0,
        offset: 1,
        kind: LetterKind::Unreadable,
        reason: "garbage".to_owned(),
        key: None,
        headers: Headers::default(),
        value: None,
    };
    let batch = Batch {
        dead_letters: vec![letter],
        ..Batch::default()
    };
    for _ in 0..2 {
        store.commit(&batch).await.unwrap();
    }
    let all = accesses_to(&["dead_letter", "dead_letter_tally"], &server);
    // The index is a node of its own under that of the table.
    let is_by_bitmap = |one: &Access| one.how == "Bitmap Heap Scan ";
    let is_by_digest = |one: &Access| one.condition.contains("digest = ");
    let wrong: Vec<_> = all
        .iter()
        .filter(|one| !is_by_bitmap(one) || one.table == "dead_letter" && !is_by_digest(one))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let tables: Vec<_> = all.iter().map(|one| one.table.as_str()).collect();
    assert_eq!(tables.len(), 4, "{all:#?}");
    assert!(tables.contains(&"dead_letter_tally"), "{all:#?}");
}

/// One saga that is not completed.
async fn leave_open(store: &Store) {
    let (_, open) = sample::start(&sample::chain(), sample::id(9), "a");
    let batch = Batch {
        starts: vec![open],
        ..Default::default()
    };
    store.commit(&batch).await.unwrap();
}

fn ensure_by_key(hot: &[Access]) {
    let tables: BTreeSet<_> = hot.iter().map(|access| access.table.as_str()).collect();
    assert!(tables.contains("saga"), "{tables:?}");
    let is_by_key = |one: &&Access| one.names_its_place() && one.condition.contains("id = ");
    let wrong: Vec<_> = hot.iter().filter(|one| !is_by_key(one)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn loads_and_looks_for_wakes_keep_to_their_index_whatever_the_tables_were_when_analyzed() {
    let server = explaining().await;
    let store = connect(&server.url("postgres"), SHARDS_USUAL);
    store.migrate().await.unwrap();
    let mut side = PgConnection::connect(&server.url("postgres"))
        .await
        .unwrap();
    side.execute("VACUUM (ANALYZE)").await.unwrap();
    store.load(&[sample::id(1), sample::id(9)]).await.unwrap();

    // A large table with few rows left, as after a burst.
    for first in (0..20_000).step_by(2_000) {
        let ids = (first..first + 2_000).map(sample::id);
        let starts = ids.map(|id| sample::start(&sample::chain(), id, "a").1);
        let batch = Batch {
            starts: starts.collect(),
            ..Default::default()
        };
        store.commit(&batch).await.unwrap();
    }
    side.execute("DELETE FROM saga WHERE random() < 0.9")
        .await
        .unwrap();
    side.execute("VACUUM (ANALYZE)").await.unwrap();
    let shards: Vec<u16> = (0..SHARDS_USUAL).collect();
    let definitions = [Pin::of(&sample::chain())];
    store.due(&due(&shards, &definitions)).await.unwrap();

    let hot = accesses(&server);
    let of = |part: &str| {
        let here = |one: &&Access| one.table == "saga" && one.statement.contains(part);
        hot.iter().filter(here).collect::<Vec<_>>()
    };
    // A walk through the index marks the rows that were deleted; a bitmap visits them again and again.
    let [due] = of("AS due")[..] else {
        panic!("{hot:#?}")
    };
    assert_eq!(due.how, "Index Scan saga_wake", "{due:?}");
    let [load] = of("AS history")[..] else {
        panic!("{hot:#?}")
    };
    assert!(load.condition.contains("id = "), "{load:?}");
}

#[tokio::test]
async fn what_is_open_is_counted_and_searched_for_trouble_by_an_index() {
    let (server, store, mut side) = installed().await;
    completed(&store, 1..=3).await;
    leave_open(&store).await;
    side.execute("VACUUM (ANALYZE)").await.unwrap();
    let before = accesses(&server).len();
    let attention = ListFilter {
        attention: true,
        limit: 50,
        ..ListFilter::default()
    };
    store.list(&attention).await.unwrap();
    store.counts().await.unwrap();
    let ended = ListFilter {
        states: vec![Status::Completed],
        limit: 50,
        ..ListFilter::default()
    };
    store.list(&ended).await.unwrap();
    let hot = &accesses(&server)[before..];
    let of_sagas: Vec<_> = hot.iter().filter(|one| one.table == "saga").collect();
    for index in ["saga_wake", "saga_asleep"] {
        let by = of_sagas.iter().filter(|one| one.how.ends_with(index));
        assert_eq!(by.count(), 2, "{index}: {of_sagas:#?}");
    }
    let walks = ["Seq Scan ", "Index Scan saga_started"];
    let is_wrong = |one: &&&Access| walks.contains(&one.how.as_str());
    let wrong: Vec<_> = of_sagas.iter().filter(is_wrong).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

const fn due<'a>(shards: &'a [u16], definitions: &'a [Pin]) -> Due<'a> {
    Due {
        shards,
        definitions,
        late_by: Duration::ZERO,
        limit: 10,
        of_each: 10,
    }
}

/// An installation that logs its plans, and a connection beside it.
async fn installed() -> (Postgres, Store, PgConnection) {
    let server = explaining().await;
    let store = connect(&server.url("postgres"), SHARDS);
    store.migrate().await.unwrap();
    let policy = Policy::default();
    store.make_partitions(&policy, sample::NOON).await.unwrap();
    let side = PgConnection::connect(&server.url("postgres"));
    let side = side.await.unwrap();
    (server, store, side)
}

/// A server that logs the plan of every statement.
async fn explaining() -> Postgres {
    let settings = [
        ("session_preload_libraries", "auto_explain"),
        ("auto_explain.log_min_duration", "0"),
        ("auto_explain.log_format", "json"),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let options = PostgresOptions {
        fsync: false,
        settings: settings.to_vec(),
        ..PostgresOptions::default()
    };
    let start = || Postgres::start(options).unwrap();
    tokio::task::spawn_blocking(start).await.unwrap()
}

/// Every access to a hot table that the log has a plan of.
fn accesses(server: &Postgres) -> Vec<Access> {
    accesses_to(&HOT, server)
}

fn accesses_to(tables: &[&'static str], server: &Postgres) -> Vec<Access> {
    let log = std::fs::read_to_string(server.log()).unwrap();
    let mut all = Vec::new();
    let mut lines = log.lines().peekable();
    while let Some(line) = lines.next() {
        if !line.ends_with("plan:") {
            continue;
        }
        let mut plan = String::new();
        while let Some(part) = lines.next_if(|next| next.starts_with('\t')) {
            plan.push_str(part);
            plan.push('\n');
        }
        let plan: Value = serde_json::from_str(&plan).unwrap();
        let statement = plan["Query Text"].as_str().unwrap();
        if statement.starts_with("-- ") {
            // A migration: it runs once, and each of them begins with what it is for.
            continue;
        }
        visit(&plan["Plan"], tables, statement, &mut all);
    }
    all
}

fn visit(node: &Value, tables: &[&'static str], statement: &str, all: &mut Vec<Access>) {
    let text = |name: &str| node[name].as_str().unwrap_or_default();
    let table = text("Relation Name");
    let table = tables.iter().copied().find(|hot| {
        // A partition of the archive has a day behind its name.
        table == *hot || *hot == "saga_archive" && table.starts_with("saga_archive_2")
    });
    if let Some(table) = table
        && text("Node Type") != "ModifyTable"
    {
        all.push(Access {
            statement: statement.to_owned(),
            table: table.to_owned(),
            how: format!("{} {}", text("Node Type"), text("Index Name")),
            condition: format!("{} {}", text("Index Cond"), text("Recheck Cond")),
        });
    }
    for part in node["Plans"].as_array().into_iter().flatten() {
        visit(part, tables, statement, all);
    }
}
