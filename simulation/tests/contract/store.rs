//! The store's contract, case by case.

use std::collections::BTreeSet;
use std::time::Duration;

use sagas::machine::Event;
use sagas::{SagaId, Timestamp};
use sagas_core::batch::{
    Batch, DeadLetter, LetterKind, Outgoing, Postponement, Slots, StartOutcome,
};
use sagas_core::look::Look;
use sagas_core::membership::Replica;
use uuid::Uuid;

use crate::database::{Database, Real, SHARDS, Simulated};
use crate::sample::{self, id};

type Case = fn(&mut dyn Database);

const CASES: &[(&str, Case)] = &[
    (
        "what is loaded is what was committed",
        loads_what_was_committed,
    ),
    (
        "of two writes from one revision the first wins",
        first_write_wins,
    ),
    ("a key decides who is new", a_key_decides),
    (
        "a batch with bad data commits nothing",
        bad_data_commits_nothing,
    ),
    ("due wakes come in order", due_wakes_come_in_order),
    (
        "a postponement moves the wake of the revision it read",
        postponements,
    ),
    (
        "events stay until they are delivered",
        events_stay_until_delivered,
    ),
    (
        "dead letters of the same bytes are one row with their number",
        letters_fold,
    ),
    ("replicas are seen until they leave", replicas_are_seen),
];

#[test]
fn the_double_keeps_the_contract_of_the_store() {
    for (_, case) in CASES {
        case(&mut Simulated::new());
    }
}

#[test]
fn postgres_keeps_the_contract_of_the_store() {
    for (_, case) in CASES {
        case(&mut Real::new());
    }
}

fn me() -> Replica {
    Replica {
        id: Uuid::from_u128(1),
        name: "one".to_owned(),
        started_at: Timestamp::default(),
        definitions: Vec::new(),
    }
}

fn now(db: &mut dyn Database) -> Timestamp {
    db.heartbeat(&me()).1
}

/// Starts sagas `1..=count`, a second apart, long ago.
fn started(db: &mut dyn Database, count: u128) -> Timestamp {
    let definition = sample::definition();
    let begin = now(db) - Duration::from_secs(3600);
    let starts = (1..=count).map(|number| {
        let wait = Duration::from_secs(u64::try_from(number).unwrap());
        sample::start(&definition, id(number), None, begin + wait)
    });
    let starts = starts.collect();
    db.commit(&Batch {
        starts,
        ..Batch::default()
    })
    .unwrap();
    begin
}

fn wake(db: &mut dyn Database, number: u128) -> Batch {
    let definition = sample::definition();
    let saga = sample::restore(&definition, &db.load(&[id(number)])[0]);
    let at = now(db);
    let event = Event::Wake { published: false };
    let updates = sample::update(&definition, &saga, vec![event], at)
        .into_iter()
        .collect();
    Batch {
        updates,
        ..Batch::default()
    }
}

fn loads_what_was_committed(db: &mut dyn Database) {
    started(db, 2);
    let batch = wake(db, 1);
    assert_eq!(db.commit(&batch).unwrap().updates, [true]);
    let loaded = db.load(&[id(2), id(9), id(1)]);
    assert_eq!(loaded.len(), 2, "the unknown one is absent");
    let state = &batch.updates[0].state;
    let row = &loaded[0].row;
    assert_eq!((row.id, row.revision, row.status), (id(1), 2, state.status));
    assert_eq!((&row.moving, row.wake_at), (&state.moving, state.wake_at));
    assert_eq!(row.updated_at, state.entries[0].at);
    assert_eq!(loaded[0].history[1], state.entries[0]);
    assert_eq!(loaded[1].history.len(), 1);
    assert_eq!(db.ended(&[id(1), id(2)]), []);
}

fn first_write_wins(db: &mut dyn Database) {
    started(db, 1);
    let (one, two) = (wake(db, 1), wake(db, 1));
    assert_eq!(db.commit(&one).unwrap().updates, [true]);
    assert_eq!(db.commit(&two).unwrap().updates, [false]);
    assert_eq!(
        db.load(&[id(1)])[0].history.len(),
        2,
        "the loser left nothing"
    );
}

fn a_key_decides(db: &mut dyn Database) {
    use StartOutcome::{OtherBefore, SameBefore, Started};
    let definition = sample::definition();
    let at = now(db);
    let mut outcome = |number, key| {
        let starts = vec![sample::start(&definition, id(number), key, at)];
        let committed = db
            .commit(&Batch {
                starts,
                ..Batch::default()
            })
            .unwrap();
        (committed.starts[0], committed.outbox.is_some())
    };
    assert_eq!(outcome(1, Some(7)), (Started, true));
    assert_eq!(outcome(1, Some(7)), (SameBefore, false));
    assert_eq!(outcome(1, Some(8)), (OtherBefore, false));
    assert_eq!(outcome(2, None), (Started, true));
    assert_eq!(outcome(2, None), (SameBefore, false));
}

fn bad_data_commits_nothing(db: &mut dyn Database) {
    let definition = sample::definition();
    let at = now(db);
    let good = sample::start(&definition, id(1), None, at);
    let mut nul = sample::start(&definition, id(2), None, at);
    nul.definition = "a\0b".to_owned();
    let batch = Batch {
        starts: vec![good, nul],
        ..Batch::default()
    };
    assert!(db.commit(&batch).is_err());
    assert!(db.load(&[id(1)]).is_empty());
}

