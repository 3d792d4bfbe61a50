//! Dead letters: what is one row, and what is only a number.

use std::collections::BTreeSet;

use sagas::Timestamp;
use sagas_core::batch::{Batch, DeadLetter, LETTERS_KEPT_MAX, LetterKind};
use sagas_orchestrator::store::dead_letter::{DeadLetterRow, LeftOut};
use sagas_orchestrator::store::retention::Policy;

use crate::database::{Database, connect_with, fresh};
use crate::retention::DAY;

fn letter(offset: i64, value: &str) -> DeadLetter {
    DeadLetter {
        cluster: "c1".into(),
        topic: "saga.replies".into(),
        partition: 3,
        offset,
        kind: LetterKind::Unreadable,
        reason: format!("not a reply, at {offset}: \0"),
        key: Some(vec![0, 255]),
        headers: [("ce_id", vec![0, 1]), ("ce_id", vec![])]
            .into_iter()
            .collect(),
        value: Some(value.into()),
    }
}

async fn commit(db: &Database, dead_letters: Vec<DeadLetter>) -> BTreeSet<usize> {
    let batch = Batch {
        dead_letters,
        ..Batch::default()
    };
    db.store.commit(&batch).await.unwrap().letters_left_out
}

/// All rows, read in pages of one.
async fn rows(db: &Database) -> Vec<DeadLetterRow> {
    let (mut rows, mut before) = (Vec::new(), None);
    loop {
        let page = db.store.dead_letters(before, 1).await.unwrap();
        let Some(last) = page.last() else {
            return rows;
        };
        before = Some((last.received_at, last.id));
        rows.extend(page);
    }
}

/// Value, number and offset of each row.
async fn shown(db: &Database) -> Vec<(String, u64, i64)> {
    let one = |row: DeadLetterRow| {
        let value = String::from_utf8(row.record.value.unwrap()).unwrap();
        (value, row.records, row.record.offset)
    };
    rows(db).await.into_iter().map(one).collect()
}

fn row(value: &str, records: u64, offset: i64) -> (String, u64, i64) {
    (value.to_owned(), records, offset)
}

#[tokio::test]
async fn records_with_the_same_bytes_are_one_row_byte_for_byte_with_the_place_of_the_last() {
    let db = fresh().await;
    commit(&db, vec![letter(41, "a"), letter(42, "a"), letter(43, "b")]).await;
    let before = rows(&db).await;
    commit(&db, vec![letter(50, "a")]).await;
    assert_eq!(shown(&db).await, [row("a", 3, 50), row("b", 1, 43)]);

    let rows = rows(&db).await;
    let was = before.iter().find(|row| row.records == 2);
    let (last, was) = (&rows[0], was.unwrap());
    assert_eq!((last.id, last.first_at), (was.id, was.first_at));
    assert!(last.first_at < last.received_at, "{last:?}");
    assert_eq!(last.kind, "unreadable");
    assert_eq!(last.reason, "not a reply, at 50: \u{fffd}");
    let letter = letter(50, "a");
    let record = &last.record;
    assert_eq!(
        (&record.key, &record.headers, &record.value),
        (&letter.key, &letter.headers, &letter.value)
    );
    assert_eq!((&*record.cluster, &*record.topic), ("c1", "saga.replies"));
}

#[tokio::test]
async fn what_differs_in_bytes_or_kind_or_topic_or_cluster_is_a_row_of_its_own() {
    let db = fresh().await;
    let one = letter(1, "");
    let others = [
        DeadLetter {
            value: None,
            ..one.clone()
        },
        DeadLetter {
            key: None,
            ..one.clone()
        },
        DeadLetter {
            headers: [("ce_id", vec![0, 1])].into_iter().collect(),
            ..one.clone()
        },
        DeadLetter {
            kind: LetterKind::Unstorable,
            ..one.clone()
        },
        DeadLetter {
            topic: "saga.events".into(),
            ..one.clone()
        },
        DeadLetter {
            cluster: "c2".into(),
            ..one.clone()
        },
    ];
    for _ in 0..2 {
        let letters = others.iter().cloned().chain([one.clone()]);
        assert!(commit(&db, letters.collect()).await.is_empty());
    }
    let rows = rows(&db).await;
    assert_eq!(rows.len(), 7);
    assert!(rows.iter().all(|row| row.records == 1), "{rows:#?}");
}

#[tokio::test]
async fn a_record_that_is_read_again_is_not_counted_again_unless_another_came_between() {
    let db = fresh().await;
    commit(&db, vec![letter(1, "a"), letter(1, "a")]).await;
    commit(&db, vec![letter(1, "a")]).await;
    assert_eq!(shown(&db).await, [row("a", 1, 1)]);
    commit(&db, vec![letter(2, "a")]).await;
    commit(&db, vec![letter(1, "a"), letter(2, "a")]).await;
    assert_eq!(shown(&db).await, [row("a", 3, 2)], "never too few");
}

