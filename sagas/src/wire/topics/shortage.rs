//! The likely cause why a broker that answers acknowledges no records of a topic. Pure: the broker is
//! asked elsewhere.

use std::fmt;

/// A partition as the broker tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition {
    /// Whether a broker leads it.
    pub has_leader: bool,
    /// Its copies.
    pub replicas: usize,
    /// Those that have all of its records.
    pub in_sync: usize,
}

/// What a topic lacks. `Display` has the words of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shortage {
    /// A record needs more copies that are in sync than there are.
    Replicas {
        /// How many the worst partition has.
        in_sync: usize,
        /// `min.insync.replicas`.
        needed: usize,
        /// Partitions that have too few.
        partitions: usize,
        /// All partitions.
        of: usize,
    },
    /// Some copies are not in sync, and the broker does not say how many a record needs.
    Perhaps {
        /// Partitions with such copies.
        partitions: usize,
        /// All partitions.
        of: usize,
    },
    /// Partitions that no broker leads.
    Leaders {
        /// How many.
        partitions: usize,
        /// All partitions.
        of: usize,
    },
    /// There is no such topic.
    Topic,
}

impl Shortage {
    /// What these partitions lack, if a record needs so many copies in sync (`min.insync.replicas`).
    /// Kafka asks for no more of them than there are copies.
    #[must_use]
    pub fn of(partitions: &[Partition], needed: Option<usize>) -> Option<Self> {
        let of = partitions.len();
        if of == 0 {
            return Some(Self::Topic);
        }
        let without_leader = partitions.iter().filter(|one| !one.has_leader).count();
        if without_leader > 0 {
            let partitions = without_leader;
            return Some(Self::Leaders { partitions, of });
        }
        let is_short =
            |one: &&Partition| one.in_sync < needed.unwrap_or(usize::MAX).min(one.replicas);
        let short = partitions.iter().filter(is_short);
        let in_sync = short.clone().map(|one| one.in_sync).min()?;
        let partitions = short.count();
        Some(match needed {
            None => Self::Perhaps { partitions, of },
            Some(needed) => Self::Replicas {
                in_sync,
                needed,
                partitions,
                of,
            },
        })
    }

    /// The error that a producer gets from the broker, and keeps to itself.
    #[must_use]
    pub const fn code(self) -> Option<&'static str> {
        match self {
            Self::Replicas { .. } => Some("NotEnoughReplicas"),
            Self::Leaders { .. } => Some("LeaderNotAvailable"),
            Self::Topic => Some("UnknownTopicOrPartition"),
            Self::Perhaps { .. } => None,
        }
    }
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replicas {
                in_sync,
                needed,
                partitions,
                of,
            } => write!(
                f,
                "not enough replicas: {partitions} of {of} partitions have fewer in sync (ISR \
                 {in_sync}) than min.insync.replicas={needed} asks for"
            ),
            Self::Perhaps { partitions, of } => write!(
                f,
                "perhaps not enough replicas: {partitions} of {of} partitions have some that are \
                 not in sync, and the broker does not tell min.insync.replicas"
            ),
            Self::Leaders { partitions, of } => {
                write!(f, "{partitions} of {of} partitions have no leader")
            }
            Self::Topic => f.write_str("there is no such topic"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(has_leader: bool, replicas: usize, in_sync: usize) -> Partition {
        Partition {
            has_leader,
            replicas,
            in_sync,
        }
    }

    #[track_caller]
    fn check(partitions: &[Partition], needed: Option<usize>, expected: Option<(&str, &str)>) {
        let shortage = Shortage::of(partitions, needed);
        let told = shortage.map(|one| (one.code().unwrap_or("no code"), one.to_string()));
        let told = told.as_ref().map(|(code, text)| (*code, text.as_str()));
        assert_eq!(told, expected);
    }

    #[test]
    fn what_a_topic_lacks_is_told_with_the_counts() {
        let (full, few) = (partition(true, 3, 3), partition(true, 3, 1));
        let words = "not enough replicas: 2 of 3 partitions have fewer in sync (ISR 1) than \
                     min.insync.replicas=2 asks for";
        let told = Some(("NotEnoughReplicas", words));
        check(&[full, few, few], Some(2), told);
        let words = "perhaps not enough replicas: 1 of 2 partitions have some that are not in sync, \
                     and the broker does not tell min.insync.replicas";
        check(&[full, few], None, Some(("no code", words)));
        let words = "1 of 2 partitions have no leader";
        let told = Some(("LeaderNotAvailable", words));
        check(&[full, partition(false, 3, 0)], Some(2), told);
        let told = Some(("UnknownTopicOrPartition", "there is no such topic"));
        check(&[], Some(2), told);
    }

    #[test]
    fn a_topic_that_lacks_nothing_is_no_cause() {
        let (full, few) = (partition(true, 3, 3), partition(true, 3, 1));
        check(&[full, few], Some(1), None);
        check(&[full, full], None, None);
        // Kafka 4.4 asks for no more than there are.
        check(&[full, full], Some(4), None);
    }
}
