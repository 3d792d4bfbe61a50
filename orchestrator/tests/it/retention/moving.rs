//! From the hot tables to the archive.

use std::time::Duration;

use sagas::machine::{Event, Order, OrderKind, Reply};
use sagas::{Direction, Json, Outcome, Refusal, SagaId, Status, transition};
use sagas_core::batch::{Batch, StartOutcome};
use sagas_core::loaded::Loaded;
use sagas_orchestrator::store::Store;
use sagas_orchestrator::store::list::ListFilter;
use sagas_orchestrator::store::retention::Policy;
use uuid::Uuid;

use super::{DAY, archive, archive_all, completed, first, later};
use crate::database::{SHARDS, connect, fresh};
use crate::overview::populate;
use crate::sample::{self, NOON, id};

async fn loaded(store: &Store, ids: &[SagaId]) -> Vec<Loaded> {
    let mut loaded = store.load(ids).await.unwrap().loaded;
    loaded.sort_by_key(|loaded| loaded.row.id);
    loaded
}

#[tokio::test]
async fn a_saga_reads_the_same_wherever_it_lies() {
    let mut db = fresh().await;
    populate(&db.store).await;
    let ids: Vec<SagaId> = (1..=13).map(id).collect();
    let before = loaded(&db.store, &ids).await;
    let counts = db.store.counts().await.unwrap();
    let mut ended = db.store.ended(&ids).await.unwrap();
    assert_eq!(archive_all(&db.store, later()).await, 5);

    let hot = "SELECT count(*) FROM saga WHERE finished_at IS NOT NULL";
    assert_eq!(db.number(hot).await, 0);
    let entries = "SELECT count(*) FROM saga_history WHERE saga_id NOT IN (SELECT id FROM saga)";
    assert_eq!(db.number(entries).await, 0);
    assert_eq!(db.number("SELECT count(*) FROM saga").await, 7);
    assert_eq!(loaded(&db.store, &ids).await, before);
    assert_eq!(db.store.counts().await.unwrap(), counts);
    let mut now_ended = db.store.ended(&ids).await.unwrap();
    now_ended.sort_unstable();
    ended.sort_unstable();
    assert_eq!(now_ended, ended);
    let told = "SELECT count(*) FROM every_saga WHERE json_array_length(history::json) = revision";
    assert_eq!(db.number(told).await, 12);
    assert_eq!(archive_all(&db.store, later()).await, 0, "and once only");
}

#[tokio::test]
async fn payloads_are_archived_byte_for_byte() {
    let db = fresh().await;
    let definition = sample::definition(1);
    let texts = [
        format!("\0é\u{1f600}\\{}", "x".repeat(1 << 20)),
        " ] ".to_owned(),
    ];
    for (text, number) in texts.iter().zip(1..) {
        let (saga, start) = sample::start(&definition, id(number), text);
        let (_, update) = sample::reply(&definition, &saga, 0, Outcome::Succeeded);
        let starts = Batch {
            starts: vec![start],
            ..Batch::default()
        };
        db.store.commit(&starts).await.unwrap();
        let updates = Batch {
            updates: vec![update],
            ..Batch::default()
        };
        db.store.commit(&updates).await.unwrap();
    }
    let ids = [id(1), id(2)];
    let before = loaded(&db.store, &ids).await;
    assert_eq!(archive_all(&db.store, later()).await, 2);
    let after = loaded(&db.store, &ids).await;
    assert_eq!(after, before);
    let input = |loaded: &Loaded| loaded.history[0].input.clone().unwrap().text().to_owned();
    assert_eq!(input(&after[0]), input(&before[0]));
}

#[tokio::test]
async fn two_movers_at_once_lose_nothing_and_double_nothing() {
    let mut db = fresh().await;
    let numbers = 1..=600;
    completed(&db.store, numbers.clone()).await;
    let ids: Vec<SagaId> = numbers.map(id).collect();
    let before = loaded(&db.store, &ids).await;
    let policy = Policy::default();
    db.store.make_partitions(&policy, later()).await.unwrap();
    let mut movers = Vec::new();
    for _ in 0..4 {
        let (store, policy) = (connect(&db.url, SHARDS), policy.clone());
        movers.push(tokio::spawn(async move {
            let mut moved = 0;
            for shard in 0..SHARDS {
                // A collision ends one of two, which comes again in the next round.
                while let Ok(some @ 1..) = store.archive(shard, first(7), &policy, later()).await {
                    moved += some;
                }
            }
            moved
        }));
    }
    let mut moved = 0;
    for mover in movers {
        moved += mover.await.unwrap();
    }
    moved += archive_all(&db.store, later()).await;
    assert_eq!(moved, 600);
    assert_eq!(loaded(&db.store, &ids).await, before);
    assert_eq!(db.number("SELECT count(*) FROM saga_archive").await, 600);
    assert_eq!(db.entries().await, 600 * 4);
    let tally = "SELECT sum(sagas)::bigint FROM saga_archive_tally";
    assert_eq!(db.number(tally).await, 600);
}

