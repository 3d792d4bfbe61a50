//! The batches that the broker does not have yet.
//!
//! Invariant: a batch is here from the moment it is handed to librdkafka until the last of its records
//! has a verdict.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;

use sagas_kafka::waiting::OVERDUE_AFTER;

use super::delivery::Countdown;

/// Batches that wait, oldest first.
#[derive(Default)]
pub(super) struct Outstanding(Mutex<VecDeque<(Instant, Weak<Countdown>)>>);

/// Records of one topic that wait for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Overdue {
    /// When the first of them was handed over.
    pub(super) since: Instant,
    pub(super) records: usize,
}

impl Outstanding {
    pub(super) fn add(&self, batch: &Arc<Countdown>, now: Instant) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push_back((now, Arc::downgrade(batch)));
    }

    /// What waits for too long, by topic. To be called now and then: it also drops what has ended.
    pub(super) fn overdue(&self, now: Instant) -> BTreeMap<Arc<str>, Overdue> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|(_, batch)| batch.strong_count() > 0);
        let mut overdue = BTreeMap::new();
        let is_late = |since: Instant| now.saturating_duration_since(since) >= OVERDUE_AFTER;
        for (since, batch) in waiting.iter().take_while(|(since, _)| is_late(*since)) {
            let batch = batch.upgrade();
            for (topic, left) in batch.iter().flat_map(|batch| batch.left()) {
                let first = Overdue {
                    since: *since,
                    records: 0,
                };
                overdue.entry(topic).or_insert(first).records += left;
            }
        }
        overdue
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sagas::SagaId;
    use uuid::Uuid;

    use super::*;
    use crate::bus::debts::Debts;
    use sagas_core::record::OutgoingRecord;

    fn batch(topics: &[&str]) -> Arc<Countdown> {
        let records = topics.iter().map(|topic| OutgoingRecord {
            topic: (*topic).into(),
            key: SagaId(Uuid::nil()),
            value: Vec::new(),
        });
        let records: Vec<_> = records.collect();
        let debts = Debts::default();
        Arc::new(Countdown::new(&records, Box::new(|_| ()), &debts))
    }

    fn told(outstanding: &Outstanding, now: Instant) -> Vec<(String, usize, Instant)> {
        let overdue = outstanding.overdue(now).into_iter();
        let told =
            overdue.map(|(topic, overdue)| (topic.to_string(), overdue.records, overdue.since));
        told.collect()
    }

    #[test]
    fn records_without_a_verdict_are_counted_by_topic_from_the_first_batch_that_has_one() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let outstanding = Outstanding::default();
        let (first, later) = (batch(&["a", "b", "b"]), batch(&["b"]));
        outstanding.add(&first, start);
        outstanding.add(&later, start + second);
        assert_eq!(told(&outstanding, start + second), []);
        first.settle("b", Ok(()));
        let (a, b) = ("a".to_owned(), "b".to_owned());
        let seen = told(&outstanding, start + OVERDUE_AFTER + second);
        assert_eq!(seen, [(a, 1, start), (b.clone(), 2, start)]);

        first.settle("a", Ok(()));
        first.settle("b", Ok(()));
        let seen = told(&outstanding, start + OVERDUE_AFTER + second);
        assert_eq!(
            seen,
            [(b, 1, start + second)],
            "it has ended, and is held still"
        );
        drop((first, later));
        assert_eq!(told(&outstanding, start + OVERDUE_AFTER + second), []);
        assert!(outstanding.0.lock().unwrap().is_empty());
    }
}
