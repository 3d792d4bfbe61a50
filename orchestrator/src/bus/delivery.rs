//! The verdict on a batch, and the broker's reasons to refuse one of its records for good.
//!
//! Invariant: a batch gets one verdict, after the last of its records has one.
//!
//! The broker answers for a whole request, so one record that it does not take costs those beside it
//! their place too. [`sagas_kafka::is_refused`] says which answers leave that open: such a record is sent
//! again alone, and only then is [`Refused`] about it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use sagas_core::record::{Invalid, OutgoingRecord, Refusal, Refused};

use super::Error;
use super::debts::{Debts, TopicDebt};

/// What became of a batch.
#[derive(Debug, Default)]
pub struct Delivery {
    /// Records that are refused although each came alone: sent again, they are refused again.
    pub refused: Vec<Refused>,
    /// Why some other record did not arrive, or may not have; published again, it may.
    pub failure: Option<Error>,
}

impl Delivery {
    /// Whether the broker has all records.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.failure.is_none() && self.refused.is_empty()
    }
}

/// The refusal that this error means for a record that came alone.
pub(super) fn refusal(error: &KafkaError) -> Option<Refusal> {
    use RDKafkaErrorCode as Code;
    match error.rdkafka_error_code()? {
        Code::MessageSizeTooLarge | Code::MessageBatchTooLarge => {
            Some(Refusal::TooLarge { limit: None })
        }
        Code::InvalidRecord => Some(Refusal::Invalid(Invalid::InvalidRecord)),
        Code::InvalidTimestamp => Some(Refusal::Invalid(Invalid::InvalidTimestamp)),
        Code::PolicyViolation => Some(Refusal::Invalid(Invalid::PolicyViolation)),
        _ => None,
    }
}

/// What is to be done with the verdict on a batch.
pub type Done = Box<dyn FnOnce(Delivery) + Send>;

/// Counts the records of a batch that have no verdict yet.
pub(super) struct Countdown {
    left: AtomicUsize,
    /// The same by topic; there are few.
    by_topic: Vec<OfTopic>,
    delivery: Mutex<Delivery>,
    done: Mutex<Option<Done>>,
}

/// The records of one topic.
struct OfTopic {
    topic: Arc<str>,
    left: AtomicUsize,
    debt: Arc<TopicDebt>,
}

impl Countdown {
    /// Begins to count, and adds to what the topics owe.
    pub(super) fn new(records: &[OutgoingRecord], done: Done, debts: &Debts) -> Self {
        let mut by_topic: Vec<OfTopic> = Vec::new();
        for OutgoingRecord { topic, .. } in records {
            match by_topic.iter_mut().find(|of| of.topic == *topic) {
                Some(of) => *of.left.get_mut() += 1,
                None => by_topic.push(OfTopic {
                    topic: topic.clone(),
                    left: AtomicUsize::new(1),
                    debt: debts.of(topic),
                }),
            }
        }
        for of in &mut by_topic {
            of.debt.asked(*of.left.get_mut());
        }
        Self {
            left: AtomicUsize::new(records.len()),
            by_topic,
            delivery: Mutex::default(),
            done: Mutex::new(Some(done)),
        }
    }

    /// Topics with how many of their records have no verdict yet.
    pub(super) fn left(&self) -> impl Iterator<Item = (Arc<str>, usize)> {
        let topics = self.by_topic.iter();
        let left = topics.map(|of| (of.topic.clone(), of.left.load(Ordering::Relaxed)));
        left.filter(|(_, left)| *left > 0)
    }

    /// One record for this topic has arrived, or did not for a reason that is not its own.
    pub(super) fn settle(&self, topic: &str, result: Result<(), Error>) {
        let of = self.of(topic);
        if let Some(of) = of {
            of.debt.settled(result.as_ref().copied());
        }
        if let Err(error) = result {
            let mut delivery = self.delivery.lock().unwrap_or_else(PoisonError::into_inner);
            delivery.failure.get_or_insert(error);
        }
        self.one_less(of);
    }

    /// One record is refused for what it is, which says that its topic takes others.
    pub(super) fn refuse(&self, refused: Refused) {
        let of = self.of(&refused.record.topic);
        if let Some(of) = of {
            of.debt.settled(Ok(()));
        }
        let mut delivery = self.delivery.lock().unwrap_or_else(PoisonError::into_inner);
        delivery.refused.push(refused);
        drop(delivery);
        self.one_less(of);
    }

    fn of(&self, topic: &str) -> Option<&OfTopic> {
        self.by_topic.iter().find(|of| *of.topic == *topic)
    }

    fn one_less(&self, of: Option<&OfTopic>) {
        if let Some(of) = of {
            of.left.fetch_sub(1, Ordering::Relaxed);
        }
        if self.left.fetch_sub(1, Ordering::AcqRel) > 1 {
            return;
        }
        let done = self
            .done
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(done) = done {
            let mut delivery = self.delivery.lock().unwrap_or_else(PoisonError::into_inner);
            let delivery = std::mem::take(&mut *delivery);
            done(delivery);
        }
    }
}
