//! A database, be it the double or a real Postgres.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sagas::{SagaId, Timestamp};
use sagas_core::CommitError;
use sagas_core::batch::{Batch, Committed, OutboxId, Outgoing, Slots};
use sagas_core::loaded::Loaded;
use sagas_core::look::Look;
use sagas_core::membership::Replica;
use sagas_core::membership::ReplicaSeen;
use sagas_core::registry::Pin;
use sagas_local::{Postgres, PostgresOptions};
use sagas_orchestrator::store::{self, Due};
use simulation::store::{BadData, Store as Double};
use tokio::runtime::Runtime;
use uuid::Uuid;

use crate::sample;

pub(crate) const SHARDS: u16 = 4;

/// What the engine asks of a database.
pub(crate) trait Database {
    fn commit(&mut self, batch: &Batch) -> Result<Committed, BadData>;
    /// Sorted by id.
    fn load(&mut self, ids: &[SagaId]) -> Vec<Loaded>;
    fn look(&mut self, look: &Look) -> Vec<SagaId>;
    /// Wakes of these shards that have come.
    fn due(&mut self, shards: &[u16], limit: u32) -> Vec<SagaId> {
        self.look(&Look {
            shards: shards.to_vec(),
            late_by: Duration::ZERO,
            limit,
            of_each: limit,
        })
    }
    fn outbox(&mut self, slots: &Slots, older: Duration) -> Vec<(OutboxId, Vec<Outgoing>)>;
    fn delivered(&mut self, rows: &[OutboxId]);
    /// Sorted.
    fn ended(&mut self, ids: &[SagaId]) -> Vec<SagaId>;
    fn heartbeat(&mut self, replica: &Replica) -> (Vec<ReplicaSeen>, Timestamp);
    fn leave(&mut self, replica: Uuid);
    /// Rows of dead letters, as kind and number, sorted.
    fn letters(&mut self) -> Vec<(String, u64)>;
}

/// The double, with a clock that moves with every statement.
pub(crate) struct Simulated {
    store: Double,
    now: Timestamp,
}

impl Simulated {
    pub(crate) fn new() -> Self {
        Self {
            store: Double::new(SHARDS),
            now: Timestamp::from_micros(1_700_000_000_000_000),
        }
    }

    fn now(&mut self) -> Timestamp {
        self.now = self.now + Duration::from_millis(1);
        self.now
    }
}

impl Database for Simulated {
    fn commit(&mut self, batch: &Batch) -> Result<Committed, BadData> {
        let now = self.now();
        self.store.commit(batch, now)
    }

    fn load(&mut self, ids: &[SagaId]) -> Vec<Loaded> {
        let mut loaded = self.store.load(ids);
        loaded.sort_by_key(|loaded| loaded.row.id);
        loaded
    }

    fn look(&mut self, look: &Look) -> Vec<SagaId> {
        let now = self.now();
        let definitions = [Pin::of(&sample::definition())];
        self.store.due(look, &definitions, now)
    }

    fn outbox(&mut self, slots: &Slots, older: Duration) -> Vec<(OutboxId, Vec<Outgoing>)> {
        let now = self.now();
        self.store.outbox(slots, older, 100, now)
    }

    fn delivered(&mut self, rows: &[OutboxId]) {
        self.store.delivered(rows);
    }

    fn ended(&mut self, ids: &[SagaId]) -> Vec<SagaId> {
        let mut ended = self.store.ended(ids);
        ended.sort();
        ended
    }

    fn heartbeat(&mut self, replica: &Replica) -> (Vec<ReplicaSeen>, Timestamp) {
        let now = self.now();
        self.store.heartbeat(replica, now)
    }

    fn leave(&mut self, replica: Uuid) {
        self.store.leave(replica);
    }

    fn letters(&mut self) -> Vec<(String, u64)> {
        let rows = self.store.folded_letters().into_iter();
        let mut letters: Vec<_> = rows
            .map(|(kind, records)| (kind.to_owned(), records))
            .collect();
        letters.sort_unstable();
        letters
    }
}

/// A fresh database of one Postgres for all tests.
pub(crate) struct Real {
    runtime: Runtime,
    store: store::Store,
}

impl Real {
    pub(crate) fn new() -> Self {
        static SERVER: OnceLock<Postgres> = OnceLock::new();
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let server = SERVER.get_or_init(|| {
            let options = PostgresOptions {
                fsync: false,
                ..PostgresOptions::default()
            };
            Postgres::start(options).unwrap()
        });
        let name = format!("contract_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        server.create_database(&name).unwrap();
        let runtime = Runtime::new().unwrap();
        let settings = store::Settings {
            url: server.url(&name),
            connections_max: 2,
            commits_max: 2,
            shards: SHARDS,
        };
        let entered = runtime.enter();
        let store = store::Store::connect(&settings).unwrap();
        drop(entered);
        runtime.block_on(store.migrate()).unwrap();
        Self { runtime, store }
    }
}

impl Database for Real {
    fn commit(&mut self, batch: &Batch) -> Result<Committed, BadData> {
        match self.runtime.block_on(self.store.commit(batch)) {
            Ok(committed) => Ok(committed),
            Err(CommitError::Data(_)) => Err(BadData),
            Err(error) => panic!("{error:?}"),
        }
    }

    fn load(&mut self, ids: &[SagaId]) -> Vec<Loaded> {
        let mut loaded = self.runtime.block_on(self.store.load(ids)).unwrap().loaded;
        loaded.sort_by_key(|loaded| loaded.row.id);
        loaded
    }

    fn look(&mut self, look: &Look) -> Vec<SagaId> {
        let definitions = [Pin::of(&sample::definition())];
        let due = Due::of(look, &definitions);
        self.runtime.block_on(self.store.due(&due)).unwrap()
    }

    fn outbox(&mut self, slots: &Slots, older: Duration) -> Vec<(OutboxId, Vec<Outgoing>)> {
        let rows = self.store.outbox(slots, older, None, 100);
        let rows = self.runtime.block_on(rows).unwrap().into_iter();
        rows.map(|left| (left.id, left.events.unwrap())).collect()
    }

    fn delivered(&mut self, rows: &[OutboxId]) {
        self.runtime.block_on(self.store.delivered(rows)).unwrap();
    }

    fn ended(&mut self, ids: &[SagaId]) -> Vec<SagaId> {
        let mut ended = self.runtime.block_on(self.store.ended(ids)).unwrap();
        ended.sort();
        ended
    }

    fn heartbeat(&mut self, replica: &Replica) -> (Vec<ReplicaSeen>, Timestamp) {
        self.runtime
            .block_on(self.store.heartbeat(replica))
            .unwrap()
    }

    fn leave(&mut self, replica: Uuid) {
        self.runtime.block_on(self.store.leave(replica)).unwrap();
    }

    fn letters(&mut self) -> Vec<(String, u64)> {
        let rows = self
            .runtime
            .block_on(self.store.dead_letters(None, 100))
            .unwrap();
        let rows = rows.into_iter();
        let mut letters: Vec<_> = rows.map(|row| (row.kind, row.records)).collect();
        letters.sort_unstable();
        letters
    }
}
