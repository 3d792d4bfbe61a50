//! Probes of the topics that everybody's work goes through: when one is sent, where to, and what follows
//! from one that was written and is not read.
//!
//! Invariants: where records come and go, no probe is sent; a partition has one unacknowledged probe at most,
//! so however long an outage is, few wait; partitions take turns, so that one without a leader is not
//! taken for the topic.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::OVERDUE_AFTER;
use crate::Cause;

/// How long a topic is quiet before a probe is sent, and between two probes. With [`OVERDUE_AFTER`], what is
/// said of an idle replica is true within three seconds.
pub const EVERY: Duration = Duration::from_secs(1);

/// The probes of one topic.
#[derive(Debug, Clone, Default)]
pub struct Probes {
    sent_at: Option<Duration>,
    last: Option<i32>,
    /// When those were sent that the broker has not acknowledged.
    open: BTreeMap<i32, Duration>,
    /// Those that it has, and that are to be read.
    landed: BTreeMap<i32, Landed>,
}

#[derive(Debug, Clone, Copy)]
struct Landed {
    sent_at: Duration,
    /// From when on it is waited for.
    since: Duration,
}

/// What is not read although it was written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unread {
    /// Partitions with such a record.
    pub partitions: BTreeSet<i32>,
    /// How long nothing at all was read.
    pub nothing_for: Option<Duration>,
}

impl Probes {
    /// The partition to send a probe to now, if it is time: one of these, in turn.
    pub fn due(&mut self, partitions: &BTreeSet<i32>, now: Duration) -> Option<i32> {
        if self
            .sent_at
            .is_some_and(|at| now.saturating_sub(at) < EVERY)
        {
            return None;
        }
        let is_free = |partition: &&i32| !self.open.contains_key(partition);
        let after = self.last.map_or(i32::MIN, |last| last.saturating_add(1));
        let in_turn = partitions.range(after..).chain(partitions.range(..after));
        let partition = *in_turn.into_iter().find(is_free)?;
        self.sent_at = Some(now);
        self.last = Some(partition);
        self.open.insert(partition, now);
        Some(partition)
    }

    /// The probe to this partition has a verdict.
    pub fn settled(&mut self, partition: i32, has_landed: bool, now: Duration) {
        let Some(sent_at) = self.open.remove(&partition) else {
            return;
        };
        if has_landed {
            let since = now;
            self.landed.insert(partition, Landed { sent_at, since });
        }
    }

    /// What was written and is not read: `read_at` is when a partition gave its last record, `reads` what is
    /// read here. While the reader waits for others (`is_held`), nothing is held against it.
    pub fn unread(
        &mut self,
        read_at: &BTreeMap<i32, Duration>,
        reads: &BTreeSet<i32>,
        is_held: bool,
        now: Duration,
    ) -> Unread {
        // A record may be read before its acknowledgement is heard of.
        let is_read =
            |partition: &i32, sent_at| read_at.get(partition).is_some_and(|at| *at >= sent_at);
        self.landed.retain(|partition, landed| {
            reads.contains(partition) && !is_read(partition, landed.sent_at)
        });
        if is_held {
            self.landed
                .values_mut()
                .for_each(|landed| landed.since = now);
        }
        let is_late = |since: Duration| now.saturating_sub(since) >= OVERDUE_AFTER;
        let late = self
            .landed
            .iter()
            .filter(|(_, landed)| is_late(landed.since));
        let partitions: BTreeSet<i32> = late.clone().map(|(partition, _)| *partition).collect();
        let first = late.map(|(_, landed)| landed.since).min();
        let last_read = read_at.values().max().copied().unwrap_or_default();
        let nothing_since = first.map(|first| first.max(last_read));
        Unread {
            partitions,
            nothing_for: nothing_since
                .filter(|since| is_late(*since))
                .map(|since| now.saturating_sub(since)),
        }
    }
}

