//! Records on their way to the broker: late, twice, or lost with the process that held them.
//!
//! Invariant: records of one producer reach a partition in the order in which they were handed over,
//! as with an idempotent producer, and through every outage (`outage.rs`); across partitions there is
//! no order. A hand-over is answered once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use sagas::wire::Attribute;
use sagas::{SagaId, Timestamp};
use sagas_core::lane::Input;
use sagas_core::record::{OutgoingRecord, Refusal, Refused};
use sagas_core::unsent::{self, Unsent};

use super::database::Question;
use super::outage::Kept;
use super::{Happening, Life, Waits, World};
use crate::bus::Record;
use crate::faults::Fault;
use crate::journal::Blocked;
use crate::rng::mix;

/// What producers hold.
#[derive(Debug, Default)]
pub(crate) struct Broker {
    handovers: BTreeMap<u64, Handover>,
    last: u64,
    /// When the last record of a producer reaches a partition.
    channels: BTreeMap<Channel, Timestamp>,
    /// What an outage keeps from its partition.
    pub(super) kept: Kept,
    pub(crate) away_until: Timestamp,
    /// Topics that take nothing, and until when.
    pub(super) blocked: BTreeMap<Arc<str>, Timestamp>,
    /// Topics that refuse everything, and until when.
    pub(super) failing: BTreeMap<Arc<str>, Timestamp>,
    /// Hand-overs without an answer, by lane and topic.
    owed: BTreeMap<(Life, usize, String), usize>,
}

/// The way from a producer to a partition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Channel {
    pub(super) producer: Producer,
    pub(super) topic: String,
    pub(super) partition: i32,
}

/// Who sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Producer {
    Replica(Life),
    Service { service: usize, run: u32 },
}

#[derive(Debug)]
struct Handover {
    left: usize,
    is_good: bool,
    waits: Waits,
}

/// A record on its way.
#[derive(Debug)]
pub(crate) struct Arriving {
    pub(super) channel: Channel,
    pub(super) record: Record,
    /// Whose it is; `None` for a copy that nobody counts.
    pub(super) handover: Option<u64>,
}

/// A record with the place that it goes to.
pub(crate) struct Addressed {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) record: Record,
}

fn subject(record: &Record) -> Option<SagaId> {
    record.attribute(Attribute::Subject).as_str()?.parse().ok()
}

/// The saga whose record was refused.
fn sender(unsent: &Unsent) -> Option<SagaId> {
    match unsent {
        Unsent::Command { saga, .. } => Some(*saga),
        Unsent::Unanswered(letter) => {
            let key = std::str::from_utf8(letter.key.as_deref()?).ok()?;
            key.parse().ok()
        }
    }
}

impl Broker {
    /// When it takes something for this topic again; in the past where it does.
    pub(super) fn away_until(&self, topic: &str) -> Timestamp {
        let blocked = self.blocked.get(topic).copied();
        self.away_until.max(blocked.unwrap_or_default())
    }
}

impl World {
    /// From now on the topic takes nothing.
    pub(crate) fn block(&mut self, topic: Arc<str>, until: Timestamp) {
        let from = self.now();
        let blocked = self.broker.blocked.entry(topic.clone()).or_default();
        *blocked = until.max(*blocked);
        let until = *blocked;
        self.journal.blocked.push(Blocked { topic, from, until });
    }

    /// Whether the topic refuses everything.
    fn fails(&self, topic: &str) -> bool {
        let until = self.broker.failing.get(topic);
        !self.faults.are_over() && until.is_some_and(|until| self.now() < *until)
    }

    /// A lane hands something over for a topic, or has an answer for it.
    pub(crate) fn owe(&mut self, life: Life, lane: usize, topics: &BTreeSet<String>, more: bool) {
        for topic in topics {
            let owed = self
                .broker
                .owed
                .entry((life, lane, topic.clone()))
                .or_default();
            *owed = if more {
                *owed + 1
            } else {
                owed.saturating_sub(1)
            };
            self.journal.owed_max = self.journal.owed_max.max(*owed);
        }
    }

    /// What the broker says of a record that it refuses for what it is: whenever it comes, as long as
    /// faults happen at all.
    pub(crate) fn refuses(&mut self, record: &OutgoingRecord) -> Option<Refused> {
        let seen = Record::from(record);
        let what = [Attribute::Type, Attribute::Step, Attribute::Direction];
        let what = what.map(|attribute| seen.attribute(attribute).to_string());
        let bytes = what.iter().flat_map(|text| text.bytes().map(u64::from));
        let (high, low) = record.key.0.as_u64_pair();
        let number = bytes.fold(mix(&[self.seed, high, low]), |sum, byte| mix(&[sum, byte]));
        let is_refused =
            self.faults.may(Fault::RecordRefused) && number % 1000 < 12 * self.faults.intensity();
        is_refused.then(|| {
            self.faults.count(Fault::RecordRefused);
            Refused {
                record: record.clone(),
                why: Refusal::TooLarge { limit: None },
            }
        })
    }

