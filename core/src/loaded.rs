//! A saga as it lies in the database.

use sagas::machine::{Entry, Moving, Status};
use sagas::{SagaId, Timestamp};
use uuid::Uuid;

/// A saga's row and its whole history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The row.
    pub row: SagaRow,
    /// Every transition, oldest first.
    pub history: Vec<Entry>,
}

/// A saga's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SagaRow {
    /// Who it is.
    pub id: SagaId,
    /// The definition's name.
    pub definition: String,
    /// The definition's version.
    pub version: u32,
    /// The digest of the definition's graph.
    pub fingerprint: Uuid,
    /// Where it stands.
    pub status: Status,
    /// Its transitions so far.
    pub revision: u64,
    /// When it was accepted.
    pub started_at: Timestamp,
    /// When it last moved.
    pub updated_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// When it is looked at again.
    pub wake_at: Option<Timestamp>,
    /// How far each step has come, and why it turned back.
    pub moving: Moving,
}

/// Sagas that were found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Those that this binary can read.
    pub loaded: Vec<Loaded>,
    /// Those that it cannot read.
    pub unreadable: Vec<Unreadable>,
}

impl From<Vec<Loaded>> for Found {
    fn from(loaded: Vec<Loaded>) -> Self {
        let unreadable = Vec::new();
        Self { loaded, unreadable }
    }
}

/// What is stored of a saga that this binary cannot read: a newer one may have written it, or the row
/// is damaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// The saga.
    pub id: SagaId,
    /// The definition's name.
    pub definition: String,
    /// The definition's version, as it is stored.
    pub version: i64,
    /// The status, as it is stored.
    pub status: String,
    /// The revision, as it is stored.
    pub revision: i64,
    /// When it was accepted.
    pub started_at: Timestamp,
    /// When it last moved.
    pub updated_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// What cannot be read, and why: `the state: unknown variant …`.
    pub why: String,
}
