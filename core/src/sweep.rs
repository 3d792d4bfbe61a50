//! Outbox rows that their lane did not publish, and what the broker has of each.
//!
//! ```text
//!   look (a page of rows) ─► parts to publish, one for each topic of a row
//!   settle (one part)     ─► a part that failed is owed again; the last one finishes its row
//!   finished rows         ─► deleted by the shell, with their refused records as dead letters
//! ```
//!
//! Invariants: a record that the broker has acknowledged is not published again because of another
//! topic of its row; a part is not handed over while an earlier copy of it is under way; a topic that
//! takes nothing holds a bounded number of records and stops no other topic. What this forgets is
//! published once more, which readers of events expect.
//!
//! No I/O and no clock.

use std::collections::BTreeMap;
use std::sync::Arc;

use sagas::sabotage::{Bug, is_seeded};

use crate::batch::OutboxId;
use crate::record::{OutgoingRecord, Refused};

/// Records of one topic that are under way at the same time, and those of one row more: a healthy topic
/// acknowledges them within milliseconds, and one that is blocked leaves room for others in the producer's
/// queue of 100 000.
const RECORDS_MAX: usize = 20_000;

/// A part counts for so many at least, so that 500 small ones are the most.
const PART_MIN: usize = 40;

/// Rows whose state is kept. Beyond it, rows that wait are forgotten, and begun anew when they are
/// read again.
const ROWS_MAX: usize = 10_000;

/// Records of one row for one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The row.
    pub row: OutboxId,
    /// The topic.
    pub topic: Arc<str>,
    /// Its records, in the order of the row's events.
    pub records: Vec<OutgoingRecord>,
}

/// Outcome of one look at a row.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// These parts are to be published; none, while everything that is owed is under way or blocked.
    Publish(Vec<Part>),
    /// The broker has all but these refused records: the row may go.
    Finish(Vec<Refused>),
}

/// Progress of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Owed,
    /// Counts for so many records.
    UnderWay(usize),
    Done,
}

#[derive(Debug, Default)]
struct Row {
    parts: BTreeMap<Arc<str>, Progress>,
    refused: Vec<Refused>,
    was_seen: bool,
}

impl Row {
    fn is_under_way(&self) -> bool {
        let mut parts = self.parts.values();
        parts.any(|part| matches!(part, Progress::UnderWay(_)))
    }

    fn is_done(&self) -> bool {
        self.parts.values().all(|part| *part == Progress::Done)
    }
}

/// State of all rows that are being published.
#[derive(Debug, Default)]
pub struct Sweep {
    rows: BTreeMap<OutboxId, Row>,
    /// Records under way, by topic.
    held: BTreeMap<Arc<str>, usize>,
}

impl Sweep {
    /// Takes a row that was read, with the records that its events make.
    #[must_use]
    pub fn look(&mut self, id: OutboxId, records: Vec<OutgoingRecord>) -> Next {
        let mut parts: BTreeMap<Arc<str>, Vec<OutgoingRecord>> = BTreeMap::new();
        for record in records {
            parts.entry(record.topic.clone()).or_default().push(record);
        }
        if !self.rows.contains_key(&id) && self.rows.len() >= ROWS_MAX {
            self.rows.retain(|_, row| row.is_under_way());
        }
        let row = self.rows.entry(id).or_default();
        row.was_seen = true;
        let mut publish = Vec::new();
        for (topic, records) in parts {
            let part = row.parts.entry(topic.clone()).or_insert(Progress::Owed);
            let held = self.held.entry(topic.clone()).or_default();
            if *part == Progress::Owed && *held < RECORDS_MAX {
                let weight = records.len().max(PART_MIN);
                *held += weight;
                *part = Progress::UnderWay(weight);
                let row = id;
                publish.push(Part {
                    row,
                    topic,
                    records,
                });
            }
        }
        self.held.retain(|_, held| *held > 0);
        if row.is_done() {
            return Next::Finish(row.refused.clone());
        }
        Next::Publish(publish)
    }

    /// Takes the broker's word on a part: the records that it refused for good, or `None` where some
    /// record may not have arrived. Returns all refused records of the row once nothing of it is owed.
    #[must_use]
    pub fn settle(
        &mut self,
        id: OutboxId,
        topic: &Arc<str>,
        word: Option<Vec<Refused>>,
    ) -> Option<Vec<Refused>> {
        let row = self.rows.get_mut(&id)?;
        let part = row.parts.get_mut(topic)?;
        if let (Progress::UnderWay(weight), Some(held)) = (*part, self.held.get_mut(topic)) {
            *held = held.saturating_sub(weight);
        }
        self.held.retain(|_, held| *held > 0);
        let Some(refused) = word else {
            *part = Progress::Owed;
            if is_seeded(Bug::RepeatsItsNeighbours) {
                row.parts.clear();
            }
            return None;
        };
        *part = Progress::Done;
        row.refused.extend(refused);
        row.is_done().then(|| row.refused.clone())
    }

