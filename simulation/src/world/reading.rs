//! The consumer of replies of one process: positions, reading on, being set back.
//!
//! Invariant: within one assignment records come in the order of their offsets, except that after a
//! fault some come once more. A process that nobody told otherwise reads on, though another one has
//! the partition by now.

use std::collections::BTreeSet;

use sagas_core::{incoming, route};

use super::{Happening, Life, World};

/// The group that keeps the offsets.
pub(crate) const GROUP: &str = "saga.orchestrator";

/// Reading a partition.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// The next offset; `None` until the broker has said where to begin.
    pub(crate) next: Option<i64>,
    is_fetching: bool,
}

impl World {
    /// Reads the partitions of the process's share from now on, and no others.
    pub(crate) fn assign(&mut self, life: Life) {
        let replica = &mut self.replicas[life.replica];
        let partitions = replica.membership.assignment().partitions.clone();
        replica
            .reading
            .retain(|partition, _| partitions.contains(partition));
        let known: BTreeSet<i32> = replica.reading.keys().copied().collect();
        for partition in partitions.difference(&known) {
            self.replicas[life.replica]
                .reading
                .insert(*partition, Reading::default());
            let wait = self.rng.millis(1, 300);
            self.agenda
                .after(wait, Happening::Position(life, *partition));
        }
    }

    /// The broker says where to begin.
    pub(crate) fn position(&mut self, life: Life, partition: i32) {
        let stored = self
            .bus
            .stored_offset(GROUP, &self.scene.replies, partition);
        if let Some(reading) = self.replicas[life.replica].reading.get_mut(&partition) {
            reading.next = Some(stored);
            self.read_on(life, partition);
        }
    }

    /// A record has come to a partition of replies.
    pub(crate) fn wake_readers(&mut self, partition: i32) {
        for replica in 0..self.replicas.len() {
            let life = self.life(replica);
            self.read_on(life, partition);
        }
    }

    pub(crate) fn read_on(&mut self, life: Life, partition: i32) {
        let end = self.bus.end(&self.scene.replies, partition);
        let wait = self.rng.micros(100, 2_000);
        let Some(reading) = self.replicas[life.replica].reading.get_mut(&partition) else {
            return;
        };
        if !reading.is_fetching && reading.next.is_some_and(|next| next < end) {
            reading.is_fetching = true;
            self.agenda.after(wait, Happening::Fetch(life, partition));
        }
    }

    /// Some records reach the lane, as far as it has room.
    pub(crate) fn fetch(&mut self, life: Life, partition: i32) {
        let lane = route::lane_of_partition(partition, self.layout.lanes);
        for _ in 0..self.rng.between(1, 20) {
            let reading = self.replicas[life.replica].reading.get_mut(&partition);
            let Some(next) = reading.and_then(|reading| reading.next) else {
                return;
            };
            let record = self.bus.read_reply(&self.scene.replies, partition, next);
            let Some(record) = record.filter(|_| self.has_room(life.replica, lane)) else {
                break;
            };
            let input = incoming::read(record);
            self.give(life, lane, input);
            if let Some(reading) = self.replicas[life.replica].reading.get_mut(&partition) {
                reading.next = Some(next + 1);
            }
        }
        if let Some(reading) = self.replicas[life.replica].reading.get_mut(&partition) {
            reading.is_fetching = false;
        }
        self.read_on(life, partition);
    }

    pub(crate) fn store_offset(&mut self, partition: i32, next: i64) {
        let topic = self.scene.replies.clone();
        self.bus.store_offset(GROUP, &topic, partition, next);
    }

    /// Everybody who reads the partition goes back to an earlier offset.
    pub(crate) fn rewind_replies(&mut self, partition: i32, to: i64) {
        for replica in 0..self.replicas.len() {
            let life = self.life(replica);
            if let Some(reading) = self.replicas[replica].reading.get_mut(&partition) {
                reading.next = reading.next.map(|next| next.min(to));
                self.read_on(life, partition);
            }
        }
    }
}
