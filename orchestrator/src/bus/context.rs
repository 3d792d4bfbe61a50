//! What librdkafka calls back: delivery reports, and its log, which becomes ours.

use std::sync::Arc;
use std::sync::mpsc::Sender;

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message as _};
use rdkafka::topic_partition_list::TopicPartitionList;
use saga_log::trouble;

use super::Error;
use super::delivery::{Countdown, concerns_its_request};
use super::producer::{Again, give_up, record};
use super::spread::Spread;
use crate::cause::chain;

#[derive(Debug, Clone, Copy)]
pub(super) struct Context;

/// What the producer has beside that.
#[derive(Debug)]
pub(super) struct ProducerContext {
    pub(super) spread: Spread,
    /// Where a record goes that was refused in company.
    pub(super) again: Sender<Again>,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        use RDKafkaLogLevel::{Alert, Critical, Debug, Emerg, Error, Info, Notice, Warning};
        match level {
            Emerg | Alert | Critical => tracing::error!(facility, "{message}"),
            // A broker that is away: librdkafka goes on by itself.
            Error | Warning => tracing::warn!(facility, "{message}"),
            Notice | Info => tracing::debug!(facility, "{message}"),
            Debug => tracing::trace!(facility, "{message}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::AllBrokersDown | RDKafkaErrorCode::BrokerTransportFailure) => {
                trouble!(warn, "Kafka is out of reach", error = chain(&error), reason);
            }
            _ => trouble!(
                warn,
                "the Kafka client reports trouble",
                error = chain(&error),
                reason
            ),
        }
    }
}

impl ClientContext for ProducerContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        Context.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        Context.error(error, reason);
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
        let record = record(message);
        if !concerns_its_request(error) {
            return give_up(record, error.clone(), &countdown);
        }
        if let Err(unsent) = self.again.send(Again { record, countdown }) {
            let Again { record, countdown } = unsent.0;
            countdown.settle(&record.topic, Err(Error::Stopped));
        }
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
