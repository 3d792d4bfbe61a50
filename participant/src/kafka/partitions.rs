//! The partition that a reply goes to.
//!
//! A command names one, and is sent again byte for byte: the topic may have been made again with fewer
//! since. Then the key decides, and the reply is read all the same.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How often a topic is asked about that seems too small.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// Topics that are known at a time; commands name one, as a rule.
const TOPICS_MAX: usize = 100;

/// How many partitions the reply topics have, as far as they were asked about.
#[derive(Debug, Default)]
pub(super) struct Partitions {
    topics: HashMap<String, Seen>,
}

#[derive(Debug)]
struct Seen {
    /// `None`: the broker did not answer.
    count: Option<i32>,
    asked_at: Instant,
}

impl Partitions {
    /// The partition that was named; `None` where the topic does not have it. `ask` tells how many
    /// it has, if the broker answers; until it does, the topic is taken to have the one named.
    pub(super) fn of(
        &mut self,
        topic: &str,
        named: i32,
        now: Instant,
        ask: impl FnOnce() -> Option<i32>,
    ) -> Option<i32> {
        let seen = self.topics.get(topic);
        let is_stale = seen.is_none_or(|seen| {
            let is_doubtful = seen.count.is_none_or(|count| count <= named);
            is_doubtful && now.saturating_duration_since(seen.asked_at) >= ASK_EVERY
        });
        if is_stale {
            if self.topics.len() >= TOPICS_MAX {
                self.topics.clear();
            }
            let seen = Seen {
                count: ask(),
                asked_at: now,
            };
            self.topics.insert(topic.to_owned(), seen);
        }
        let count = self.topics.get(topic).and_then(|seen| seen.count);
        Some(named).filter(|named| count.is_none_or(|count| *named < count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_that_the_topic_does_not_have_leaves_the_choice_to_the_key() {
        let start = Instant::now();
        let mut partitions = Partitions::default();
        let mut of = |named, second, count| {
            let now = start + Duration::from_secs(second);
            let mut is_asked = false;
            let of = partitions.of("saga.replies", named, now, || {
                is_asked = true;
                count
            });
            (of, is_asked)
        };
        assert_eq!(
            of(5, 0, None),
            (Some(5), true),
            "the broker does not answer"
        );
        assert_eq!(of(3, 0, Some(4)), (Some(3), false), "asked just now");
        assert_eq!(of(3, 1, Some(4)), (Some(3), true));
        assert_eq!(of(3, 9, None), (Some(3), false));
        assert_eq!(of(5, 9, Some(4)), (None, true));
        assert_eq!(of(5, 9, Some(8)), (None, false), "asked just now");
        assert_eq!(of(5, 10, Some(8)), (Some(5), true), "it has grown");
    }
}
