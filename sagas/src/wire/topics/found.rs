//! A topic as it is, and what that means for its records. Pure: the broker is asked elsewhere.
//!
//! Invariant: what could not be read is unknown; no value stands for it.

use std::fmt;
use std::time::Duration;

use super::{Holds, RECORD_BYTES_MAX, Wanted};

/// What the broker says of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its partitions.
    pub partitions: i32,
    /// Copies of each.
    pub replication: i32,
    /// Its settings, or why they are unknown.
    pub settings: Result<TopicSettings, String>,
}

/// The settings of a topic that decide about its records, those that are a broker's default too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSettings {
    /// `cleanup.policy`: `delete`, `compact`, or both with a comma between.
    pub cleanup_policy: String,
    /// How long records are kept; `None`: for ever.
    pub retention: Option<Duration>,
    /// How many bytes of a partition are kept; `None`: however many there are.
    pub retention_bytes: Option<u64>,
    /// The size of the largest record.
    pub record_bytes_max: u64,
}

impl TopicSettings {
    /// Reads them by their names in Kafka.
    ///
    /// # Errors
    ///
    /// The name of the first that is missing or has no sense.
    pub fn read<'a>(value: impl Fn(&'static str) -> Option<&'a str>) -> Result<Self, &'static str> {
        // Below zero: no bound.
        let bound = |name| match value(name).map(str::parse::<i64>) {
            Some(Ok(bound)) => Ok(u64::try_from(bound).ok()),
            _ => Err(name),
        };
        let record_bytes_max = bound("max.message.bytes")?;
        Ok(Self {
            cleanup_policy: value("cleanup.policy").ok_or("cleanup.policy")?.to_owned(),
            retention: bound("retention.ms")?.map(Duration::from_millis),
            retention_bytes: bound("retention.bytes")?,
            record_bytes_max: record_bytes_max.ok_or("max.message.bytes")?,
        })
    }

    /// Whether only the newest record of each key is kept.
    fn compacts(&self) -> bool {
        let mut policies = self.cleanup_policy.split(',');
        policies.any(|policy| policy.trim() == "compact")
    }
}

/// A way in which a topic is not what the settings ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// Another number of partitions.
    Partitions {
        /// What it has.
        found: i32,
        /// What the settings ask for.
        wanted: i32,
    },
    /// Its records are kept for another time.
    Retention {
        /// How long; `None`: for ever.
        found: Option<Duration>,
        /// What the settings ask for.
        wanted: Duration,
    },
    /// Records are dropped before their time when a partition has so many bytes.
    RetentionBytes {
        /// How many.
        found: u64,
    },
    /// Only the newest record of each saga is kept.
    Compacts {
        /// Its `cleanup.policy`.
        policy: String,
    },
    /// Records that may come are larger than it takes.
    RecordBytes {
        /// The size of the largest that it takes.
        found: u64,
    },
    /// Its settings could not be read.
    Unknown {
        /// Why.
        why: String,
    },
}

/// A topic that is not what the settings ask for, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Its name.
    pub topic: String,
    /// Its records.
    pub holds: Holds,
    /// The difference.
    pub difference: Difference,
}

impl Finding {
    /// Whether the topic would lose commands or replies, so that nobody may start to use it.
    /// Everything else is a warning: the service works all the same.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        let compacts = matches!(self.difference, Difference::Compacts { .. });
        compacts && self.holds != Holds::Events
    }
}

/// Where a topic is not what the settings ask for.
#[must_use]
pub fn findings(wanted: &Wanted, found: &Found) -> Vec<Finding> {
    let mut differences = Vec::new();
    if found.partitions != wanted.partitions {
        differences.push(Difference::Partitions {
            found: found.partitions,
            wanted: wanted.partitions,
        });
    }
    match &found.settings {
        Ok(settings) => differences.extend(of_settings(wanted, settings)),
        Err(why) => differences.push(Difference::Unknown { why: why.clone() }),
    }
    let differences = differences.into_iter();
    let findings = differences.map(|difference| Finding {
        topic: wanted.name.clone(),
        holds: wanted.holds,
        difference,
    });
    findings.collect()
}

