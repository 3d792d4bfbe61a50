//! The Kafka side: commands in, replies out, offsets after both.

mod late;
mod membership;
mod partitions;
mod poller;
mod refused;
mod replies;
mod topic;

pub(crate) use late::tell as tell_late;
pub(crate) use poller::{Offsets, Poller, Record};
pub(crate) use replies::{Outstanding, Replies, reply};
pub(crate) use topic::ensure;

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;

use crate::{Error, Settings};

/// What consumer, producer and admin client have in common.
fn client(settings: &Settings, own: &[(&str, &str)]) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &settings.brokers);
    // The defaults let a broker that is back wait for 10 s, and one that hangs for a minute, records for
    // others with it: an idempotent producer asks any broker for its id.
    config.set("reconnect.backoff.max.ms", "1000");
    config.set("socket.timeout.ms", "10000");
    config.set("socket.keepalive.enable", "true");
    for (name, value) in own {
        config.set(*name, *value);
    }
    for (name, value) in &settings.kafka {
        config.set(name, value);
    }
    config
}

/// The error of a client that could not be made.
fn not_made(doing: &'static str) -> impl FnOnce(KafkaError) -> Error {
    move |error| Error::Kafka {
        doing,
        source: sagas_kafka::without_value(error),
    }
}