    /// Forgets a row that was deleted.
    pub fn forget(&mut self, id: OutboxId) {
        self.rows.remove(&id);
    }

    /// Ends a walk through all rows: one that was not met is gone, deleted by another replica.
    pub fn end_of_walk(&mut self) {
        self.rows
            .retain(|_, row| std::mem::take(&mut row.was_seen) || row.is_under_way());
    }
}

#[cfg(test)]
mod tests {
    use sagas::SagaId;
    use uuid::Uuid;

    use super::*;
    use crate::record::Refusal;

    fn row(number: u128) -> OutboxId {
        let id = Uuid::from_u128(number);
        OutboxId { slot: 1, id }
    }

    fn records(topics: &[&str]) -> Vec<OutgoingRecord> {
        let record = |topic: &&str| OutgoingRecord {
            topic: (*topic).into(),
            key: SagaId(Uuid::nil()),
            value: Vec::new(),
        };
        topics.iter().map(record).collect()
    }

    /// Topics of the parts that are to be published.
    #[track_caller]
    fn published(next: Next) -> Vec<String> {
        let Next::Publish(parts) = next else {
            panic!("{next:?}");
        };
        parts.iter().map(|part| part.topic.to_string()).collect()
    }

    #[test]
    fn a_part_that_failed_is_published_again_without_its_neighbours() {
        let mut sweep = Sweep::default();
        let topics = ["events", "mail", "events"];
        let look = |sweep: &mut Sweep| sweep.look(row(1), records(&topics));
        let Next::Publish(parts) = look(&mut sweep) else {
            panic!();
        };
        assert_eq!(parts.len(), 2);
        assert_eq!(parts[0].records.len(), 2);
        let _ = sweep.settle(row(1), &"events".into(), Some(vec![]));
        assert_eq!(published(look(&mut sweep)), [""; 0], "mail is under way");
        let _ = sweep.settle(row(1), &"mail".into(), None);
        assert_eq!(published(look(&mut sweep)), ["mail"]);
        let settled = sweep.settle(row(1), &"mail".into(), Some(vec![]));
        assert_eq!(settled, Some(vec![]));
        // The deletion failed.
        assert_eq!(look(&mut sweep), Next::Finish(vec![]));
        sweep.forget(row(1));
        assert_eq!(published(look(&mut sweep)), ["events", "mail"]);
    }

    #[test]
    fn records_that_are_refused_are_kept_until_the_row_goes() {
        let mut sweep = Sweep::default();
        let refused = Refused {
            record: records(&["mail"]).remove(0),
            why: Refusal::TooLarge { limit: None },
        };
        let _ = sweep.look(row(1), records(&["events", "mail"]));
        let _ = sweep.settle(row(1), &"mail".into(), Some(vec![refused.clone()]));
        let _ = sweep.settle(row(1), &"events".into(), None);
        assert_eq!(
            published(sweep.look(row(1), records(&["events", "mail"]))),
            ["events"]
        );
        let settled = sweep.settle(row(1), &"events".into(), Some(vec![]));
        assert_eq!(settled, Some(vec![refused]));
    }

    #[test]
    fn a_blocked_topic_stops_no_other() {
        let mut sweep = Sweep::default();
        for number in 0..2_000 {
            let parts = published(sweep.look(row(number), records(&["blocked"])));
            assert_eq!(parts.len(), usize::from(number < 500), "{number}");
        }
        let other = sweep.look(row(9_999), records(&["blocked", "events"]));
        assert_eq!(published(other), ["events"]);
        let _ = sweep.settle(row(0), &"blocked".into(), None);
        assert_eq!(
            published(sweep.look(row(7_000), records(&["blocked"]))),
            ["blocked"]
        );
    }

    #[test]
    fn a_blocked_topic_does_not_fill_the_queue_that_it_shares_with_all_others() {
        let mut sweep = Sweep::default();
        let mut handed_over = 0;
        for number in 0..2_000 {
            if let Next::Publish(parts) = sweep.look(row(number), records(&["events"; 500])) {
                handed_over += parts.iter().map(|part| part.records.len()).sum::<usize>();
            }
        }
        assert_eq!(handed_over, RECORDS_MAX);
    }

    #[test]
    fn memory_is_bounded_and_rows_that_are_gone_are_forgotten() {
        let mut sweep = Sweep::default();
        for number in 0..50_000 {
            let _ = sweep.look(row(number), records(&["blocked"]));
            assert!(sweep.rows.len() <= ROWS_MAX);
        }
        for number in 0..50_000 {
            let _ = sweep.settle(row(number), &"blocked".into(), None);
        }
        sweep.end_of_walk();
        let _ = sweep.look(row(1), records(&["blocked"]));
        let _ = sweep.settle(row(1), &"blocked".into(), None);
        sweep.end_of_walk();
        assert_eq!(sweep.rows.len(), 1);
        sweep.end_of_walk();
        assert!(sweep.rows.is_empty() && sweep.held.is_empty());
    }
}
