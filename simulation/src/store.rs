//! The double of the store: its contract, without Postgres.
//!
//! ```text
//!   commit      what commit.sql does to every table, whole or not at all     (store/commit.rs)
//!   load, due, outbox, heartbeat, …   what the other statements read         (store/read.rs)
//! ```
//!
//! Invariant: one call is one statement, so one transaction. States and history are kept as the JSON
//! that Postgres would keep. Time is an argument; connections and their loss are the world's affair.
//! `tests/contract/store.rs` runs one suite on this and on a real Postgres.

use std::collections::{BTreeMap, BTreeSet};

use sagas::{SagaId, Status, Timestamp};
use sagas_core::batch::{DeadLetter, OutboxId, Outgoing};
use sagas_core::digest::Digest;
use sagas_core::membership::ReplicaSeen;
use uuid::Uuid;

mod commit;
mod read;

pub use commit::BadData;
pub(crate) use commit::UNSTORABLE;

/// The tables.
#[derive(Debug, Clone)]
pub struct Store {
    shards: u16,
    sagas: BTreeMap<SagaId, StoredSaga>,
    keys: BTreeMap<SagaId, Digest>,
    outbox: BTreeMap<OutboxId, (Timestamp, Vec<Outgoing>)>,
    letters: BTreeMap<LetterKey, DeadLetter>,
    replicas: BTreeMap<Uuid, ReplicaSeen>,
    outbox_rows: u128,
}

/// Topic, partition and offset: there is one cluster, and its topics are never made anew. The value of
/// a record that never had an offset.
type LetterKey = (String, i32, i64, Option<Vec<u8>>);

/// A row of the table `saga`, and its rows of `saga_history`.
#[derive(Debug, Clone)]
struct StoredSaga {
    definition: String,
    version: u32,
    fingerprint: Uuid,
    status: Status,
    revision: u64,
    started_at: Timestamp,
    updated_at: Timestamp,
    finished_at: Option<Timestamp>,
    wake_at: Option<Timestamp>,
    moving: String,
    history: BTreeMap<u64, String>,
}

impl Store {
    /// An empty database with so many shards.
    #[must_use]
    pub fn new(shards: u16) -> Self {
        Self {
            shards,
            sagas: BTreeMap::new(),
            keys: BTreeMap::new(),
            outbox: BTreeMap::new(),
            letters: BTreeMap::new(),
            replicas: BTreeMap::new(),
            outbox_rows: 0,
        }
    }

    /// A failover: from now on the tables are these. Ids that the server makes by chance stay new.
    pub fn become_the_standby(&mut self, standby: Self) {
        let outbox_rows = self.outbox_rows;
        *self = standby;
        self.outbox_rows = outbox_rows;
    }

    /// Ids of all sagas, in order.
    pub fn ids(&self) -> impl Iterator<Item = SagaId> + '_ {
        self.sagas.keys().copied()
    }

    /// Where a saga stands; `None` when there is no such saga.
    #[must_use]
    pub fn status(&self, id: SagaId) -> Option<Status> {
        self.sagas.get(&id).map(|saga| saga.status)
    }

    /// Name, version and graph of the definition that a saga pins.
    #[must_use]
    pub fn pins(&self, id: SagaId) -> Option<(&str, u32, Uuid)> {
        let saga = self.sagas.get(&id)?;
        Some((&saga.definition, saga.version, saga.fingerprint))
    }

    /// The revision of a saga; 0 when there is no such saga.
    #[must_use]
    pub fn revision(&self, id: SagaId) -> u64 {
        self.sagas.get(&id).map_or(0, |saga| saga.revision)
    }

    /// Whether a record lies among the dead letters.
    #[must_use]
    pub fn is_buried(&self, topic: &str, partition: i32, offset: i64) -> bool {
        self.letters
            .contains_key(&(topic.to_owned(), partition, offset, None))
    }

    /// Rows of dead letters, as kind and number: what has the same bytes and kind is one row. (Here every
    /// record keeps its place, for the checks, and none is counted twice.)
    #[must_use]
    pub fn folded_letters(&self) -> Vec<(&'static str, u64)> {
        let mut rows = BTreeMap::new();
        for letter in self.letters.values() {
            let bytes = (&letter.key, letter.headers.packed(), &letter.value);
            *rows
                .entry((letter.kind.as_str(), &letter.topic, bytes))
                .or_default() += 1;
        }
        rows.into_iter()
            .map(|((kind, ..), records)| (kind, records))
            .collect()
    }

    /// Records that never were in any partition.
    pub(crate) fn unpublished(&self) -> impl Iterator<Item = &DeadLetter> {
        self.letters.values().filter(|letter| letter.offset < 0)
    }

    /// Rows of lifecycle events that are still there.
    #[must_use]
    pub fn outbox_rows(&self) -> usize {
        self.outbox.len()
    }

    /// Sagas that have not ended, in order.
    pub fn open(&self) -> impl Iterator<Item = SagaId> + '_ {
        let sagas = self.sagas.iter();
        let open = sagas.filter(|(_, saga)| !saga.status.is_terminal());
        open.map(|(id, _)| *id)
    }

    /// Sagas that have ended or wait for a person.
    #[must_use]
    pub fn at_rest(&self) -> BTreeSet<SagaId> {
        let rests = |saga: &StoredSaga| saga.status.is_terminal() || saga.status == Status::Stuck;
        let sagas = self.sagas.iter().filter(|(_, saga)| rests(saga));
        sagas.map(|(id, _)| *id).collect()
    }
}
