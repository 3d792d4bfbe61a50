//! Lifecycle events between commit and broker.

use std::time::Duration;

use orchestrator::store::batch::{Batch, Slots, StartOutcome};
use sagas::Outcome;

use crate::database::fresh;
use crate::sample::{self, id};

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

    let left = db
        .store
        .outbox(&Slots::of(&[5, 6]), Duration::ZERO, 10)
        .await
        .unwrap();
    assert_eq!(
        left.iter().map(|(id, _)| *id).collect::<Vec<_>>(),
        [first, second]
    );
    assert_eq!(left[1].1, expected);
    let young = db
        .store
        .outbox(&Slots::of(&[5, 6]), Duration::from_secs(60), 10)
        .await;
    assert_eq!(young.unwrap(), []);
    let of_six = db.store.outbox(&Slots::of(&[6]), Duration::ZERO, 10).await;
    assert_eq!(of_six.unwrap().len(), 1);
    let one = db
        .store
        .outbox(&Slots::of(&[5, 6]), Duration::ZERO, 1)
        .await;
    assert_eq!(one.unwrap().len(), 1);

    let acknowledged = Batch {
        delivered: vec![first],
        ..Batch::default()
    };
    let nothing = db.store.commit(&acknowledged).await.unwrap();
    assert_eq!(nothing.outbox, None);
    db.store.delivered(&[second]).await.unwrap();
    assert_eq!(db.number("SELECT count(*) FROM event_outbox").await, 0);
}