    /// Hands records to a producer.
    pub(crate) fn publish(&mut self, producer: Producer, records: Vec<Addressed>, waits: Waits) {
        self.broker.last += 1;
        let handover = self.broker.last;
        let is_replica = matches!(producer, Producer::Replica(_));
        let is_taken = records.iter().all(|to| !self.fails(&to.topic));
        let is_good = is_taken && !(is_replica && self.strikes(Fault::PublishRefused, 15));
        if !is_good {
            let sagas = records.iter().filter_map(|to| subject(&to.record));
            self.journal.stirred.extend(sagas);
            if let Waits::Lane { unsent, .. } = &waits {
                // Their outbox row stays with those of the others, and is published again.
                let sagas = unsent.iter().filter_map(sender);
                self.journal.stirred.extend(sagas);
            }
        }
        let left = records.len();
        if left == 0 {
            let is_good = true;
            self.agenda
                .after(Duration::ZERO, Happening::Acknowledge { handover, is_good });
        }
        self.broker.handovers.insert(
            handover,
            Handover {
                left,
                is_good,
                waits,
            },
        );
        for addressed in records {
            self.send(producer, addressed, handover, is_good);
        }
    }

    fn send(&mut self, producer: Producer, to: Addressed, handover: u64, is_good: bool) {
        let Addressed {
            topic,
            partition,
            record,
        } = to;
        let wait = if self.strikes(Fault::RecordDelayed, 10) {
            self.rng.millis(20, 6_000)
        } else {
            self.rng.micros(200, 3_000)
        };
        let channel = Channel {
            producer,
            topic,
            partition,
        };
        let last = self.broker.channels.get(&channel).copied();
        let at = (self.now().max(self.broker.away_until(&channel.topic)) + wait)
            .max(last.unwrap_or_default());
        self.broker.channels.insert(channel.clone(), at);
        let arriving = |record: Record, handover| {
            let channel = channel.clone();
            let arriving = Arriving {
                channel,
                record,
                handover,
            };
            Happening::Arrive(Box::new(arriving))
        };
        if self.strikes(Fault::RecordDuplicated, 20) {
            let again = at + self.rng.millis(0, 8_000);
            self.agenda.at(again, arriving(record.clone(), None));
        }
        // Of a hand-over that fails, some records arrive nevertheless.
        if is_good || self.rng.chance(500) {
            self.agenda.at(at, arriving(record, Some(handover)));
        } else {
            let is_good = false;
            self.agenda
                .at(at, Happening::Acknowledge { handover, is_good });
        }
    }

    /// A record comes to the broker, which may be away.
    pub(crate) fn arrive(&mut self, arriving: Arriving) {
        if let Some(arriving) = self.keep(arriving) {
            self.append(arriving);
        }
    }

    /// A record reaches its partition, unless it died with its producer.
    pub(super) fn append(&mut self, arriving: Arriving) {
        let Arriving {
            channel,
            record,
            handover,
        } = arriving;
        let Channel {
            producer,
            topic,
            partition,
        } = channel;
        if !self.is_running(producer) && self.rng.chance(500) {
            return;
        }
        let key = subject(&record);
        let offset = self.bus.append(&topic, partition, record);
        self.say(key, || format!("{topic}/{partition} has record {offset}"));
        if *topic == *self.scene.replies {
            self.wake_readers(partition);
        } else if let Some(service) = self.scene.commands.iter().position(|own| **own == *topic) {
            self.wake_service(service, partition);
        }
        self.arrived(handover);
    }

    fn arrived(&mut self, handover: Option<u64>) {
        if let Some(handover) = handover {
            let wait = self.rng.micros(100, 1_000);
            let is_good = true;
            self.agenda
                .after(wait, Happening::Acknowledge { handover, is_good });
        }
    }

    fn is_running(&self, producer: Producer) -> bool {
        match producer {
            Producer::Replica(life) => {
                let replica = &self.replicas[life.replica];
                replica.life == life.number && replica.is_alive()
            }
            Producer::Service { service, run } => self.services[service].run == run,
        }
    }

    fn note_acknowledged(&mut self, publication: (Life, usize, u64), is_acknowledged: bool) {
        let attempts = self.journal.handed_over.remove(&publication);
        let now = self.now();
        for attempt in attempts.into_iter().flatten().filter(|_| is_acknowledged) {
            self.journal.acknowledged.entry(attempt).or_insert(now);
        }
    }

    /// One record of a hand-over has arrived, or was lost.
    pub(crate) fn acknowledge(&mut self, handover: u64, is_good: bool) {
        let Some(open) = self.broker.handovers.get_mut(&handover) else {
            return;
        };
        open.is_good &= is_good;
        open.left = open.left.saturating_sub(1);
        if open.left > 0 {
            return;
        }
        let Some(Handover { is_good, waits, .. }) = self.broker.handovers.remove(&handover) else {
            return;
        };
        if !is_good {
            self.say(None, || format!("hand-over {handover} failed: {waits:?}"));
        }
        match waits {
            Waits::Lane {
                life,
                lane,
                publication,
                unsent,
                topics,
            } => {
                if !unsent.is_empty() {
                    self.tell(life, lane, Input::Unsent(unsent));
                }
                let is_acknowledged = is_good;
                self.owe(life, lane, &topics, false);
                self.note_acknowledged((life, lane, publication), is_acknowledged);
                let input = Input::Published {
                    publication,
                    is_acknowledged,
                };
                self.tell(life, lane, input);
            }
            Waits::Outbox { life, row, refused } if is_good => {
                let done = Box::new(unsent::buried(row, refused));
                self.ask(life, Question::Delivered(done));
            }
            Waits::Outbox { .. } => {}
            Waits::Service {
                service,
                partition,
                epoch,
                next,
            } => {
                self.replied(service, partition, epoch, next);
            }
        }
    }
}
