//! The topics: their names, what each is made with, where one that exists differs, and what it lacks
//! that takes no records.
//!
//! `prefix` and `participant` satisfy [`crate::name::check`]; a name so built is legal in Kafka.
//!
//! Invariant: orchestrator and participants make command topics alike, because both take what they
//! make from here.

mod found;
mod shortage;

use std::time::Duration;

pub use found::{Difference, Finding, Found, TopicSettings, findings};
pub use shortage::{Partition, Shortage};

/// Partitions of the reply topic, unless the settings say otherwise.
pub const REPLY_PARTITIONS: i32 = 8;
/// Partitions of each command topic, unless the settings say otherwise.
pub const COMMAND_PARTITIONS: i32 = 4;
/// Partitions of the topic of lifecycle events, unless the settings say otherwise.
pub const EVENT_PARTITIONS: i32 = 4;
/// Copies of each partition, unless the settings say otherwise: the broker's default.
pub const REPLICATION: i32 = -1;
/// How long records are kept, unless the settings say otherwise.
pub const RETENTION: Duration = Duration::from_secs(7 * 24 * 3_600);
/// The size of the largest record that a topic must take. A command may carry a whole REST body
/// (1 MiB by default) and replies beside it.
pub const RECORD_BYTES_MAX: u32 = 8 << 20;

/// The topic of a participant's commands: `saga.inventory.commands`.
#[must_use]
pub fn commands(prefix: &str, participant: &str) -> String {
    format!("{prefix}.{participant}.commands")
}

/// The topic of all replies: `saga.replies`.
#[must_use]
pub fn replies(prefix: &str) -> String {
    format!("{prefix}.replies")
}

/// The topic of lifecycle events: `saga.events`.
#[must_use]
pub fn events(prefix: &str) -> String {
    format!("{prefix}.events")
}

/// The consumer group of a participant's instances: `saga.inventory`.
#[must_use]
pub fn group(prefix: &str, participant: &str) -> String {
    format!("{prefix}.{participant}")
}

/// The records of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// Commands to a participant.
    Commands,
    /// Replies of all participants.
    Replies,
    /// Lifecycle events.
    Events,
}

/// A topic as the settings ask for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its name.
    pub name: String,
    /// Its records.
    pub holds: Holds,
    /// Its partitions.
    pub partitions: i32,
    /// How long its records are kept.
    pub retention: Duration,
}

impl Wanted {
    /// Kafka's settings of such a topic. All that matter are named, because a broker's defaults may
    /// be other ones.
    #[must_use]
    pub fn settings(&self) -> [(&'static str, String); 4] {
        [
            ("cleanup.policy", "delete".to_owned()),
            ("max.message.bytes", RECORD_BYTES_MAX.to_string()),
            ("retention.bytes", "-1".to_owned()),
            ("retention.ms", self.retention.as_millis().to_string()),
        ]
    }
}
