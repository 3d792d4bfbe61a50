//! Lists and counts, as REST and the dashboard ask for them.

use std::slice::from_ref;
use std::time::Duration;

use sagas::{Definition, Outcome, SagaId, Status, Timestamp};
use sagas_core::batch::{Batch, DeadLetter, LetterKind};
use sagas_core::membership::Replica;
use sagas_core::registry::Pin;
use sagas_orchestrator::store::Store;
use sagas_orchestrator::store::definition::Missing;
use sagas_orchestrator::store::list::ListFilter;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use crate::database::fresh;
use crate::sample::{self, NOON, id};

/// Sagas 1 to 12, two of each start instant: every third completes, every fourth turns back, the
/// sixth gets stuck.
pub(crate) async fn populate(store: &Store) {
    let definition = sample::definition(2);
    let mut batch = Batch::default();
    let mut updates = Batch::default();
    for number in 1..=12_u128 {
        let at = NOON + Duration::from_secs(u64::try_from(number / 2).unwrap());
        let (saga, start) = sample::start_at(&definition, id(number), "a", at);
        batch.starts.push(start);
        let outcomes = match number {
            6 => [Outcome::Expired, Outcome::Succeeded],
            _ if number % 3 == 0 => [Outcome::Succeeded; 2],
            _ if number % 4 == 0 => [Outcome::Rejected; 2],
            _ => continue,
        };
        let (saga, first) = sample::reply(&definition, &saga, 0, outcomes[0]);
        let (_, mut both) = sample::reply(&definition, &saga, 1, outcomes[1]);
        both.expected = first.expected;
        both.state.entries = [first.state.entries, both.state.entries].concat();
        updates.updates.push(both);
    }
    store.commit(&batch).await.unwrap();
    let committed = store.commit(&updates).await.unwrap();
    assert!(committed.updates.iter().all(|won| *won));
}

async fn numbers(store: &Store, filter: ListFilter) -> Vec<u128> {
    let rows = store.list(&filter).await.unwrap().into_iter();
    rows.map(|row| row.unwrap().id.0.as_u128()).collect()
}

fn all() -> ListFilter {
    ListFilter {
        limit: 100,
        ..ListFilter::default()
    }
}

