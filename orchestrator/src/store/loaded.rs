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
