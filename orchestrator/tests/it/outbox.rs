//! Lifecycle events between commit and broker.

use std::time::Duration;

use sagas::{Outcome, Timestamp};
use sagas_core::batch::{Batch, OutboxId, Slots, StartOutcome};
use sagas_orchestrator::store::outbox::Left;
use uuid::Uuid;

use crate::database::{Database, fresh};
use crate::sample::{self, id};

async fn left(
    db: &Database,
    slots: &Slots,
    older_than: Duration,
    after: Option<(Timestamp, Uuid)>,
    limit: u32,
) -> Vec<Left> {
    let left = db.store.outbox(slots, older_than, after, limit).await;
    left.unwrap()
}

fn ids(left: &[Left]) -> Vec<OutboxId> {
    left.iter().map(|left| left.id).collect()
}

#[tokio::test]
async fn a_row_that_cannot_be_read_stands_before_no_other() {
    let mut db = fresh().await;
    for (number, events) in [(1, r#"[{"of":"a newer binary"}]"#), (2, "[]")] {
        let insert = sqlx::query("INSERT INTO event_outbox (slot, id, events) VALUES (3, $1, $2)");
        let insert = insert.bind(Uuid::from_u128(number)).bind(events);
        insert.execute(&mut db.side).await.unwrap();
    }
    let left = left(&db, &Slots::of(&[3]), Duration::ZERO, None, 10).await;
    let [unreadable, readable] = &left[..] else {
        panic!("{left:?}");
    };
    let error = unreadable.events.as_ref().unwrap_err();
    assert_eq!(error.text, r#"[{"of":"a newer binary"}]"#);
    assert_eq!(readable.events.as_ref().unwrap(), &[]);
}

#[tokio::test]
async fn the_outbox_has_the_winners_events_in_order_until_they_are_delivered() {
    let mut db = fresh().await;
    let definition = sample::definition(1);
    let (saga, known) = sample::start(&definition, id(1), "a");
    let known = sample::keyed(known, 1);
    let first = Batch {
        starts: vec![known.clone()],
        slot: 5,
        ..Batch::default()
    };
    let first = db.store.commit(&first).await.unwrap().outbox.unwrap();

    let (_, fresh_start) = sample::start(&definition, id(2), "b");
    let (_, mut completed) = sample::reply(&definition, &saga, 0, Outcome::Succeeded);
    completed.state.announcements.push(sample::notice(&saga));
    let expected = [
        fresh_start.state.announcements.clone(),
        completed.state.announcements.clone(),
    ]
    .concat();
    assert_eq!(expected.len(), 3);
    let second = Batch {
        starts: vec![known, fresh_start],
        updates: vec![completed],
        slot: 6,
        ..Batch::default()
    };
    let second = db.store.commit(&second).await.unwrap();
    assert_eq!(
        second.starts,
        [StartOutcome::SameBefore, StartOutcome::Started]
    );
    let second = second.outbox.unwrap();
    assert_eq!(second.slot, 6);

    let both = Slots::of(&[5, 6]);
    let left = left(&db, &both, Duration::ZERO, None, 10).await;
    assert_eq!(ids(&left), [first, second]);
    assert_eq!(left[1].events.as_ref().unwrap(), &expected);
    let read = async |slots: &Slots, older_than, after, limit| {
        ids(&self::left(&db, slots, older_than, after, limit).await)
    };
    assert_eq!(read(&both, Duration::from_secs(60), None, 10).await, []);
    let of_six = Slots::of(&[6]);
    assert_eq!(read(&of_six, Duration::ZERO, None, 10).await, [second]);
    let page = read(&both, Duration::ZERO, None, 1).await;
    assert_eq!(page, [first]);
    let after = Some(left[0].place());
    assert_eq!(read(&both, Duration::ZERO, after, 1).await, [second]);
    let after = Some(left[1].place());
    assert_eq!(read(&both, Duration::ZERO, after, 1).await, []);

    let acknowledged = Batch {
        delivered: vec![first],
        ..Batch::default()
    };
    let nothing = db.store.commit(&acknowledged).await.unwrap();
    assert_eq!(nothing.outbox, None);
    db.store.delivered(&[second]).await.unwrap();
    assert_eq!(db.number("SELECT count(*) FROM event_outbox").await, 0);
}
