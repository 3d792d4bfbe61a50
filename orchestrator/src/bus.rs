//! Kafka: topics, a producer, and the consumer of replies.
//!
//! ```text
//!   topics          made and checked once, before anything else
//!   Producer        batches of records ──► broker ──► `done`, once per batch
//!   ReplyConsumer   reply partitions that it is told to read ──► `sink`, on a thread of its own
//! ```
//!
//! Invariant: nothing is given up silently. Every batch ends in one call of `done`, and a reply's
//! offset is stored only when the caller says so. What is published may be published twice, and what
//! is read may be read twice; others make that harmless.
//!
//! It knows no saga and no database, and decides nothing about a message.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use sagas::SagaId;
use sagas::wire::topics::{
    COMMAND_PARTITIONS, EVENT_PARTITIONS, Finding, RECORD_BYTES_MAX, REPLICATION, REPLY_PARTITIONS,
    RETENTION,
};

mod consumer;
mod context;
mod debts;
mod delivery;
mod late;
mod outstanding;
mod producer;
mod spread;
pub mod topics;
mod watch;

pub use consumer::{Begin, Reading, ReplyConsumer};
pub use delivery::{Delivery, Done};
pub use producer::{Limits, Producer};
pub use sagas_kafka::headers;

/// How to reach the broker, and what its topics are like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `host:port`, several separated by commas.
    pub brokers: String,
    /// The first part of all topic names.
    pub prefix: String,
    /// Partitions of the reply topic: the most replicas that can share the work.
    pub reply_partitions: i32,
    /// Partitions of each command topic: the most instances of a participant that can share it.
    pub command_partitions: i32,
    /// Partitions of the topic of lifecycle events.
    pub event_partitions: i32,
    /// Copies of each partition of a new topic; -1 leaves it to the broker.
    pub replication: i32,
    /// How long replies are kept.
    pub reply_retention: Duration,
    /// How long commands are kept; inboxes must be kept longer.
    pub command_retention: Duration,
    /// How long lifecycle events are kept.
    pub event_retention: Duration,
    /// Further properties of librdkafka, which win over ours: TLS and passwords, for example.
    pub extra: BTreeMap<String, String>,
}

/// A broker on this machine, a prefix `saga`, a week of everything.
impl Default for Settings {
    fn default() -> Self {
        Self {
            brokers: "127.0.0.1:9092".to_owned(),
            prefix: "saga".to_owned(),
            reply_partitions: REPLY_PARTITIONS,
            command_partitions: COMMAND_PARTITIONS,
            event_partitions: EVENT_PARTITIONS,
            replication: REPLICATION,
            reply_retention: RETENTION,
            command_retention: RETENTION,
            event_retention: RETENTION,
            extra: BTreeMap::new(),
        }
    }
}

impl Settings {
    /// Configuration of a client: what all clients have in common, then `ours`, then [`Self::extra`].
    #[must_use]
    pub fn client(&self, ours: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", "saga-orchestrator")
            // The defaults let a broker that is back wait for 10 s, and a dead one for a minute.
            .set("reconnect.backoff.max.ms", "1000")
            .set("socket.timeout.ms", "10000")
            .set("socket.keepalive.enable", "true");
        for (name, value) in ours {
            config.set(*name, *value);
        }
        for (name, value) in &self.extra {
            config.set(name, value);
        }
        config
    }
}

impl Error {
    /// Error of a client that could not be made from its settings; hides their values.
    #[must_use]
    pub fn refused(error: KafkaError) -> Self {
        Self::Settings(sagas_kafka::without_value(error))
    }

    /// The saga, the topic and Kafka's code, of a record that was not accepted.
    pub(crate) fn record(&self) -> Option<(SagaId, &str, Option<RDKafkaErrorCode>)> {
        match self {
            Self::NotAccepted {
                topic,
                saga,
                source,
            } => Some((*saga, topic, source.rdkafka_error_code())),
            _ => None,
        }
    }
}

/// What can go wrong between the service and the broker.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// librdkafka refuses a setting.
    #[error("the settings of the Kafka client are refused")]
    Settings(#[source] KafkaError),
    /// The broker does not answer.
    #[error("the Kafka broker at {brokers} does not answer")]
    Unreachable {
        /// Where it was looked for.
        brokers: String,
        /// Why.
        source: KafkaError,
    },
    /// A topic does not exist.
    #[error("there is no topic {topic}")]
    Missing {
        /// Its name.
        topic: String,
    },
    /// A topic would lose commands or replies.
    #[error("{0}")]
    Unfit(Finding),
    /// The broker does not create a topic.
    #[error("the topic {topic} does not exist and cannot be created: {reason}")]
    CannotCreate {
        /// Its name.
        topic: String,
        /// What the broker says.
        reason: String,
    },
    /// The broker does not take anything for this topic, or the record lost its place among others.
    #[error("the record of saga {saga} for the topic {topic} was not accepted")]
    NotAccepted {
        /// Where it was to go.
        topic: String,
        /// Whose it is.
        saga: SagaId,
        /// What the broker, or the client, says.
        source: KafkaError,
    },
    /// Too much waits for the broker already; the caller has to try again later.
    #[error("{bytes} bytes wait for the broker already")]
    Overloaded {
        /// How much.
        bytes: usize,
    },
    /// The producer was dropped before the broker had the record.
    #[error("the producer has stopped")]
    Stopped,
    /// The operating system gives no thread.
    #[error("cannot start a thread")]
    Thread(#[source] std::io::Error),
}
