//! Texts that Postgres has no room for, or might mistake for something else.
//!
//! Payloads are JSON texts: there the character U+0000 is six characters like any others.

use sagas::wire::Headers;
use sagas::{Outcome, Saga, Status};
use sagas_core::batch::{Batch, DeadLetter, LetterKind};
use sagas_core::incoming;
use sagas_core::lane::Input;
use sagas_core::record::ReplyRecord;
use sagas_orchestrator::store::list::ListFilter;
use sagas_orchestrator::store::retention::Policy;

use crate::database::{Database, fresh};
use crate::retention::{archive_all, later};
use crate::sample::{self, NOON, id};

const REJECTION: &str = r#"{"code":"no\u0000paper","message":"all\u0000used up"}"#;

/// Starts saga `number`, and lets its first step be rejected with a text that has the escape.
async fn rejected(db: &Database, number: u128, text: &str) -> Saga {
    let definition = sample::definition(2);
    let (saga, start) = sample::start(&definition, id(number), text);
    let (saga, update) =
        sample::reply_that_says(&definition, &saga, 0, Outcome::Rejected, REJECTION);
    let batch = Batch {
        starts: vec![start],
        ..Batch::default()
    };
    db.store.commit(&batch).await.unwrap();
    let batch = Batch {
        updates: vec![update],
        ..Batch::default()
    };
    assert_eq!(db.store.commit(&batch).await.unwrap().updates, [true]);
    saga
}

/// The saga as it is read equals the saga that was written, and the view shows its history.
async fn reads_back(db: &mut Database, saga: &Saga) {
    let loaded = db.store.load(&[saga.id]).await.unwrap().loaded;
    assert_eq!(sample::restore(&sample::definition(2), &loaded[0]), *saga);
    let kept: String = sqlx::query_scalar("SELECT history FROM every_saga WHERE id = $1")
        .bind(saga.id.0)
        .fetch_one(&mut db.side)
        .await
        .unwrap();
    assert!(kept.contains(REJECTION), "{kept}");
    let list = db.store.list(&all()).await.unwrap();
    let mut rows = list.iter().map(|row| row.as_ref().unwrap());
    let row = rows.find(|row| row.id == saga.id).unwrap();
    assert_eq!(row.moving, saga.moving);
    assert!(
        saga.moving
            .reason
            .as_ref()
            .unwrap()
            .fault()
            .message
            .contains('\0')
    );
}

fn all() -> ListFilter {
    ListFilter {
        limit: 10,
        ..ListFilter::default()
    }
}

#[tokio::test]
async fn an_escaped_nul_is_kept_in_the_row_in_spilled_history_and_in_the_archive() {
    let mut db = fresh().await;
    let policy = Policy::default();
    db.store.make_partitions(&policy, NOON).await.unwrap();
    let definition = sample::definition(2);
    // Of the first the history has room in the row, of the second it has none.
    let texts = ["\0".to_owned(), "\0".repeat(500)];
    for (number, text) in (1..).zip(&texts) {
        let open = rejected(&db, number, text).await;
        reads_back(&mut db, &open).await;
        // The commit that ends it writes to the archive.
        let (ended, update) =
            sample::reply_that_says(&definition, &open, 1, Outcome::Rejected, REJECTION);
        assert_eq!(ended.status(), Status::Compensated);
        let updates = vec![update];
        let batch = Batch {
            updates,
            ..Batch::default()
        };
        db.store.commit(&batch).await.unwrap();
        reads_back(&mut db, &ended).await;
    }
    assert_eq!(db.number("SELECT count(*) FROM saga_archive").await, 2);
    assert_eq!(
        db.store.counts().await.unwrap().by_status[&Status::Compensated],
        2
    );
}

#[tokio::test]
async fn an_escaped_nul_survives_the_later_move_to_the_archive_and_a_step_that_is_stuck() {
    let mut db = fresh().await;
    let definition = sample::definition(2);
    let open = rejected(&db, 1, "a").await;
    // Without a partition it ends where it ran.
    let (ended, update) =
        sample::reply_that_says(&definition, &open, 1, Outcome::Rejected, REJECTION);
    let (saga, start) = sample::start(&definition, id(2), "a");
    let (stuck, odd) =
        sample::reply_that_says(&definition, &saga, 0, Outcome::Succeeded, r#""\u0000""#);
    assert_eq!(stuck.status(), Status::Stuck);
    let batch = Batch {
        starts: vec![start],
        updates: vec![update],
        ..Batch::default()
    };
    db.store.commit(&batch).await.unwrap();
    let batch = Batch {
        updates: vec![odd],
        ..Batch::default()
    };
    db.store.commit(&batch).await.unwrap();
    assert_eq!(archive_all(&db.store, later()).await, 1);
    reads_back(&mut db, &ended).await;

    let attention = ListFilter {
        attention: true,
        ..all()
    };
    let list = db.store.list(&attention).await.unwrap();
    assert_eq!(list[0].as_ref().unwrap().moving, stuck.moving);
    let loaded = db.store.load(&[id(2)]).await.unwrap().loaded;
    assert_eq!(sample::restore(&definition, &loaded[0]), stuck);
}

#[tokio::test]
async fn a_dead_letter_keeps_an_escaped_nul_and_a_raw_one() {
    let db = fresh().await;
    let value = b"{\"wire\":\"\\u0000\0\"}".to_vec();
    let read = incoming::read(ReplyRecord {
        cluster: "a".into(),
        topic: "saga.replies".into(),
        partition: 0,
        offset: 1,
        key: Some(vec![0]),
        headers: Headers::default(),
        value: Some(value.clone()),
    });
    let Input::Garbage { letter, .. } = read else {
        panic!("this is no reply: {read:?}");
    };
    let named = DeadLetter {
        kind: LetterKind::UnknownStep,
        reason: "attribute step is \"\0\"".to_owned(),
        offset: 2,
        ..(*letter).clone()
    };
    let batch = Batch {
        dead_letters: vec![*letter, named],
        ..Batch::default()
    };
    db.store.commit(&batch).await.unwrap();
    let letters = db.store.dead_letters(None, 10).await.unwrap();
    assert_eq!(letters.len(), 2);
    assert!(
        letters
            .iter()
            .all(|row| row.record.value.as_ref() == Some(&value))
    );
    let reasons: Vec<_> = letters.iter().map(|row| &*row.reason).collect();
    assert!(
        reasons.contains(&"attribute step is \"\u{fffd}\""),
        "{reasons:?}"
    );
}
