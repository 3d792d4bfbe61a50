//! A migration that adds a column, beside a running store: Postgres refuses a prepared statement whose
//! result changes its shape (SQLSTATE 0A000), so no statement here takes its shape from a table.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sagas::{SagaId, Status};
use sagas_core::batch::{Batch, DeadLetter, LetterKind, Slots};
use sagas_core::membership::Replica;
use sagas_core::registry::Pin;
use sagas_orchestrator::store::list::ListFilter;
use sagas_orchestrator::store::retention::Policy;
use sagas_orchestrator::store::{Due, Settings, Store};
use sqlx::{Connection as _, Executor as _, PgConnection};
use uuid::Uuid;

use crate::database::{SHARDS, empty};
use crate::retention::{archive_all, completed, first as some, later};
use crate::sample::{self, NOON, id};

/// One connection of each kind, so that what is asked again is asked of the same server process.
fn narrow(url: &str) -> Store {
    let settings = Settings {
        url: url.to_owned(),
        connections_max: 3,
        commits_max: 1,
        shards: SHARDS,
    };
    Store::connect(&settings).unwrap()
}

/// What the statements of a round answered that is no success.
#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn note<T, E: Display + std::fmt::Debug>(&mut self, of: &str, answer: Result<T, E>) {
        if let Err(error) = answer {
            self.0.push(format!("{of}: {error:?}"));
        }
    }
}

/// Asks whatever the store can be asked, of sagas of its own.
async fn ask_all(store: &Store, round: u128) -> Vec<String> {
    let mut faults = Faults::default();
    write(store, round, &mut faults).await;
    let first = round * 10;
    let ids: Vec<SagaId> = (first..first + 5).map(id).collect();
    read(store, &ids, &mut faults).await;
    read(&store.for_readers(), &ids, &mut faults).await;
    faults.0
}

async fn write(store: &Store, round: u128, faults: &mut Faults) {
    let first = round * 10;
    let definition = sample::definition(2);
    let policy = Policy::default();
    faults.note("partitions", store.make_partitions(&policy, NOON).await);
    completed(store, first..=first + 1).await;
    let (_, open) = sample::start(&definition, id(first + 2), "a");
    let letter = DeadLetter {
        cluster: "c".into(),
        topic: "t".into(),
        partition: 0,
        offset: i64::try_from(round).unwrap(),
        kind: LetterKind::Unreadable,
        reason: "not a reply".to_owned(),
        key: None,
        headers: sagas::wire::Headers::default(),
        value: None,
    };
    let batch = Batch {
        starts: vec![open],
        dead_letters: vec![letter],
        ..Batch::default()
    };
    let committed = store.commit(&batch).await;
    let outbox = committed.as_ref().ok().and_then(|done| done.outbox);
    faults.note("commit", committed);
    // As if it had ended when there was no partition, so that it is moved.
    faults.note(
        "archive",
        store.archive(0, some(10), &policy, later()).await,
    );
    archive_all(store, later()).await;
    let replica = Replica {
        id: Uuid::from_u128(round),
        name: "a".to_owned(),
        started_at: NOON,
        definitions: vec![Pin::of(&definition)],
    };
    faults.note("heartbeat", store.heartbeat(&replica).await);
    faults.note("leave", store.leave(replica.id).await);
    faults.note(
        "outbox",
        store
            .outbox(&Slots::of(&[0]), Duration::ZERO, None, 10)
            .await,
    );
    let delivered: Vec<_> = outbox.into_iter().collect();
    faults.note("delivered", store.delivered(&delivered).await);
    faults.note("keys", store.free_keys(0, 10, &policy, NOON).await);
    let letters = store.drop_dead_letters(10, &policy, NOON).await;
    faults.note("dead letters", letters);
}

async fn read(store: &Store, ids: &[SagaId], faults: &mut Faults) {
    let shards: Vec<u16> = (0..SHARDS).collect();
    let definitions = [Pin::of(&sample::definition(2))];
    let due = Due {
        shards: &shards,
        definitions: &definitions,
        late_by: Duration::ZERO,
        limit: 10,
        of_each: 10,
    };
    faults.note("load", store.load(ids).await);
    faults.note("due", store.due(&due).await);
    faults.note("ended", store.ended(ids).await);
    faults.note("counts", store.counts().await);
    faults.note("missing", store.missing(&definitions).await);
    faults.note("replicas", store.replicas().await);
    faults.note("key", store.is_key_known(ids[0]).await);
    let to_archive = store.shards_to_archive(&shards, later()).await;
    faults.note("what is to move", to_archive);
    faults.note("partitions", store.partitions().await);
    faults.note("archived", store.archived_sagas().await);
    let to_go = store.due_to_go(&Policy::default(), NOON).await;
    faults.note("what is to go", to_go);
    faults.note("schema", store.check_schema().await);
    faults.note("numbers", store.dead_letters_left_out().await);
    for before in [None, Some((NOON, Uuid::nil()))] {
        let letters = store.dead_letters(before, 10).await;
        faults.note("dead letters", letters);
    }
    for filter in filters() {
        let list = store.list(&filter).await;
        faults.note(&format!("list of {filter:?}"), list);
    }
}