impl Unread {
    /// Whether nothing is read, and the words for it.
    pub(super) fn into_cause(self, topic: &Arc<str>) -> Option<(bool, Cause)> {
        if let Some(silent) = self.nothing_for {
            let seconds = silent.as_secs();
            let text = format!(
                "nothing was read from the topic {topic} for {seconds} s, and records lie there"
            );
            return Some((true, Cause::ours(text)));
        }
        let numbers: Vec<String> = self.partitions.iter().map(i32::to_string).collect();
        (!numbers.is_empty()).then(|| {
            let text = format!(
                "records of the topic {topic} are not read: partition {}",
                numbers.join(", ")
            );
            (false, Cause::ours(text))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn all() -> BTreeSet<i32> {
        (0..3).collect()
    }

    #[test]
    fn partitions_take_turns_and_one_that_owes_an_answer_is_passed_by() {
        let mut probes = Probes::default();
        assert_eq!(probes.due(&all(), ms(0)), Some(0));
        assert_eq!(probes.due(&all(), ms(999)), None);
        probes.settled(0, true, ms(5));
        assert_eq!(probes.due(&all(), ms(1_000)), Some(1));
        assert_eq!(probes.due(&all(), ms(2_000)), Some(2));
        assert_eq!(probes.due(&all(), ms(3_000)), Some(0));
        assert_eq!(probes.due(&all(), ms(4_000)), None, "all three owe one");
        probes.settled(2, false, ms(4_100));
        assert_eq!(probes.due(&all(), ms(4_200)), Some(2));
        assert_eq!(probes.due(&BTreeSet::new(), ms(9_000)), None);
    }

    /// Probes of which the one to partition 0 has landed after a second.
    fn landed() -> Probes {
        let mut probes = Probes::default();
        assert_eq!(probes.due(&all(), ms(0)), Some(0));
        probes.settled(0, true, ms(1_000));
        probes
    }

    #[test]
    fn a_probe_that_lies_there_for_two_seconds_and_is_not_read_is_trouble() {
        let mut probes = landed();
        let read = BTreeMap::new();
        assert_eq!(
            probes.unread(&read, &all(), false, ms(2_999)),
            Unread::default()
        );
        let unread = probes.unread(&read, &all(), false, ms(3_000));
        assert_eq!(unread.partitions, [0].into());
        assert_eq!(unread.nothing_for, Some(ms(2_000)));
        let (is_all, cause) = unread.into_cause(&"saga.replies".into()).unwrap();
        assert!(
            is_all && cause.to_string().contains("saga.replies"),
            "{cause}"
        );
        let read = [(0, ms(4_000))].into();
        assert_eq!(
            probes.unread(&read, &all(), false, ms(4_000)),
            Unread::default()
        );
    }

    #[test]
    fn one_partition_that_is_not_read_is_named_while_others_are() {
        let mut probes = landed();
        let read = [(1, ms(2_900))].into();
        let unread = probes.unread(&read, &all(), false, ms(3_000));
        let (is_all, cause) = unread.into_cause(&"saga.replies".into()).unwrap();
        assert!(
            !is_all && cause.to_string().ends_with("partition 0"),
            "{cause}"
        );
    }

    #[test]
    fn what_was_read_before_its_acknowledgement_came_is_read() {
        let mut probes = landed();
        let read = [(0, ms(500))].into();
        assert_eq!(
            probes.unread(&read, &all(), false, ms(9_000)),
            Unread::default()
        );
    }

    #[test]
    fn a_partition_that_another_replica_reads_and_a_reader_that_is_held_up_are_excused() {
        let read = BTreeMap::new();
        let gone = [1, 2].into();
        assert_eq!(
            landed().unread(&read, &gone, false, ms(9_000)),
            Unread::default()
        );
        let mut probes = landed();
        assert_eq!(
            probes.unread(&read, &all(), true, ms(9_000)),
            Unread::default()
        );
        assert_eq!(
            probes.unread(&read, &all(), false, ms(10_999)),
            Unread::default()
        );
        let unread = probes.unread(&read, &all(), false, ms(11_000));
        assert_eq!(unread.nothing_for, Some(ms(2_000)));
    }
}
