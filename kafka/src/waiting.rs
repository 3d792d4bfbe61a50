//! Records that wait although the broker answers: the pace of looks at their topic, and its likely lack.
//!
//! librdkafka sends a record again for as long as it takes where the broker says that it has not enough
//! replicas or no leader, and tells nobody: its log and its error callback stay silent. So the topic is
//! looked at for a cause.

use std::time::Duration;

use rdkafka::metadata::Metadata;
use sagas::wire::topics::{Partition, Shortage};

/// How long a record waits before its topic is looked at. What a broker that has its replicas
/// acknowledges takes milliseconds, and a partition gets another leader within a second.
pub const OVERDUE_AFTER: Duration = Duration::from_secs(2);

/// Between two looks at a topic, each of which asks the broker.
pub const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How long the broker may take to answer a look. One that needs longer has answered others meanwhile.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// The setting of a topic that says how many copies of a record must be in sync.
pub const REPLICAS_NEEDED: &str = "min.insync.replicas";

/// The cause where a topic lacks nothing.
pub const UNKNOWN: &str = "unknown: its partitions have leaders and replicas";

/// What the topic lacks; `needed` is its [`REPLICAS_NEEDED`], where the broker says so.
#[must_use]
pub fn shortage(metadata: &Metadata, topic: &str, needed: Option<u64>) -> Option<Shortage> {
    let topics = metadata.topics().iter();
    let found = topics.filter(|found| found.name() == topic);
    let partitions = found.flat_map(|found| found.partitions());
    let partitions = partitions.map(|partition| Partition {
        has_leader: partition.leader() >= 0,
        replicas: partition.replicas().len(),
        in_sync: partition.isr().len(),
    });
    let partitions: Vec<Partition> = partitions.collect();
    let needed = needed.and_then(|needed| usize::try_from(needed).ok());
    Shortage::of(&partitions, needed)
}