#[tokio::test]
async fn a_list_is_newest_first_and_its_pages_join_without_gap_or_repeat() {
    let db = fresh().await;
    populate(&db.store).await;
    let expected: Vec<u128> = (1..=12).rev().collect();
    assert_eq!(numbers(&db.store, all()).await, expected);

    let mut seen = Vec::new();
    let mut before = None;
    loop {
        let page = ListFilter {
            before,
            limit: 5,
            ..ListFilter::default()
        };
        let rows = db.store.list(&page).await.unwrap();
        let Some(Ok(last)) = rows.last() else { break };
        before = Some((last.started_at, last.id));
        seen.extend(rows.into_iter().map(|row| row.unwrap().id.0.as_u128()));
    }
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_saga_that_cannot_be_read_is_on_the_list_and_hides_no_other() {
    let mut db = fresh().await;
    populate(&db.store).await;
    let faults = [
        (3, "moving = '{}'", "the state: missing field"),
        (5, "version = -1", "the version: out of range"),
        (7, "revision = -7", "the revision: out of range"),
    ];
    for (number, change, _) in faults {
        let update = format!("UPDATE saga SET {change} WHERE id = $1");
        let update = sqlx::query(AssertSqlSafe(update)).bind(id(number).0);
        update.execute(&mut db.side).await.unwrap();
    }
    let list = db.store.list(&all()).await.unwrap();
    assert_eq!(list.iter().filter(|row| row.is_ok()).count(), 9);
    let unreadable: Vec<_> = list.iter().filter_map(|row| row.as_ref().err()).collect();
    assert_eq!(unreadable.len(), 3);
    for (row, (number, _, why)) in unreadable.iter().zip(faults.iter().rev()) {
        assert_eq!(row.id, id(*number));
        assert!(row.why.starts_with(why), "{}", row.why);
    }
}

#[tokio::test]
async fn a_list_is_filtered_by_state_and_definition_together_with_a_cursor() {
    let db = fresh().await;
    populate(&db.store).await;
    let of = |states: &[Status]| ListFilter {
        states: states.to_vec(),
        ..all()
    };
    let store = &db.store;
    assert_eq!(numbers(store, of(&[Status::Completed])).await, [12, 9, 3]);
    assert_eq!(numbers(store, of(&[Status::Compensated])).await, [8, 4]);
    assert_eq!(
        numbers(store, of(&[Status::Stuck, Status::Completed])).await,
        [12, 9, 6, 3]
    );
    assert_eq!(numbers(store, of(&[Status::Compensating])).await, []);
    let page = ListFilter {
        definition: Some("take-notes".to_owned()),
        before: Some((NOON + Duration::from_secs(5), id(10))),
        ..of(&[Status::Running])
    };
    assert_eq!(numbers(store, page).await, [7, 5, 2, 1]);
    let other = ListFilter {
        definition: Some("other".to_owned()),
        ..all()
    };
    assert_eq!(numbers(store, other).await, []);
}

#[tokio::test]
async fn counts_agree_with_the_rows_and_stuck_sagas_want_attention() {
    let db = fresh().await;
    assert_eq!(db.store.counts().await.unwrap().by_status.len(), 5);
    populate(&db.store).await;
    let letter = DeadLetter {
        cluster: "".into(),
        topic: "saga.replies".into(),
        partition: 0,
        offset: 0,
        kind: LetterKind::Unreadable,
        reason: "garbage".to_owned(),
        key: None,
        headers: sagas::wire::Headers::default(),
        value: None,
    };
    let batch = Batch {
        dead_letters: vec![letter],
        ..Batch::default()
    };
    db.store.commit(&batch).await.unwrap();
    deployed(&db.store, &[&sample::definition(2)]).await;
    let counts = db.store.counts().await.unwrap();
    let by_status: Vec<_> = counts.by_status.into_iter().collect();
    let expected = [
        (Status::Running, 6),
        (Status::Compensating, 0),
        (Status::Completed, 3),
        (Status::Compensated, 2),
        (Status::Stuck, 1),
    ];
    assert_eq!(by_status, expected);
    assert_eq!((counts.attention, counts.dead_letters), (1, 1));
}

/// A replica lives that has these definitions.
pub(crate) async fn deployed(store: &Store, definitions: &[&Definition]) {
    let replica = Replica {
        id: Uuid::from_u128(1),
        name: "a".to_owned(),
        started_at: NOON,
        definitions: definitions.iter().map(|known| Pin::of(known)).collect(),
    };
    store.heartbeat(&replica).await.unwrap();
}

#[tokio::test]
async fn open_sagas_whose_definition_no_live_replica_has_want_attention() {
    let mut db = fresh().await;
    populate(&db.store).await;
    // As if somebody had paused it.
    let pause = sqlx::query("UPDATE saga SET wake_at = NULL WHERE id = $1").bind(id(1).0);
    let paused = pause.execute(&mut db.side).await.unwrap();
    assert_eq!(paused.rows_affected(), 1);
    let pinned = sample::definition(2);
    let pin = Pin::of(&pinned);
    let attention = || ListFilter {
        attention: true,
        ..all()
    };
    // A binary that has another graph under the same name and version is no help.
    deployed(&db.store, &[&pinned]).await;
    let long_ago = "UPDATE definition_seen SET seen_at = '2026-01-01 UTC'";
    sqlx::query(long_ago).execute(&mut db.side).await.unwrap();
    deployed(&db.store, &[&sample::definition(3)]).await;
    let missing = db.store.missing(from_ref(&pin)).await.unwrap();
    assert_eq!(
        missing,
        [Missing {
            pin: pin.clone(),
            since: Some(Timestamp::from_micros(1_767_225_600_000_000))
        }]
    );
    let counts = db.store.counts().await.unwrap();
    assert_eq!(counts.missing, [(missing[0].clone(), 7)]);
    assert_eq!(
        (counts.attention, counts.by_status[&Status::Running]),
        (7, 6)
    );
    let open = [11, 10, 7, 6, 5, 2, 1];
    assert_eq!(numbers(&db.store, attention()).await, open);
    let page = ListFilter {
        states: vec![Status::Running],
        definition: Some("take-notes".to_owned()),
        before: Some((NOON + Duration::from_secs(5), id(10))),
        limit: 2,
        ..attention()
    };
    assert_eq!(numbers(&db.store, page).await, [7, 5]);

    // It is deployed: what is left is the saga that is stuck.
    deployed(&db.store, &[&pinned]).await;
    assert_eq!(db.store.missing(from_ref(&pin)).await.unwrap(), []);
    let counts = db.store.counts().await.unwrap();
    assert_eq!((counts.attention, counts.missing), (1, vec![]));
    assert_eq!(numbers(&db.store, attention()).await, [6]);

    // And taken away: nobody is told before the next process has had time to start.
    let mut ago = async |seconds: i32| {
        let sql = "UPDATE definition_seen SET seen_at = clock_timestamp() - $1 * interval '1 s'";
        sqlx::query(sql)
            .bind(seconds)
            .execute(&mut db.side)
            .await
            .unwrap();
        deployed(&db.store, &[]).await;
        db.store.missing(from_ref(&pin)).await.unwrap()
    };
    assert_eq!(ago(25).await, []);
    let missing = ago(35).await;
    assert_eq!(missing.len(), 1);
    assert!(missing[0].since.is_some());

    // A database that was away is no reason: all are as silent as the definition.
    let all_silent = "UPDATE replica SET heartbeat_at = heartbeat_at - interval '20 s'";
    sqlx::query(all_silent).execute(&mut db.side).await.unwrap();
    assert_eq!(db.store.missing(&[pin]).await.unwrap(), []);
}

#[tokio::test]
async fn only_sagas_that_move_no_more_by_themselves_have_ended() {
    let db = fresh().await;
    populate(&db.store).await;
    let asked: Vec<SagaId> = [1, 3, 4, 6, 77].map(id).to_vec();
    let mut ended = db.store.ended(&asked).await.unwrap();
    ended.sort_unstable();
    assert_eq!(ended, [3, 4, 6].map(id));
    db.store.ping().await.unwrap();
}