fn due_wakes_come_in_order(db: &mut dyn Database) {
    started(db, 6);
    let all: Vec<u16> = (0..SHARDS).collect();
    let expected: Vec<_> = (1..=6).map(id).collect();
    assert_eq!(db.due(&all, 10), expected);
    assert_eq!(db.due(&all, 2), expected[..2]);
    let of_one: Vec<_> = expected
        .iter()
        .copied()
        .filter(|id| id.shard(SHARDS) == 1)
        .collect();
    assert_eq!(db.due(&[1], 10), of_one);
    assert_eq!(db.due(&[], 10), []);
    let mut look = Look {
        shards: all.clone(),
        late_by: Duration::ZERO,
        limit: 10,
        of_each: 1,
    };
    let mut seen = BTreeSet::new();
    let is_first = |id: &SagaId| seen.insert(id.shard(SHARDS));
    let first_of_each: Vec<_> = expected.iter().copied().filter(is_first).collect();
    assert_eq!(db.look(&look), first_of_each);
    look.late_by = Duration::from_secs(3_600_000_000);
    assert_eq!(db.look(&look), [], "none is so late");
    let batch = wake(db, 1);
    db.commit(&batch).unwrap();
    assert_eq!(
        db.due(&all, 10),
        expected[1..],
        "its wake is in the future now"
    );
}

fn postponements(db: &mut dyn Database) {
    started(db, 2);
    let wake_at = Some(now(db) + Duration::from_secs(3600));
    let postpone = |number, expected| Postponement {
        id: id(number),
        expected,
        wake_at,
    };
    let postponements = vec![postpone(1, 1), postpone(2, 7)];
    db.commit(&Batch {
        postponements,
        ..Batch::default()
    })
    .unwrap();
    let loaded = db.load(&[id(1), id(2)]);
    assert_eq!(
        (loaded[0].row.wake_at, loaded[0].row.revision),
        (wake_at, 1)
    );
    assert_ne!(loaded[1].row.wake_at, wake_at, "it has another revision");
    let mut batch = wake(db, 2);
    batch.postponements = vec![Postponement {
        id: id(2),
        expected: 1,
        wake_at: None,
    }];
    db.commit(&batch).unwrap();
    let row = &db.load(&[id(2)])[0].row;
    assert_eq!(
        row.wake_at, batch.updates[0].state.wake_at,
        "the update counts"
    );
}

fn events_stay_until_delivered(db: &mut dyn Database) {
    let definition = sample::definition();
    let at = now(db);
    let mut rows = Vec::new();
    for (number, slot) in [(1, 3), (2, 5), (3, 3)] {
        let starts = vec![sample::start(&definition, id(number), None, at)];
        let batch = Batch {
            starts,
            slot,
            ..Batch::default()
        };
        rows.push(db.commit(&batch).unwrap().outbox.unwrap());
    }
    let found = db.outbox(&Slots::of(&[3]), Duration::ZERO);
    let ids: Vec<_> = found.iter().map(|(row, _)| *row).collect();
    assert_eq!(ids, [rows[0], rows[2]]);
    let Outgoing::Event(event) = &found[0].1[0] else {
        panic!("the sample has lifecycle events alone");
    };
    assert_eq!((event.saga, event.kind.as_str()), (id(1), "started"));
    assert!(
        db.outbox(&Slots::of(&[3, 5]), Duration::from_secs(60))
            .is_empty(),
        "they are on their way"
    );
    let rest = Slots {
        own: vec![0],
        from: Some(4),
    };
    let of_no_partition: Vec<_> = db.outbox(&rest, Duration::ZERO);
    let ids: Vec<_> = of_no_partition.iter().map(|(row, _)| *row).collect();
    assert_eq!(
        ids,
        [rows[1]],
        "the topic had six partitions once, and has four"
    );
    db.delivered(&rows[..1]);
    let delivered = vec![rows[2]];
    db.commit(&Batch {
        delivered,
        ..Batch::default()
    })
    .unwrap();
    let left = db.outbox(&Slots::of(&[3, 5]), Duration::ZERO);
    assert_eq!(
        left.iter().map(|(row, _)| *row).collect::<Vec<_>>(),
        [rows[1]]
    );
}

fn letters_fold(db: &mut dyn Database) {
    let letter = |offset, kind, value| DeadLetter {
        cluster: "c".into(),
        topic: "saga.replies".into(),
        partition: 2,
        offset,
        kind,
        reason: "no".to_owned(),
        key: None,
        headers: [("a", vec![0, 255])].into_iter().collect(),
        value: Some(vec![value]),
    };
    let same = |offset| letter(offset, LetterKind::Unreadable, 1);
    let other = letter(4, LetterKind::UnknownSaga, 1);
    for dead_letters in [
        vec![same(1), same(2), other],
        // Its offset was not stored: it is read again.
        vec![same(2)],
        vec![letter(5, LetterKind::Unreadable, 2), same(3)],
    ] {
        db.commit(&Batch {
            dead_letters,
            ..Batch::default()
        })
        .unwrap();
    }
    let rows = db.letters();
    let rows: Vec<_> = rows
        .iter()
        .map(|(kind, records)| (&**kind, *records))
        .collect();
    assert_eq!(
        rows,
        [("unknown-saga", 1), ("unreadable", 1), ("unreadable", 3)]
    );
}

fn replicas_are_seen(db: &mut dyn Database) {
    let other = Replica {
        id: Uuid::from_u128(2),
        ..me()
    };
    let ids = |db: &mut dyn Database| {
        let (seen, _) = db.heartbeat(&me());
        seen.iter().map(|replica| replica.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(db), [me().id]);
    db.heartbeat(&other);
    assert_eq!(ids(db), [me().id, other.id]);
    db.leave(other.id);
    assert_eq!(ids(db), [me().id]);
}