#[tokio::test]
async fn what_comes_late_for_an_archived_saga_is_taken_as_for_one_that_has_ended() {
    let db = fresh().await;
    completed(&db.store, 1..=1).await;
    archive_all(&db.store, later()).await;
    let definition = sample::chain();
    let loaded = db.store.load(&[id(1)]).await.unwrap().loaded;
    let saga = sample::restore(&definition, &loaded[0]);
    let reply = Event::Reply(Reply {
        step: "step-2".to_owned(),
        direction: Direction::Forward,
        generation: 1,
        attempt: 1,
        outcome: Outcome::Succeeded,
        payload: Json::null(),
    });
    let order = Event::Order(Order {
        id: sagas::OrderId(Uuid::from_u128(1)),
        actor: "operator".to_owned(),
        reason: "too late".to_owned(),
        kind: OrderKind::Cancel,
    });
    let ended = Err(Refusal::Ended(Status::Completed));
    assert_eq!(transition(&definition, &saga, reply, later()), ended);
    assert_eq!(transition(&definition, &saga, order, later()), ended);

    // A lane that still believes in an older state loses, and reads again.
    let (saga, start) = sample::start(&definition, id(1), "a");
    let (_, update) = sample::reply(&definition, &saga, 0, Outcome::Succeeded);
    let batch = Batch {
        starts: vec![sample::keyed(start.clone(), 1), sample::keyed(start, 2)],
        updates: vec![update],
        ..Batch::default()
    };
    let committed = db.store.commit(&batch).await.unwrap();
    assert_eq!(committed.updates, [false]);
    let starts = [StartOutcome::SameBefore, StartOutcome::OtherBefore];
    assert_eq!(committed.starts, starts);
}

#[tokio::test]
async fn lists_are_complete_and_in_order_while_half_of_them_is_archived() {
    let db = fresh().await;
    populate(&db.store).await;
    let filters = filters();
    let mut before = Vec::new();
    for filter in &filters {
        before.push(db.store.list(filter).await.unwrap());
    }
    assert!(before.iter().any(|rows| rows.len() > 5));
    let some: Vec<u16> = (0..SHARDS).filter(|shard| shard % 2 == 0).collect();
    let half = archive(&db.store, &some, &Policy::default(), later()).await;
    assert!((1..5).contains(&half), "{half} of 5 are archived");
    for _ in 0..2 {
        for (filter, before) in filters.iter().zip(&before) {
            assert_eq!(&db.store.list(filter).await.unwrap(), before, "{filter:?}");
        }
        archive_all(&db.store, later()).await;
    }
}

/// Every combination of states, definition, cursor and a limit in the middle.
fn filters() -> Vec<ListFilter> {
    let states: [&[Status]; 6] = [
        &[],
        &[Status::Completed],
        &[Status::Compensated],
        &[Status::Completed, Status::Compensated],
        &[Status::Running, Status::Compensated],
        &[Status::Stuck],
    ];
    let definitions = [None, Some("take-notes"), Some("other")];
    let at = |number: u128, seconds| Some((NOON + Duration::from_secs(seconds), id(number)));
    let cursors = [None, at(12, 6), at(9, 4), at(8, 4), at(3, 1)];
    let mut filters = Vec::new();
    for states in states {
        for definition in definitions {
            for before in cursors {
                for limit in [2, 100] {
                    filters.push(ListFilter {
                        states: states.to_vec(),
                        definition: definition.map(str::to_owned),
                        before,
                        limit,
                        ..ListFilter::default()
                    });
                }
            }
        }
    }
    filters
}

#[tokio::test]
async fn each_definition_goes_to_the_days_of_its_own_policy() {
    let mut db = fresh().await;
    // It knows of no partitions.
    let unprepared = connect(&db.url, SHARDS);
    completed(&unprepared, 1..=3).await;
    let policy = Policy {
        definitions: [("take-notes".to_owned(), 7 * DAY)].into(),
        ..Policy::default()
    };
    let shards: Vec<u16> = (0..SHARDS).collect();
    assert_eq!(archive(&db.store, &shards, &policy, later()).await, 3);
    // They ended on 2023-11-14: the whole of the seventh day after it is kept.
    let days = "SELECT count(*) FROM saga_archive WHERE drop_on = '2023-11-22'";
    assert_eq!(db.number(days).await, 3);

    completed(&unprepared, 4..=6).await;
    archive_all(&db.store, later()).await;
    let days = "SELECT count(*) FROM saga_archive WHERE drop_on = '2023-12-15'";
    assert_eq!(db.number(days).await, 3);

    // Whole weeks for what is kept for a year.
    completed(&unprepared, 7..=9).await;
    let year = Policy {
        finished: 365 * DAY,
        keys: 400 * DAY,
        ..Policy::default()
    };
    assert_eq!(archive(&db.store, &shards, &year, later()).await, 3);
    let days = "SELECT count(*) FROM saga_archive
                WHERE drop_on BETWEEN '2024-11-14' AND '2024-11-21'";
    assert_eq!(db.number(days).await, 3);

    // What should have gone long ago goes tomorrow.
    completed(&unprepared, 10..=12).await;
    let after = NOON + 100 * DAY;
    archive_all(&db.store, after).await;
    let days = "SELECT count(*) FROM saga_archive WHERE drop_on = '2024-02-23'";
    assert_eq!(db.number(days).await, 3);
}
