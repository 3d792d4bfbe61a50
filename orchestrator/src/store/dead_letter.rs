//! Records that nobody can use: how they are written, and how people read them.
//!
//! Invariant: a dead letter can always be stored. What comes from outside is bytes, and the two
//! texts beside them lose the one character that Postgres has no room for.

use sagas::Timestamp;
use sha2::{Digest as _, Sha256};
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::batch::DeadLetter;
use super::commit::column;
use super::session::Statement;
use super::{Error, Store};

/// A dead letter as it lies in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterRow {
    /// Names it in REST.
    pub id: Uuid,
    /// When it was stored.
    pub received_at: Timestamp,
    /// The record, and the reason.
    pub letter: DeadLetter,
}

impl Store {
    /// Dead letters, newest first; `before` is time and id of the last one seen.
    ///
    /// # Errors
    ///
    /// When the database is away or refuses.
    pub async fn dead_letters(
        &self,
        before: Option<(Timestamp, Uuid)>,
        limit: u32,
    ) -> Result<Vec<DeadLetterRow>, Error> {
        let sql = match before {
            None => "SELECT * FROM dead_letter ORDER BY received_at DESC, id DESC LIMIT $1",
            Some(_) => {
                "SELECT * FROM dead_letter WHERE (received_at, id) < ($2, $3)
                 ORDER BY received_at DESC, id DESC LIMIT $1"
            }
        };
        let mut statement = sqlx::query(sql).bind(i64::from(limit));
        if let Some((received_at, id)) = before {
            statement = statement.bind(received_at.to_chrono()).bind(id);
        }
        let rows = self.run(statement).await?;
        rows.iter().map(|row| Ok(read(row)?)).collect()
    }
}

/// The last arguments of `commit.sql`.
pub(super) fn bind(statement: Statement, letters: &[DeadLetter]) -> Statement {
    let headers: Vec<Vec<u8>> = column(letters, |letter| pack(&letter.headers));
    let digests = letters.iter().zip(&headers);
    let digests: Vec<Vec<u8>> = digests
        .map(|(letter, headers)| digest(letter, headers))
        .collect();
    statement
        .bind(column(letters, |letter| storable(&letter.cluster)))
        .bind(column(letters, |letter| storable(&letter.topic)))
        .bind(column(letters, |letter| letter.partition))
        .bind(column(letters, |letter| letter.offset))
        .bind(digests)
        .bind(column(letters, |letter| storable(&letter.reason)))
        .bind(column(letters, |letter| letter.key.clone()))
        .bind(headers)
        .bind(column(letters, |letter| letter.value.clone()))
}

fn read(row: &PgRow) -> Result<DeadLetterRow, sqlx::Error> {
    let headers = unpack(row.try_get("headers")?).ok_or_else(|| sqlx::Error::ColumnDecode {
        index: "headers".to_owned(),
        source: "it ends in the middle of a header".into(),
    })?;
    let received_at: chrono::DateTime<chrono::Utc> = row.try_get("received_at")?;
    Ok(DeadLetterRow {
        id: row.try_get("id")?,
        received_at: received_at.into(),
        letter: DeadLetter {
            cluster: row.try_get("cluster")?,
            topic: row.try_get("topic")?,
            partition: row.try_get("partition")?,
            offset: row.try_get("record_offset")?,
            reason: row.try_get("reason")?,
            key: row.try_get("key")?,
            headers,
            value: row.try_get("value")?,
        },
    })
}

/// Text as Postgres can keep it: it has no room for NUL.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

fn digest(letter: &DeadLetter, headers: &[u8]) -> Vec<u8> {
    let mut sha = Sha256::new();
    for part in [
        letter.key.as_deref(),
        Some(headers),
        letter.value.as_deref(),
    ] {
        // The length keeps the parts apart; none is not empty.
        sha.update(
            part.map_or(u64::MAX, |part| part.len() as u64)
                .to_be_bytes(),
        );
        sha.update(part.unwrap_or_default());
    }
    sha.finalize().to_vec()
}

fn pack(headers: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut packed = Vec::new();
    for (name, value) in headers {
        for part in [name.as_bytes(), value] {
            let length = u32::try_from(part.len()).expect("a Kafka record is below 2 GiB");
            packed.extend_from_slice(&length.to_be_bytes());
            packed.extend_from_slice(part);
        }
    }
    packed
}

fn unpack(mut packed: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
    let mut headers = Vec::new();
    while !packed.is_empty() {
        let name = String::from_utf8_lossy(take(&mut packed)?).into_owned();
        headers.push((name, take(&mut packed)?.to_vec()));
    }
    Some(headers)
}

fn take<'a>(packed: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = packed.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (part, rest) = rest.split_at_checked(length)?;
    *packed = rest;
    Some(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back_as_they_were_and_cut_ones_are_noticed() {
        let headers = vec![
            ("ce_id".to_owned(), b"7".to_vec()),
            (String::new(), vec![]),
            ("ce_id".to_owned(), vec![0, 255]),
        ];
        let packed = pack(&headers);
        assert_eq!(unpack(&packed), Some(headers));
        assert_eq!(unpack(&packed[..packed.len() - 1]), None);
    }
}
