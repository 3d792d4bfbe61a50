//! What comes back: whole sagas, who is due, who has ended, who lives.

use std::time::Duration;

use sagas::{Definition, Outcome, SagaId, Status};
use sagas_core::batch::{Batch, Slots};
use sagas_core::membership::Replica;
use sagas_core::registry::Pin;
use sagas_orchestrator::store::list::ListFilter;
use sagas_orchestrator::store::{Due, Error, Store};
use sqlx::{Connection as _, Executor as _};
use uuid::Uuid;

use crate::database::{SHARDS, fresh};
use crate::retention::{archive_all, completed, later};
use crate::sample::{self, NOON, id, input};

/// Starts a saga and lets its first `replies` steps succeed, one commit each.
async fn run(store: &Store, steps: usize, replies: usize, text: &str) -> sagas::Saga {
    let definition = sample::definition(steps);
    let (mut saga, start) = sample::start(&definition, id(1), text);
    let starts = vec![start];
    store
        .commit(&Batch {
            starts,
            ..Batch::default()
        })
        .await
        .unwrap();
    for step in 0..replies {
        let (next, update) = sample::reply(&definition, &saga, step, Outcome::Succeeded);
        saga = next;
        let updates = vec![update];
        let committed = store
            .commit(&Batch {
                updates,
                ..Batch::default()
            })
            .await
            .unwrap();
        assert_eq!(committed.updates, [true]);
    }
    saga
}

#[tokio::test]
async fn a_saga_with_ten_transitions_comes_back_as_it_was() {
    let db = fresh().await;
    let saga = run(&db.store, 10, 9, "a").await;
    let loaded = db.store.load(&[id(1), id(999)]).await.unwrap().loaded;
    assert_eq!(loaded.len(), 1, "the unknown one is absent");
    assert_eq!(loaded[0].history.len(), 10);
    assert_eq!(loaded[0].row.status, Status::Running);
    assert_eq!(loaded[0].row.finished_at, None);
    assert_eq!(sample::restore(&sample::definition(10), &loaded[0]), saga);
}

#[tokio::test]
async fn a_saga_that_has_ended_says_when() {
    let db = fresh().await;
    let saga = run(&db.store, 2, 2, "a").await;
    assert_eq!(saga.status(), Status::Completed);
    let loaded = db.store.load(&[id(1)]).await.unwrap().loaded;
    assert_eq!(loaded[0].row.finished_at, Some(NOON));
    assert_eq!(loaded[0].row.wake_at, None);
    assert_eq!(sample::restore(&sample::definition(2), &loaded[0]), saga);
}

#[tokio::test]
async fn payloads_come_back_byte_for_byte_even_with_an_escaped_nul_and_a_mebibyte() {
    let db = fresh().await;
    let text = format!("\0é\u{1f600}\\{}", "x".repeat(1 << 20));
    run(&db.store, 1, 0, &text).await;
    let loaded = db.store.load(&[id(1)]).await.unwrap().loaded;
    let stored = loaded[0].history[0].input.as_ref().unwrap();
    assert!(stored.text().contains(r"\u0000"));
    assert_eq!(*stored, input(&text));
}

#[tokio::test]
async fn a_saga_that_cannot_be_read_is_named_and_hides_none_that_is_loaded_with_it() {
    let faults = [
        ("saga", "moving = '{'", "the state: "),
        ("saga", "entries = '{'", "the history: "),
        ("saga", "version = -1", "the version: "),
        ("saga_archive", "history = '['", "the history: "),
    ];
    for (table, change, expected) in faults {
        let mut db = fresh().await;
        if table == "saga_archive" {
            completed(&db.store, 1..=2).await;
            archive_all(&db.store, later()).await;
        } else {
            let definition = sample::definition(1);
            let start = |number| sample::start(&definition, id(number), "a").1;
            let starts = vec![start(1), start(2)];
            let batch = Batch {
                starts,
                ..Batch::default()
            };
            db.store.commit(&batch).await.unwrap();
        }
        let update = format!("UPDATE {table} SET {change} WHERE id = $1");
        let update = sqlx::query(sqlx::AssertSqlSafe(update)).bind(id(2).0);
        assert_eq!(
            update.execute(&mut db.side).await.unwrap().rows_affected(),
            1
        );
        let found = db.store.load(&[id(1), id(2)]).await.unwrap();
        assert_eq!(found.loaded[0].row.id, id(1));
        let [unreadable] = &found.unreadable[..] else {
            panic!("{found:?}");
        };
        assert_eq!(unreadable.id, id(2));
        assert!(unreadable.why.starts_with(expected), "{}", unreadable.why);
        let shown = db.store.show(id(2)).await.unwrap_err();
        assert!(matches!(shown, Error::Unreadable { saga, .. } if saga == id(2)));
    }
}

