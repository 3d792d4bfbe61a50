//! Records that nobody can use: how they are written, and how people read them.
//!
//! Invariant: a dead letter can always be stored. What comes from outside is bytes, and the two
//! texts beside them lose the one character that Postgres has no room for.

use saga_core::batch::DeadLetter;
use sagas::Timestamp;
use sagas::wire::Headers;
use sha2::{Digest as _, Sha256};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Row as _};
use uuid::Uuid;

use super::kind::Ask;
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

/// The columns that [`read`] reads.
const COLUMNS: &str =
    "id, received_at, cluster, topic, partition, record_offset, reason, key, headers, value";

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
}

fn read(row: &PgRow) -> Result<DeadLetterRow, sqlx::Error> {
    let mut reason: String = row.try_get("reason")?;
    let headers = Headers::unpack(row.try_get("headers")?).unwrap_or_else(|| {
        reason.push_str(" (what is stored of its headers is damaged, and not shown)");
        Headers::default()
    });
    let received_at: chrono::DateTime<chrono::Utc> = row.try_get("received_at")?;
    Ok(DeadLetterRow {
        id: row.try_get("id")?,
        received_at: received_at.into(),
        letter: DeadLetter {
            cluster: row.try_get::<&str, _>("cluster")?.into(),
            topic: row.try_get::<&str, _>("topic")?.into(),
            partition: row.try_get("partition")?,
            offset: row.try_get("record_offset")?,
            reason,
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

/// SHA-256 of key, headers and value: tells apart records that stand in the same place.
pub(super) fn digest(letter: &DeadLetter) -> Vec<u8> {
    let mut sha = Sha256::new();
    for part in [
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
    sha.finalize().to_vec()
}
