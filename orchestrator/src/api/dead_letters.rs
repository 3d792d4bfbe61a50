//! `GET /v1/dead-letters`: records that nobody could use, those that came last first. Records with the same
//! bytes are one entry with their `count`; beyond so many entries of one kind on a day, there is only
//! the number, in `left_out`.

use axum::extract::State;
use axum::{Extension, Json as Answer};
use sagas::SagaId;
use serde::Serialize;
use serde_json::{Value, json};

use super::backend::Backend;
use super::cursor;
use super::problem::Problem;
use super::query::Parameters;
use super::summary::Instant;
use crate::store::dead_letter::{DeadLetterRow, LeftOut};

/// The parameters of the list.
pub(super) const KNOWN: [&str; 2] = ["limit", "cursor"];

/// Bytes of a value that are shown: enough to recognize what it is.
const VALUE_MAX: usize = 2048;

#[derive(Serialize)]
struct Shown<'a> {
    /// When it last came; `topic`, `partition`, `offset` and `reason` are of that record.
    at: Instant,
    first_at: Instant,
    count: u64,
    kind: &'a str,
    topic: &'a str,
    partition: i32,
    offset: i64,
    reason: &'a str,
    key: Option<String>,
    value: String,
}

pub(super) async fn list(
    State(backend): State<Backend>,
    Extension(parameters): Extension<Parameters>,
) -> Result<Answer<Value>, Problem> {
    let limit = parameters.limit()?;
    let before = parameters.get("cursor").map(cursor::read).transpose()?;
    let before = before.map(|(at, id)| (at, id.0));
    // One more than the page tells whether there is a next one.
    let rows = backend.store().dead_letters(before, limit + 1).await?;
    let left_out = backend.store().dead_letters_left_out().await?;
    Ok(Answer(page(&rows, &left_out, limit)))
}

fn page(rows: &[DeadLetterRow], left_out: &[LeftOut], limit: u32) -> Value {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let shown = &rows[..rows.len().min(limit)];
    let last = shown.last().filter(|_| rows.len() > limit);
    let letters: Vec<_> = shown.iter().map(one).collect();
    let next = last.map(|row| cursor::write(row.received_at, SagaId(row.id)));
    let left_out: Vec<_> = left_out.iter().map(number).collect();
    json!({ "dead_letters": letters, "left_out": left_out, "next": next })
}

fn number(left_out: &LeftOut) -> Value {
    let LeftOut {
        day,
        kind,
        kept,
        records,
    } = left_out;
    json!({ "day": day.to_string(), "kind": kind, "kept": kept, "count": records })
}

fn one(row: &DeadLetterRow) -> Shown<'_> {
    let record = &row.record;
    Shown {
        at: Instant(row.received_at),
        first_at: Instant(row.first_at),
        count: row.records,
        kind: &row.kind,
        topic: &record.topic,
        partition: record.partition,
        offset: record.offset,
        reason: &row.reason,
        key: record.key.as_deref().map(text),
        value: record.value.as_deref().map(text).unwrap_or_default(),
    }
}

fn text(bytes: &[u8]) -> String {
    let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(VALUE_MAX)]);
    if bytes.len() > VALUE_MAX {
        format!("{shown}… ({} bytes)", bytes.len())
    } else {
        shown.into_owned()
    }
}

#[cfg(test)]
mod tests {
    use sagas::Timestamp;
    use uuid::Uuid;

    use super::*;
    use sagas_core::record::ReplyRecord;

    fn row(value: &[u8]) -> DeadLetterRow {
        DeadLetterRow {
            id: Uuid::from_u128(9),
            records: 12,
            first_at: Timestamp::from_micros(4_000),
            received_at: Timestamp::from_micros(5_000),
            kind: "unreadable".to_owned(),
            reason: "it is no JSON".to_owned(),
            record: ReplyRecord {
                cluster: "c".into(),
                topic: "saga.replies".into(),
                partition: 3,
                offset: 7,
                key: None,
                headers: sagas::wire::Headers::default(),
                value: Some(value.to_vec()),
            },
        }
    }

    #[test]
    fn bytes_are_shown_as_text_and_cut() {
        let shown = page(&[row(b"\xff{")], &[], 1);
        let letter = &shown["dead_letters"][0];
        assert_eq!(letter["value"], "\u{fffd}{");
        assert_eq!(letter["key"], Value::Null);
        assert_eq!(letter["at"], "1970-01-01T00:00:00.005Z");
        assert_eq!(letter["first_at"], "1970-01-01T00:00:00.004Z");
        assert_eq!(
            (&letter["count"], &letter["kind"]),
            (&12.into(), &"unreadable".into())
        );
        assert_eq!(shown["next"], Value::Null);
        let long = page(&[row(&[b'x'; 3000])], &[], 1);
        let value = long["dead_letters"][0]["value"].as_str().unwrap();
        assert!(value.ends_with("x… (3000 bytes)") && value.len() < 2100);
    }

    #[test]
    fn what_was_only_counted_is_on_the_page_with_its_day_and_kind() {
        let left_out = LeftOut {
            day: chrono::NaiveDate::from_ymd_opt(2026, 11, 23).unwrap(),
            kind: "unknown-saga".to_owned(),
            kept: 10_000,
            records: 5,
        };
        let shown = page(&[], &[left_out], 1);
        let expected = r#"[{"count":5,"day":"2026-11-23","kept":10000,"kind":"unknown-saga"}]"#;
        assert_eq!(shown["left_out"].to_string(), expected);
    }

    #[test]
    fn the_cursor_names_the_last_one_shown() {
        let shown = page(&[row(b""), row(b"")], &[], 1);
        let (at, id) = cursor::read(shown["next"].as_str().unwrap()).unwrap();
        assert_eq!((at.as_micros(), id.0), (5_000, Uuid::from_u128(9)));
    }
}