#[tokio::test]
async fn who_is_due_comes_in_order_up_to_the_limit_and_from_the_asked_shards() {
    let db = fresh().await;
    let definition = sample::definition(1);
    let mut batch = forty_starts(&definition);
    let far = NOON + Duration::from_secs(400_000_000 * 10);
    batch
        .starts
        .push(sample::start_at(&definition, id(41), "a", far).1);
    let mut expected: Vec<(sagas::Timestamp, SagaId)> = batch.starts[..40]
        .iter()
        .map(|start| (start.state.wake_at.unwrap(), start.id))
        .collect();
    expected.sort_unstable();
    let expected: Vec<SagaId> = expected.into_iter().map(|(_, id)| id).collect();
    db.store.commit(&batch).await.unwrap();

    let all: Vec<u16> = (0..SHARDS).collect();
    let pins = [Pin::of(&definition)];
    let due = async |shards: &[u16], limit, late_by| {
        let definitions = &pins;
        let due = Due {
            shards,
            definitions,
            late_by,
            limit,
            of_each: limit,
        };
        db.store.due(&due).await.unwrap()
    };
    let now = Duration::ZERO;
    assert_eq!(due(&all, 100, now).await, expected);
    assert_eq!(due(&all, 7, now).await, expected[..7]);
    assert_eq!(due(&all, 100, Duration::from_secs(3600)).await, expected);
    let age = db
        .store
        .heartbeat(&replica(1, "a"))
        .await
        .unwrap()
        .1
        .since(NOON);
    let some_late = due(&all, 100, age.saturating_sub(Duration::from_secs(20))).await;
    assert!(!some_late.is_empty() && some_late.len() < 40);
    assert_eq!(some_late, expected[..some_late.len()]);
    let foreign = Due {
        shards: &all,
        definitions: &[Pin::of(&sample::definition(2))],
        late_by: now,
        limit: 100,
        of_each: 100,
    };
    assert_eq!(db.store.due(&foreign).await.unwrap(), []);
    let some = [3, 11];
    let of_some: Vec<SagaId> = expected
        .into_iter()
        .filter(|id| some.contains(&id.shard(SHARDS)))
        .collect();
    assert!(!of_some.is_empty());
    assert_eq!(due(&some, 100, now).await, of_some);
    assert_eq!(due(&[], 100, now).await, []);
}

#[tokio::test]
async fn of_each_shard_those_come_that_are_due_for_the_longest() {
    let db = fresh().await;
    let definition = sample::definition(1);
    let batch = forty_starts(&definition);
    db.store.commit(&batch).await.unwrap();
    let mut longest = std::collections::BTreeMap::new();
    for start in &batch.starts {
        let wake = (start.state.wake_at.unwrap(), start.id);
        let of_shard = longest.entry(start.id.shard(SHARDS)).or_insert(wake);
        *of_shard = wake.min(*of_shard);
    }
    assert!(longest.len() < 40, "some shard has two");
    let mut expected: Vec<_> = longest.into_values().collect();
    expected.sort_unstable();
    let due = Due {
        shards: &(0..SHARDS).collect::<Vec<_>>(),
        definitions: &[Pin::of(&definition)],
        late_by: Duration::ZERO,
        limit: 100,
        of_each: 1,
    };
    let expected: Vec<SagaId> = expected.into_iter().map(|(_, id)| id).collect();
    assert_eq!(db.store.due(&due).await.unwrap(), expected);
}

/// Sagas 1 to 40, which are due in another order than that of their ids.
fn forty_starts(definition: &Definition) -> Batch {
    let mut batch = Batch::default();
    for number in 1..=40_u128 {
        let late = Duration::from_secs(u64::try_from(number * 7 % 40).unwrap());
        let (_, start) = sample::start_at(definition, id(number), "a", NOON + late);
        batch.starts.push(start);
    }
    batch
}

fn replica(number: u128, name: &str) -> Replica {
    Replica {
        id: Uuid::from_u128(number),
        name: name.to_owned(),
        started_at: NOON,
        definitions: vec![],
    }
}

#[tokio::test]
async fn replicas_see_each_other_until_one_leaves_or_falls_silent() {
    let mut db = fresh().await;
    let (one, two, three) = (replica(1, "b"), replica(2, "a"), replica(3, "c"));
    let names = async |own: &Replica| {
        let (alive, now) = db.store.heartbeat(own).await.unwrap();
        assert!(
            alive
                .iter()
                .all(|seen| now.since(seen.heartbeat_at) < Duration::from_secs(2))
        );
        alive.into_iter().map(|seen| seen.name).collect::<Vec<_>>()
    };
    assert_eq!(names(&one).await, ["b"]);
    assert_eq!(names(&two).await, ["b", "a"]);
    assert_eq!(names(&three).await, ["b", "a", "c"]);
    assert_eq!(names(&one).await, ["b", "a", "c"]);
    db.store.leave(one.id).await.unwrap();
    assert_eq!(names(&two).await, ["a", "c"]);

    let silence =
        "UPDATE replica SET heartbeat_at = heartbeat_at - interval '3 s' WHERE name = 'c'";
    sqlx::query(silence).execute(&mut db.side).await.unwrap();
    let seen = db.store.replicas().await.unwrap();
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].id, seen[0].started_at), (two.id, NOON));

    let death = "UPDATE replica SET heartbeat_at = heartbeat_at - interval '2 h' WHERE name = 'c'";
    sqlx::query(death).execute(&mut db.side).await.unwrap();
    db.store.heartbeat(&two).await.unwrap();
    assert_eq!(db.number("SELECT count(*) FROM replica").await, 1);
    db.side.close().await.unwrap();
}

#[tokio::test]
async fn readers_are_answered_while_every_other_connection_waits() {
    let mut db = fresh().await;
    run(&db.store, 2, 0, "a").await;
    let lock = "BEGIN; LOCK TABLE event_outbox IN ACCESS EXCLUSIVE MODE";
    db.side.execute(sqlx::raw_sql(lock)).await.unwrap();
    let store = db.store.clone();
    let waiting = tokio::spawn(async move {
        store
            .outbox(&Slots::of(&[0]), Duration::ZERO, None, 1)
            .await
    });
    let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    db.until(waits, 1).await;

    let readers = db.store.for_readers();
    readers.open_readers().await;
    let filter = ListFilter {
        limit: 1,
        ..ListFilter::default()
    };
    assert_eq!(readers.list(&filter).await.unwrap().len(), 1);
    assert!(
        !waiting.is_finished(),
        "the only connection for all else is taken"
    );

    db.side.execute("ROLLBACK").await.unwrap();
    waiting.await.unwrap().unwrap();
}
