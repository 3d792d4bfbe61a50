//! What librdkafka calls back: delivery reports, and its log, which becomes ours.

use std::sync::Arc;

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::{DeliveryResult, Message as _};
use rdkafka::topic_partition_list::TopicPartitionList;
use sagas_kafka::{Alone, NotTaken, Outgoing, callback, is_refused};
use sagas_log::trouble;

use super::delivery::Countdown;
use super::producer::{give_up, record};
use super::spread::Spread;
use crate::cause::chain;

#[derive(Debug, Clone, Copy)]
pub(super) struct Context;

/// What the producer has beside that.
#[derive(Debug)]
pub(super) struct ProducerContext {
    pub(super) spread: Spread,
    /// For a record that was refused in company.
    pub(super) alone: Alone,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        callback::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        callback::error(&error, reason);
    }
}

impl ClientContext for ProducerContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        callback::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        callback::error(&error, reason);
    }
}

impl rdkafka::producer::ProducerContext<Spread> for ProducerContext {
    type DeliveryOpaque = Arc<Countdown>;

    fn get_custom_partitioner(&self) -> Option<&Spread> {
        Some(&self.spread)
    }

    fn delivery(&self, result: &DeliveryResult<'_>, countdown: Self::DeliveryOpaque) {
        let (error, message) = match result {
            Ok(message) => return countdown.settle(message.topic(), Ok(())),
            Err(refused) => refused,
        };
        let refused = Outgoing::of(message);
        if !is_refused(error) {
            return give_up(record(refused), error.clone(), &countdown);
        }
        let topic = refused.topic.clone();
        self.alone.send(refused, move |verdict| match verdict {
            Ok(()) => countdown.settle(&topic, Ok(())),
            Err(NotTaken { record: own, error }) => give_up(record(own), error, &countdown),
        });
    }
}

impl ConsumerContext for Context {
    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        if let Err(error) = result {
            // Offsets only save work: what is read again has no effect.
            trouble!(
                warn,
                "offsets of replies were not stored",
                error = chain(&error)
            );
        }
    }
}
