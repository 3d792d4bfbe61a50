//! What the other statements of the store read and write.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sagas::sabotage::{Bug, is_seeded};
use sagas::{SagaId, Timestamp};
use sagas_core::batch::{OutboxId, Outgoing, Slots};
use sagas_core::loaded::{Loaded, SagaRow};
use sagas_core::look::Look;
use sagas_core::membership::Replica;
use sagas_core::membership::ReplicaSeen;
use sagas_core::registry::Pin;
use uuid::Uuid;

use super::{Store, StoredSaga};

/// A replica that is silent for so long is dead.
const ALIVE_WITHIN: Duration = Duration::from_secs(2);
/// Rows of dead replicas are kept for so long.
const DEAD_KEPT: Duration = Duration::from_secs(3600);

impl Store {
    /// Rows and whole histories. Unknown ids are absent.
    ///
    /// # Panics
    ///
    /// When a row cannot be read back: the double has written it.
    #[must_use]
    pub fn load(&self, ids: &[SagaId]) -> Vec<Loaded> {
        let found = ids.iter().filter_map(|id| Some((*id, self.sagas.get(id)?)));
        let mut found: Vec<Loaded> = found.map(|(id, row)| loaded(id, row)).collect();
        if is_seeded(Bug::ReadsStale) {
            for loaded in &mut found {
                loaded.history.pop();
            }
        }
        found
    }

    /// Sagas of these definitions whose wake has come, the longest due first; of each shard its own
    /// longest.
    #[must_use]
    pub fn due(&self, look: &Look, definitions: &[Pin], now: Timestamp) -> Vec<SagaId> {
        let shards: BTreeSet<u16> = look.shards.iter().copied().collect();
        let pins: BTreeSet<(&str, u32, Uuid)> = definitions.iter().map(pinned).collect();
        let rows = self.sagas.iter().filter_map(|(id, row)| {
            let wake_at = row.wake_at.filter(|at| *at + look.late_by <= now)?;
            let is_asked = pins.contains(&(&row.definition, row.version, row.fingerprint));
            is_asked.then_some((wake_at, *id))
        });
        let due: BTreeSet<(Timestamp, SagaId)> = rows.collect();
        let mut taken: BTreeMap<u16, u32> = BTreeMap::new();
        let due = due.into_iter().map(|(_, id)| id).filter(|id| {
            let shard = id.shard(self.shards);
            let taken = taken.entry(shard).or_default();
            *taken += 1;
            shards.contains(&shard) && *taken <= look.of_each
        });
        due.take(usize::try_from(look.limit).unwrap_or(usize::MAX))
            .collect()
    }

    /// Lifecycle events in these slots that are older than that, oldest first.
    #[must_use]
    pub fn outbox(
        &self,
        slots: &Slots,
        older_than: Duration,
        limit: usize,
        now: Timestamp,
    ) -> Vec<(OutboxId, Vec<Outgoing>)> {
        let rows = self.outbox.iter();
        let rows = rows
            .filter(|(row, (at, _))| slots.contains(row.slot) && *at + older_than <= now)
            .map(|(row, (at, events))| (*at, *row, events));
        let mut rows: Vec<_> = rows.collect();
        rows.sort_by_key(|(at, row, _)| (*at, row.id));
        let rows = rows.into_iter().take(limit);
        rows.map(|(_, row, events)| (row, events.clone())).collect()
    }

    /// Deletes rows of the outbox.
    pub fn delivered(&mut self, rows: &[OutboxId]) {
        for row in rows {
            self.outbox.remove(row);
        }
    }

    /// Which of these have ended or are stuck.
    #[must_use]
    pub fn ended(&self, ids: &[SagaId]) -> Vec<SagaId> {
        let at_rest = self.at_rest();
        let ended = ids.iter().filter(|id| at_rest.contains(id));
        ended.copied().collect()
    }

    /// Says that a replica lives; gives all that do, and the database's time.
    pub fn heartbeat(
        &mut self,
        replica: &Replica,
        now: Timestamp,
    ) -> (Vec<ReplicaSeen>, Timestamp) {
        let (id, name) = (replica.id, replica.name.clone());
        let row = self.replicas.entry(id).or_insert_with(|| ReplicaSeen {
            id,
            name,
            started_at: replica.started_at,
            heartbeat_at: now,
        });
        row.heartbeat_at = now;
        self.replicas
            .retain(|_, row| row.heartbeat_at + DEAD_KEPT >= now);
        let rows = self.replicas.values();
        let alive = rows.filter(|row| row.heartbeat_at + ALIVE_WITHIN > now);
        (alive.cloned().collect(), now)
    }

    /// Takes a replica off the list.
    pub fn leave(&mut self, replica: Uuid) {
        self.replicas.remove(&replica);
    }
}

fn pinned(pin: &Pin) -> (&str, u32, Uuid) {
    (&pin.name, pin.version, pin.fingerprint)
}

fn loaded(id: SagaId, row: &StoredSaga) -> Loaded {
    let history = row.history.values();
    let history = history.map(|text| serde_json::from_str(text));
    Loaded {
        row: SagaRow {
            id,
            definition: row.definition.clone(),
            version: row.version,
            fingerprint: row.fingerprint,
            status: row.status,
            revision: row.revision,
            started_at: row.started_at,
            updated_at: row.updated_at,
            finished_at: row.finished_at,
            wake_at: row.wake_at,
            moving: serde_json::from_str(&row.moving).expect("the double has written it"),
        },
        history: history
            .collect::<Result<_, _>>()
            .expect("the double has written it"),
    }
}
