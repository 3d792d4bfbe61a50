//! Records that nobody can use: how they are written, and how people read them.
//!
//! Invariants: a dead letter can always be stored. What comes from outside is bytes, and the texts
//! beside them lose the one character that Postgres has no room for. Records with the same bytes, from
//! one topic, that are of no use for the same kind of reason are one row, with their number.
//!
//! The number is never too small. It may be too large: a record that is read again, because a process died
//! after it was stored and before its offset was, may be counted again.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use sagas::Timestamp;
use sagas::wire::Headers;
use sagas_core::batch::DeadLetter;
use sagas_core::record::ReplyRecord;
use sha2::{Digest as _, Sha256};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Row as _};
use uuid::Uuid;

use super::kind::Ask;
use super::{Error, Store};

/// Dead letters of the same bytes and kind, as they lie in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterRow {
    /// Names the row in REST.
    pub id: Uuid,
    /// Records that were folded into it.
    pub records: u64,
    /// When the first of them was stored.
    pub first_at: Timestamp,
    /// When the last of them was stored.
    pub received_at: Timestamp,
    /// Why nobody can use them, in a word.
    pub kind: String,
    /// The reason of the last one.
    pub reason: String,
    /// The last one, with its place.
    pub record: ReplyRecord,
}

/// Dead letters of a kind and a day of which there is only the number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// The day, in UTC.
    pub day: NaiveDate,
    /// The reason in a word.
    pub kind: String,
    /// Rows that were added that day.
    pub kept: u64,
    /// Records beyond them.
    pub records: u64,
}

/// The columns that [`read`] reads.
const COLUMNS: &str = "id, records, first_at, received_at, kind, cluster, topic, partition, \
                       record_offset, reason, key, headers, value";

/// Kinds and days of which numbers are shown.
const LEFT_OUT_MAX: i64 = 100;

impl Store {
    /// Dead letters, what came last first; `before` is time and id of the last one seen. One that comes
    /// again meanwhile stands before the first page, and on no later one.
    ///
    /// # Errors
    ///
    /// When the database is away or refuses.
    pub async fn dead_letters(
        &self,
        before: Option<(Timestamp, Uuid)>,
        limit: u32,
    ) -> Result<Vec<DeadLetterRow>, Error> {
        let before_it = match before {
            None => "",
            Some(_) => "WHERE (received_at, id) < ($2, $3)",
        };
        let sql = format!(
            "SELECT {COLUMNS} FROM dead_letter {before_it}
             ORDER BY received_at DESC, id DESC LIMIT $1"
        );
        let mut statement = sqlx::query(AssertSqlSafe(sql)).bind(i64::from(limit));
        if let Some((received_at, id)) = before {
            statement = statement.bind(received_at.to_chrono()).bind(id);
        }
        let rows = self.run(Ask::DeadLetters, statement).await?;
        rows.iter().map(|row| Ok(read(row)?)).collect()
    }

    /// What was only counted, newest day first, up to a hundred kinds and days.
    ///
    /// # Errors
    ///
    /// When the database is away or refuses.
    pub async fn dead_letters_left_out(&self) -> Result<Vec<LeftOut>, Error> {
        let statement = sqlx::query(
            "SELECT day, kind, sum(kept)::bigint AS kept, sum(left_out)::bigint AS left_out
             FROM dead_letter_tally GROUP BY day, kind HAVING sum(left_out) > 0
             ORDER BY day DESC, kind LIMIT $1",
        );
        let statement = statement.bind(LEFT_OUT_MAX);
        let rows = self.run(Ask::DeadLettersLeftOut, statement).await?;
        let one = |row: &PgRow| {
            Ok(LeftOut {
                day: row.try_get("day")?,
                kind: row.try_get("kind")?,
                kept: row.try_get::<i64, _>("kept")?.unsigned_abs(),
                records: row.try_get::<i64, _>("left_out")?.unsigned_abs(),
            })
        };
        rows.iter().map(one).collect()
    }
}

fn read(row: &PgRow) -> Result<DeadLetterRow, sqlx::Error> {
    let mut reason: String = row.try_get("reason")?;
    let headers = Headers::unpack(row.try_get("headers")?).unwrap_or_else(|| {
        reason.push_str(" (what is stored of its headers is damaged, and not shown)");
        Headers::default()
    });
    let instant = |column| Ok::<_, sqlx::Error>(row.try_get::<DateTime<Utc>, _>(column)?.into());
    Ok(DeadLetterRow {
        id: row.try_get("id")?,
        records: row.try_get::<i64, _>("records")?.unsigned_abs(),
        first_at: instant("first_at")?,
        received_at: instant("received_at")?,
        kind: row.try_get("kind")?,
        reason,
        record: ReplyRecord {
            cluster: row.try_get::<&str, _>("cluster")?.into(),
            topic: row.try_get::<&str, _>("topic")?.into(),
            partition: row.try_get("partition")?,
            offset: row.try_get("record_offset")?,
            key: row.try_get("key")?,
            headers,
            value: row.try_get("value")?,
        },
    })
}

/// Text as Postgres can keep it: it has no room for NUL.
pub(super) fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// Letters of one batch that are one row.
pub(super) struct Folded<'a> {
    pub(super) last: &'a DeadLetter,
    pub(super) digest: [u8; 32],
    /// Where they stand in the batch.
    pub(super) positions: Vec<usize>,
    /// Where the records lay: one that comes twice is one.
    places: BTreeSet<(i32, i64)>,
}

impl Folded<'_> {
    pub(super) fn records(&self) -> i64 {
        i64::try_from(self.places.len()).unwrap_or(i64::MAX)
    }
}

/// Puts together what is one row; in one order for all, so that two commits lock rows in the same one.
pub(super) fn fold(letters: &[DeadLetter]) -> Vec<Folded<'_>> {
    let mut rows: BTreeMap<_, Folded<'_>> = BTreeMap::new();
    for (position, letter) in letters.iter().enumerate() {
        let digest = digest(letter);
        let row = rows
            .entry((&letter.cluster, &letter.topic, digest))
            .or_insert_with(|| Folded {
                last: letter,
                digest,
                positions: Vec::new(),
                places: BTreeSet::new(),
            });
        row.last = letter;
        row.positions.push(position);
        row.places.insert((letter.partition, letter.offset));
    }
    rows.into_values().collect()
}

/// SHA-256 of kind, key, headers and value.
fn digest(letter: &DeadLetter) -> [u8; 32] {
    let mut sha = Sha256::new();
    for part in [
        Some(letter.kind.as_str().as_bytes()),
        letter.key.as_deref(),
        Some(letter.headers.packed()),
        letter.value.as_deref(),
    ] {
        // The length keeps the parts apart; none is not empty.
        sha.update(
            part.map_or(u64::MAX, |part| part.len() as u64)
                .to_be_bytes(),
        );
        sha.update(part.unwrap_or_default());
    }
    sha.finalize().into()
}
