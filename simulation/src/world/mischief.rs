//! Faults that come by themselves: processes end or pause, clocks jump, servers go away, records
//! that nobody asked for appear.

use std::sync::Arc;
use std::time::Duration;

use sagas::wire::Attribute;
use serde_json::json;

use super::replicas::Stage;
use super::{Happening, World};
use crate::bus::Record;
use crate::commands::SERVICES;
use crate::faults::Fault;

/// The faults that come by themselves.
const BY_ITSELF: [Fault; 18] = [
    Fault::ReplicaKilled,
    Fault::ReplicaStopped,
    Fault::ReplicaPaused,
    Fault::ClockJumped,
    Fault::DatabaseSlow,
    Fault::DatabaseAway,
    Fault::StandbyAway,
    Fault::BrokerAway,
    Fault::TopicAway,
    Fault::TopicFails,
    Fault::TopicGrew,
    Fault::RepliesReplayed,
    Fault::Garbage,
    Fault::ForeignReply,
    Fault::Misdirected,
    Fault::ServiceRebalanced,
    Fault::ServiceStalled,
    Fault::RowsPurged,
];

impl World {
    /// One of them, and some time later the next.
    pub(crate) fn mischief(&mut self) {
        if self.faults.are_over() {
            return;
        }
        let fault = self.rng.pick(&BY_ITSELF);
        // A purge leaves most sagas to a person, and nothing more to see.
        let is_rare = fault == Fault::RowsPurged && !self.rng.chance(100);
        if self.faults.may(fault) && !is_rare && self.strike(fault) {
            self.faults.count(fault);
            self.disturb(fault);
            self.say(None, || fault.as_str().to_owned());
        }
        let wait = self.rng.millis(50, 1_200 / self.faults.intensity());
        self.agenda.after(wait, Happening::Mischief);
    }

    fn strike(&mut self, fault: Fault) -> bool {
        let until = |world: &mut Self, most| world.now() + world.rng.millis(50, most);
        match fault {
            Fault::ReplicaKilled | Fault::ReplicaStopped | Fault::ReplicaPaused => {
                return self.strike_replica(fault);
            }
            Fault::ClockJumped => {
                let replica = self.rng.index(self.replicas.len());
                let by = self.rng.between(0, 6_000_000);
                let by = i64::try_from(by).unwrap_or(0) - 3_000_000;
                self.replicas[replica].skew += by;
            }
            Fault::DatabaseSlow => self.database_slow_until = until(self, 3_000),
            Fault::DatabaseAway => self.database_away_until = until(self, 3_000),
            Fault::StandbyAway => return self.standby_leaves(),
            Fault::BrokerAway => self.broker.away_until = until(self, 4_000),
            Fault::TopicAway => {
                let until = until(self, 15_000);
                let topic = self.one_topic();
                self.block(topic, until);
            }
            Fault::TopicFails => {
                let until = until(self, 6_000);
                let topic = self.one_topic();
                self.broker.failing.insert(topic, until);
            }
            Fault::TopicGrew => self.bus.grow(&self.scene.replies),
            Fault::RepliesReplayed => {
                let partition = self.reply_partition();
                let end = self.bus.end(&self.scene.replies, partition);
                let to = self.rng.between(0, end.unsigned_abs());
                self.rewind_replies(partition, i64::try_from(to).unwrap_or(0));
            }
            Fault::Garbage => self.add_reply(|record| {
                if let Some(value) = &mut record.value {
                    // Before it says whom it answers.
                    value.truncate(value.len() / 3);
                }
            }),
            Fault::ForeignReply => {
                let unknown = self.rng.uuid().to_string();
                self.add_reply(|record| {
                    record.key = Some(unknown.clone().into_bytes());
                    record.set_attribute(Attribute::Subject, json!(unknown));
                });
            }
            Fault::Misdirected => self.misdirect(),
            Fault::ServiceRebalanced => {
                let (service, partition) = self.command_partition();
                self.reassign(service, partition, None);
            }
            Fault::ServiceStalled => {
                let (service, _) = self.command_partition();
                let until = until(self, 9_000);
                self.services[service].away_until = until;
            }
            Fault::RowsPurged => {
                let (service, _) = self.command_partition();
                self.purge(service);
            }
            _ => return false,
        }
        true
    }

    fn strike_replica(&mut self, fault: Fault) -> bool {
        let number = self.rng.index(self.replicas.len());
        let wait = self.rng.millis(100, 8_000);
        let until = self.now() + wait;
        let replica = &mut self.replicas[number];
        if replica.stage != Stage::Up {
            return false;
        }
        match fault {
            Fault::ReplicaKilled => self.end_process(number),
            Fault::ReplicaPaused => replica.paused_until = until,
            _ => self.stop_in_order(number),
        }
        true
    }

    /// The topic of a service's commands, or that of events.
    fn one_topic(&mut self) -> Arc<str> {
        let number = self.rng.index(SERVICES.len() + 1);
        let commands = self.scene.commands.get(number);
        commands.unwrap_or(&self.scene.events).clone()
    }

    /// Nothing new is accepted or read; what is accepted is finished.
    fn stop_in_order(&mut self, number: usize) {
        let life = self.life(number);
        let replica = &mut self.replicas[number];
        replica.stage = Stage::Stopping;
        replica.reading.clear();
        for lane in 0..self.layout.lanes {
            self.agenda
                .after(Duration::ZERO, Happening::Turn(life, lane));
        }
        // Who hangs is killed.
        self.say(None, || format!("replica {number} stops"));
    }

    fn reply_partition(&mut self) -> i32 {
        let count = self.bus.partitions(&self.scene.replies);
        let number = self.rng.below(count.unsigned_abs().into());
        i32::try_from(number).unwrap_or(0)
    }

    fn command_partition(&mut self) -> (usize, i32) {
        let service = self.rng.index(SERVICES.len());
        let partition = self.rng.index(self.layout.command_partitions);
        (service, i32::try_from(partition).unwrap_or(0))
    }

    /// A late reply that names another step, or another generation, than its command had.
    fn misdirect(&mut self) {
        let (name, value) = if self.rng.chance(500) {
            let step = self.rng.below(4);
            (Attribute::Step, json!(format!("step-{step}")))
        } else {
            (Attribute::Generation, json!(2))
        };
        self.add_reply(|record| record.set_attribute(name, value.clone()));
    }

    /// A copy of a reply that was there before, changed.
    fn add_reply(&mut self, change: impl Fn(&mut Record)) {
        let partition = self.reply_partition();
        let topic = self.scene.replies.clone();
        let end = self.bus.end(&topic, partition).unsigned_abs().max(1);
        let newest = i64::try_from(end - 1 - self.rng.below(end.min(5))).unwrap_or(0);
        let mut record = self.bus.read(&topic, partition, newest).cloned();
        let record = record.take().unwrap_or_else(|| Record {
            key: None,
            value: Some(b"?".to_vec()),
        });
        let mut record = record;
        change(&mut record);
        self.bus.append(&topic, partition, record);
        self.wake_readers(partition);
    }
}