fn filters() -> Vec<ListFilter> {
    let all = ListFilter {
        limit: 10,
        ..ListFilter::default()
    };
    let states = [Status::Completed, Status::Running];
    let of_states = states.map(|state| ListFilter {
        states: vec![state],
        ..all.clone()
    });
    let attention = ListFilter {
        attention: true,
        ..all.clone()
    };
    let definition = ListFilter {
        definition: Some("take-notes".to_owned()),
        before: Some((later(), id(1))),
        ..all.clone()
    };
    [vec![all, attention, definition], of_states.to_vec()].concat()
}

#[tokio::test]
async fn a_column_that_is_added_under_a_running_store_stops_no_statement() {
    let url = empty();
    let store = narrow(&url);
    store.migrate().await.unwrap();
    assert_eq!(ask_all(&store, 1).await, [""; 0]);
    let mut side = PgConnection::connect(&url).await.unwrap();
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT c.relname FROM pg_class c
         WHERE relnamespace = current_schema()::regnamespace
             AND relkind IN ('r', 'p') AND NOT relispartition",
    )
    .fetch_all(&mut side)
    .await
    .unwrap();
    assert!(tables.len() > 10, "{tables:?}");
    for table in tables {
        let add = format!("ALTER TABLE {table} ADD COLUMN added_later text");
        side.execute(sqlx::AssertSqlSafe(add)).await.unwrap();
    }
    assert_eq!(ask_all(&store, 2).await, [""; 0]);
}

/// Rust and SQL of the programs that keep statements prepared.
fn sources() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folders = [
        "orchestrator/src",
        "program/src",
        "participant/src",
        "participant/migrations",
        "examples/shop/src",
        "migrations",
    ];
    let mut open: Vec<PathBuf> = folders.iter().map(|folder| root.join(folder)).collect();
    let mut files = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in folder.read_dir().unwrap() {
            let path = entry.unwrap().path();
            let ending = path.extension().and_then(|ending| ending.to_str());
            match ending {
                _ if path.is_dir() => open.push(path),
                Some("rs" | "sql") => files.push(path),
                _ => {}
            }
        }
    }
    files
}

/// Places where a result takes its columns from a table. The rows of `unnest` are of no table.
fn stars(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let words: Vec<&str> = text.split_whitespace().collect();
    for (place, word) in words.iter().enumerate() {
        let before = place.checked_sub(1).map_or("", |before| words[before]);
        let after = words[place + 1..].iter().take(2);
        let after = after.copied().collect::<Vec<_>>().join(" ").to_lowercase();
        let bare = word.trim_end_matches([',', ';', ')', '"']);
        let is_all = bare == "*" && ["SELECT", "RETURNING"].contains(&before.trim_matches('"'));
        let is_of_one = bare.strip_suffix(".*").is_some_and(|table| {
            let is_name = |letter: char| letter.is_ascii_lowercase() || letter == '_';
            !table.is_empty() && table.chars().all(is_name)
        });
        if (is_all || is_of_one) && !after.starts_with("from unnest(") {
            found.push(format!("{before} {word} {after}"));
        }
    }
    found
}

#[test]
fn no_statement_takes_its_columns_from_a_table() {
    let files = sources();
    assert!(files.len() > 100, "{}", files.len());
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!(stars(&text), [""; 0], "{}", file.display());
    }
    for (text, expected) in [
        ("SELECT * FROM saga WHERE", 1),
        ("\"SELECT *, now() FROM saga\"", 1),
        ("SELECT saga.*, 1", 1),
        ("DELETE FROM saga RETURNING *", 1),
        ("SELECT * FROM unnest($1::text[])", 0),
        ("SELECT count(*) FROM saga", 0),
        ("a * b", 0),
    ] {
        assert_eq!(stars(text).len(), expected, "{text}: {:?}", stars(text));
    }
}
