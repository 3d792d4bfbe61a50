//! Each kind of statement, while the standby is away: what decides waits, what shows does not.

use std::future::Future;
use std::time::Duration;

use sagas_core::batch::{Batch, Postponement, Slots};
use sagas_core::membership::Replica;
use sagas_core::registry::Pin;
use sagas_orchestrator::store::list::ListFilter;
use sagas_orchestrator::store::retention::Policy;
use sagas_orchestrator::store::{Due, Store};
use sqlx::Connection as _;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::{Pair, WAITING};
use crate::retention::{archive_all, completed, later};
use crate::sample::{self, NOON, id};

#[tokio::test(flavor = "multi_thread")]
async fn what_decides_waits_for_the_standby_and_what_shows_does_not() {
    let mut pair = Pair::open().await;
    let store = pair.store.clone();
    let left_behind = populate(&store).await;
    pair.take_standby_away().await;

    let mut side = sqlx::PgConnection::connect(&pair.primary.url("postgres"))
        .await
        .unwrap();
    let xid = sqlx::query("SELECT pg_current_xact_id()::text");
    xid.fetch_one(&mut side)
        .await
        .expect("an xid alone does not wait");

    let first = pair.number(WAITING).await;
    let mut waiting = Vec::new();
    for (name, statement) in deciding(&store, left_behind) {
        let before = pair.number(WAITING).await;
        let statement = tokio::spawn(statement);
        pair.until(WAITING, |waiting| {
            waiting > before || statement.is_finished()
        })
        .await;
        assert!(!statement.is_finished(), "{name} does not wait");
        waiting.push((name, statement));
    }
    let all = first + i64::try_from(waiting.len()).unwrap();
    assert_eq!(pair.number(WAITING).await, all);
    for (name, statement) in showing(&store.for_readers()) {
        let answer = tokio::time::timeout(super::SOON, statement).await;
        answer.unwrap_or_else(|_| panic!("{name} waits"));
    }
    assert_eq!(
        pair.number(WAITING).await,
        all,
        "what shows left nothing that waits"
    );

    pair.bring_standby_back();
    for (name, statement) in waiting {
        answered(name, statement).await;
    }
    pair.until(WAITING, |waiting| waiting == 0).await;
}

async fn answered(name: &str, statement: JoinHandle<()>) {
    let answer = tokio::time::timeout(super::SOON, statement).await;
    answer
        .unwrap_or_else(|_| panic!("{name} still waits"))
        .unwrap();
}

/// Sagas 1 to 3 in the archive, 4 open with a key, 5 open without one; one outbox row.
async fn populate(store: &Store) -> sagas_core::batch::OutboxId {
    completed(store, 1..=3).await;
    assert_eq!(archive_all(store, later()).await, 3);
    let starts = vec![keyed(4, 1), keyless(5)];
    let batch = Batch {
        starts,
        ..Batch::default()
    };
    store.commit(&batch).await.unwrap().outbox.unwrap()
}

fn keyless(number: u128) -> sagas_core::batch::Start {
    sample::start(&sample::chain(), id(number), "a").1
}

fn keyed(number: u128, digest: u8) -> sagas_core::batch::Start {
    sample::keyed(keyless(number), digest)
}

type Asked = (
    &'static str,
    std::pin::Pin<Box<dyn Future<Output = ()> + Send>>,
);

/// Calls one by one, boxed.
macro_rules! asked {
    ($store:ident: $($name:literal => $call:expr,)+) => {
        vec![$({
            let $store = $store.clone();
            let asked: Asked = ($name, Box::pin(async move { $call.await.unwrap(); }));
            asked
        }),+]
    };
}

fn deciding(store: &Store, left_behind: sagas_core::batch::OutboxId) -> Vec<Asked> {
    let batch = |starts| Batch {
        starts,
        ..Batch::default()
    };
    let started = batch(vec![keyed(6, 1)]);
    let again_with_key = batch(vec![keyed(4, 1)]);
    let other_with_key = batch(vec![keyed(4, 2)]);
    let again_without_key = batch(vec![keyless(5)]);
    let mut long_ended = batch(vec![keyless(1)]);
    long_ended.starts[0].is_retried = true;
    let lost = Batch {
        updates: vec![lost_update()],
        ..Batch::default()
    };
    let postponed = Batch {
        postponements: vec![Postponement {
            id: id(5),
            expected: 1,
            wake_at: None,
        }],
        ..Batch::default()
    };
    asked! { store:
        "a start" => store.commit(&started),
        "a key that was taken by the same" => store.commit(&again_with_key),
        "a key that was taken by another" => store.commit(&other_with_key),
        "a start that was committed before" => store.commit(&again_without_key),
        "a start that has ended before" => store.commit(&long_ended),
        "a lost update" => store.commit(&lost),
        "a postponement" => store.commit(&postponed),
        "a load" => store.load(&[id(5)]),
        "a load of what has ended" => store.load(&[id(2)]),
        "a load of nothing" => store.load(&[id(99)]),
        "ends" => store.ended(&[id(5)]),
        "ends in the archive" => store.ended(&[id(3)]),
        "the outbox" => store.outbox(&Slots::of(&[0]), Duration::ZERO, None, 10),
        "a delivery" => store.delivered(&[left_behind]),
        "a heartbeat" => store.heartbeat(&replica()),
    }
}

fn showing(store: &Store) -> Vec<Asked> {
    let policy = Policy::default();
    let list = ListFilter {
        limit: 10,
        ..ListFilter::default()
    };
    asked! { store:
        "due wakes" => due(&store),
        "a saga" => store.show(id(5)),
        "a saga that has ended" => store.show(id(2)),
        "a key" => store.is_key_known(id(4)),
        "a list" => store.list(&list),
        "counts" => store.counts(),
        "dead letters" => store.dead_letters(None, 10),
        "numbers of dead letters" => store.dead_letters_left_out(),
        "replicas" => store.replicas(),
        "missing definitions" => store.missing(&[Pin::of(&sample::chain())]),
        "partitions" => store.partitions(),
        "what is archived" => store.archived_sagas(),
        "what would go" => store.due_to_go(&policy, NOON),
        "the clock" => store.database_time(),
        "a ping" => store.ping(),
        "the schema" => store.check_schema(),
    }
}

async fn due(store: &Store) -> Result<Vec<sagas::SagaId>, sagas_orchestrator::store::Error> {
    let definitions = [Pin::of(&sample::chain())];
    let asked = Due {
        shards: &[0, 1],
        definitions: &definitions,
        late_by: Duration::ZERO,
        limit: 10,
        of_each: 10,
    };
    store.due(&asked).await
}

/// An update of saga 4, from a revision that it never had.
fn lost_update() -> sagas_core::batch::Update {
    let definition = sample::chain();
    let (saga, _) = sample::start(&definition, id(4), "a");
    let (saga, _) = sample::reply(&definition, &saga, 0, sagas::Outcome::Succeeded);
    sample::reply(&definition, &saga, 1, sagas::Outcome::Succeeded).1
}

fn replica() -> Replica {
    Replica {
        id: Uuid::from_u128(1),
        name: "one".to_owned(),
        started_at: NOON,
        definitions: Vec::new(),
    }
}
