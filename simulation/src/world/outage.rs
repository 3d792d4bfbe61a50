//! Records that come while the broker, or their topic, is away, or behind others that came then.
//!
//! Invariant: they go on in the order in which they came, as from librdkafka with
//! `enable.idempotence`: at most five requests of a producer to a partition are under way, the broker
//! appends them in the order of their sequence numbers alone, and with a `message.timeout.ms` of 0,
//! which ours have, none is given up. So a record is kept while one before it is, even if the broker
//! is back, or is away for longer than it was to be.

use std::collections::{BTreeMap, VecDeque};

use super::broker::{Arriving, Channel};
use super::{Happening, World};

/// What is kept, in order. A channel that has nothing kept is not in it.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    channels: BTreeMap<Channel, VecDeque<Arriving>>,
}

impl World {
    /// Keeps the record if it cannot reach its partition now; else gives it back.
    pub(super) fn keep(&mut self, arriving: Arriving) -> Option<Arriving> {
        let away_until = self.broker.away_until(&arriving.channel.topic);
        if let Some(before) = self.broker.kept.channels.get_mut(&arriving.channel) {
            before.push_back(arriving);
            return None;
        }
        if self.now() >= away_until {
            return Some(arriving);
        }
        let channel = arriving.channel.clone();
        self.agenda
            .at(away_until, Happening::Resume(channel.clone()));
        let kept = &mut self.broker.kept.channels;
        kept.insert(channel, VecDeque::from([arriving]));
        None
    }

    /// The outage that kept a channel's records should be over; it may have become longer meanwhile.
    pub(crate) fn resume(&mut self, channel: Channel) {
        let away_until = self.broker.away_until(&channel.topic);
        if self.now() < away_until {
            return self.agenda.at(away_until, Happening::Resume(channel));
        }
        let kept = self.broker.kept.channels.remove(&channel);
        for arriving in kept.unwrap_or_default() {
            self.append(arriving);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sagas::Timestamp;

    use super::super::broker::Producer;
    use super::*;
    use crate::bus::Record;

    struct Outage {
        world: World,
        begun: Timestamp,
    }

    impl Outage {
        fn new() -> Self {
            let world = World::new(1, 0, false);
            let begun = world.now();
            Self { world, begun }
        }

        fn lasts_until(&mut self, seconds: u64) {
            self.world.broker.away_until = self.begun + Duration::from_secs(seconds);
        }

        fn arriving(&self, value: &str) -> Arriving {
            Arriving {
                channel: Channel {
                    producer: Producer::Service { service: 0, run: 1 },
                    topic: self.world.scene.events.to_string(),
                    partition: 0,
                },
                record: Record {
                    key: None,
                    value: Some(value.as_bytes().to_vec()),
                },
                handover: None,
            }
        }

        fn comes(&mut self, value: &str) {
            let arriving = self.arriving(value);
            self.world.arrive(arriving);
        }

        fn comes_at(&mut self, seconds: u64, value: &str) {
            let arriving = Happening::Arrive(Box::new(self.arriving(value)));
            let at = self.begun + Duration::from_secs(seconds);
            self.world.agenda.at(at, arriving);
        }

        #[track_caller]
        fn check(mut self, expected: &[&str]) {
            self.world.run();
            let records = self.world.bus.records(&self.world.scene.events);
            let values = records.filter_map(|record| record.value.as_deref());
            let found = values.map(|value| str::from_utf8(value).unwrap());
            assert_eq!(found.collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn nothing_overtakes_what_an_outage_kept_that_ended_early() {
        let mut outage = Outage::new();
        outage.lasts_until(2);
        outage.comes("first");
        outage.lasts_until(0);
        outage.comes("second");
        outage.check(&["first", "second"]);
    }

    #[test]
    fn nothing_overtakes_what_an_outage_kept_that_became_longer() {
        let mut outage = Outage::new();
        outage.lasts_until(2);
        outage.comes("first");
        outage.lasts_until(4);
        outage.comes("second");
        outage.comes_at(4, "third");
        outage.check(&["first", "second", "third"]);
    }
}