#[tokio::test]
async fn commits_at_the_same_time_lose_no_record_of_a_row() {
    let db = fresh().await;
    let many = (0..8).map(|number| {
        let store = connect_with(&db.url, 2);
        tokio::spawn(async move {
            for offset in number * 100..number * 100 + 10 {
                let dead_letters = vec![letter(offset, "b"), letter(offset, "a")];
                let slot = i32::try_from(number).unwrap();
                let batch = Batch {
                    dead_letters,
                    tally_slot: slot,
                    ..Batch::default()
                };
                store.commit(&batch).await.unwrap();
            }
            store.close().await;
        })
    });
    for task in many.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let records: Vec<u64> = rows(&db).await.iter().map(|row| row.records).collect();
    assert_eq!(records, [80, 80]);
}

/// So many rows of the kind were added on that day, counted from today, by another lane.
async fn added(db: &mut Database, kind: &str, day: i32, kept: i64) {
    let sql = "INSERT INTO dead_letter_tally (kind, day, slot, kept, left_out)
               VALUES ($1, (now() AT TIME ZONE 'UTC')::date + $2, 77, $3, 0)";
    let insert = sqlx::query(sql).bind(kind).bind(day).bind(kept);
    insert.execute(&mut db.side).await.unwrap();
}

#[tokio::test]
async fn beyond_so_many_rows_of_one_kind_on_a_day_only_the_number_goes_on() {
    let mut db = fresh().await;
    let kind = "unreadable";
    commit(&db, vec![letter(1, "known")]).await;
    added(&mut db, kind, 0, LETTERS_KEPT_MAX - 2).await;
    added(&mut db, kind, -1, LETTERS_KEPT_MAX).await;
    added(&mut db, "unstorable", -1, LETTERS_KEPT_MAX).await;
    let other = DeadLetter {
        kind: LetterKind::Unstorable,
        ..letter(9, "other")
    };
    let batch = vec![
        letter(2, "a"),
        letter(3, "b"),
        letter(4, "b"),
        letter(5, "c"),
        letter(6, "known"),
        letter(7, "a"),
        other,
    ];
    // One has room; which one is for the order of the rows to say.
    let left_out = commit(&db, batch).await;
    let shown = shown(&db).await;
    let values: BTreeSet<_> = shown.iter().map(|(value, ..)| value.as_str()).collect();
    assert_eq!(values.len(), 3, "{shown:?}");
    assert!(values.is_superset(&["known", "other"].into()), "{shown:?}");
    assert!(shown.contains(&row("known", 2, 6)), "{shown:?}");
    let all = [("a", [0, 5]), ("b", [1, 2]), ("c", [3, 3])];
    let without_row = all.iter().filter(|(value, _)| !values.contains(value));
    let expected: BTreeSet<usize> = without_row.flat_map(|(_, places)| *places).collect();
    assert_eq!(left_out, expected);

    // From now on none.
    let d = vec![letter(10, "d"), letter(11, "d"), letter(12, "e")];
    assert_eq!(commit(&db, d).await, [0, 1, 2].into());
    assert_eq!(rows(&db).await.len(), 3);
    let records = expected.len() as u64 + 3;
    let numbers = db.store.dead_letters_left_out().await.unwrap();
    let [
        LeftOut {
            kind,
            kept,
            records: counted,
            ..
        },
    ] = &numbers[..]
    else {
        panic!("{numbers:?}");
    };
    assert_eq!((&**kind, *kept, *counted), ("unreadable", 10_000, records));
    let counts = db.store.counts().await.unwrap();
    assert_eq!(
        (counts.dead_letters, counts.dead_letters_left_out),
        (3, records)
    );
}

#[tokio::test]
async fn numbers_are_kept_for_as_many_days_as_dead_letters() {
    let mut db = fresh().await;
    let policy = Policy::default();
    added(&mut db, "unreadable", -91, 1).await;
    added(&mut db, "unreadable", -90, 1).await;
    added(&mut db, "unstorable", 0, 1).await;
    let now: Timestamp = db.store.database_time().await.unwrap();
    db.store.drop_dead_letters(10, &policy, now).await.unwrap();
    assert_eq!(db.number("SELECT count(*) FROM dead_letter_tally").await, 2);
    let later = now + 91 * DAY;
    db.store
        .drop_dead_letters(10, &policy, later)
        .await
        .unwrap();
    assert_eq!(db.number("SELECT count(*) FROM dead_letter_tally").await, 0);
}