fn of_settings(wanted: &Wanted, found: &TopicSettings) -> Vec<Difference> {
    let mut differences = Vec::new();
    if found.compacts() {
        differences.push(Difference::Compacts {
            policy: found.cleanup_policy.clone(),
        });
    }
    if found.record_bytes_max < RECORD_BYTES_MAX.into() {
        differences.push(Difference::RecordBytes {
            found: found.record_bytes_max,
        });
    }
    if found.retention != Some(wanted.retention) {
        differences.push(Difference::Retention {
            found: found.retention,
            wanted: wanted.retention,
        });
    }
    if let Some(found) = found.retention_bytes {
        differences.push(Difference::RetentionBytes { found });
    }
    differences
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { topic, holds, .. } = self;
        let records = match holds {
            Holds::Commands => "commands",
            Holds::Replies => "replies",
            Holds::Events => "lifecycle events",
        };
        match &self.difference {
            Difference::Partitions { found, wanted } => write!(
                f,
                "the topic {topic} has {found} partitions, the settings ask for {wanted}; those \
                 that are there are used"
            ),
            Difference::Retention { found, wanted } => {
                write!(f, "the topic {topic} keeps its records ")?;
                match found {
                    Some(found) => write!(f, "for {} s", found.as_secs())?,
                    None => f.write_str("for ever")?,
                }
                let wanted = wanted.as_secs();
                write!(f, ", the settings ask for {wanted} s; nothing was changed")
            }
            Difference::RetentionBytes { found } => write!(
                f,
                "the topic {topic} drops {records} before their time when a partition has more \
                 than {found} bytes; set its retention.bytes to -1"
            ),
            Difference::Compacts { policy } => write!(
                f,
                "the topic {topic} has cleanup.policy={policy}, which drops all {records} of a \
                 saga but the newest; set it to delete"
            ),
            Difference::RecordBytes { found } => write!(
                f,
                "the topic {topic} takes records of up to {found} bytes, and there may be larger \
                 {records}; set its max.message.bytes to {RECORD_BYTES_MAX}"
            ),
            Difference::Unknown { why } => write!(
                f,
                "the settings of the topic {topic} cannot be read, so it is unknown whether it \
                 keeps {records} for long enough and takes large ones: {why}"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::RETENTION;
    use super::*;

    fn wanted(holds: Holds) -> Wanted {
        Wanted {
            name: "saga.topic".to_owned(),
            holds,
            partitions: 4,
            retention: RETENTION,
        }
    }

    /// What is said of a topic that was made by us and then changed, and whether that is fatal.
    fn told(holds: Holds, changes: &[(&'static str, &'static str)]) -> Vec<(String, bool)> {
        let wanted = wanted(holds);
        let mut values: BTreeMap<&str, String> = wanted.settings().into();
        values.extend(changes.iter().map(|(name, value)| (*name, (*value).into())));
        let settings = TopicSettings::read(|name| values.get(name).map(String::as_str));
        let found = Found {
            partitions: 4,
            replication: 3,
            settings: settings.map_err(str::to_owned),
        };
        let findings = findings(&wanted, &found).into_iter();
        let told = findings.map(|finding| (finding.to_string(), finding.is_fatal()));
        told.collect()
    }

    #[test]
    fn a_topic_that_we_made_is_as_it_should_be() {
        for holds in [Holds::Commands, Holds::Replies, Holds::Events] {
            assert_eq!(told(holds, &[]), []);
        }
    }

    #[test]
    fn compaction_of_commands_and_replies_is_fatal_and_of_events_a_warning() {
        for policy in ["compact", "compact,delete", "delete, compact"] {
            let changes = [("cleanup.policy", policy)];
            let fatal = |holds| told(holds, &changes)[0].1;
            assert!(fatal(Holds::Commands) && fatal(Holds::Replies) && !fatal(Holds::Events));
        }
        let said = "the topic saga.topic has cleanup.policy=compact, which drops all replies of a \
                    saga but the newest; set it to delete";
        let changes = [("cleanup.policy", "compact")];
        assert_eq!(told(Holds::Replies, &changes), [(said.to_owned(), true)]);
    }

    #[test]
    fn every_other_difference_is_a_warning_that_names_it() {
        let cases = [
            (
                ("max.message.bytes", "1048588"),
                "takes records of up to 1048588 bytes, and there may be larger commands; set its \
                 max.message.bytes to 8388608",
            ),
            (
                ("retention.ms", "60000"),
                "keeps its records for 60 s, the settings ask for 604800 s; nothing was changed",
            ),
            (
                ("retention.ms", "-1"),
                "keeps its records for ever, the settings ask for 604800 s; nothing was changed",
            ),
            (
                ("retention.bytes", "1000"),
                "drops commands before their time when a partition has more than 1000 bytes; set \
                 its retention.bytes to -1",
            ),
        ];
        for (change, said) in cases {
            let said = format!("the topic saga.topic {said}");
            assert_eq!(told(Holds::Commands, &[change]), [(said, false)]);
        }
    }

    #[test]
    fn what_cannot_be_read_is_unknown_and_not_for_ever() {
        let said = "the settings of the topic saga.topic cannot be read, so it is unknown whether \
                    it keeps replies for long enough and takes large ones: retention.ms";
        let changes = [("retention.ms", "soon")];
        assert_eq!(told(Holds::Replies, &changes), [(said.to_owned(), false)]);
    }

    #[test]
    fn another_number_of_partitions_is_a_warning() {
        let settings = Err("no right to ask".to_owned());
        let found = Found {
            partitions: 6,
            replication: 1,
            settings,
        };
        let found = findings(&wanted(Holds::Events), &found);
        let said = "the topic saga.topic has 6 partitions, the settings ask for 4; those that are \
                    there are used";
        assert_eq!(found[0].to_string(), said);
        assert_eq!(found.len(), 2);
    }
}
