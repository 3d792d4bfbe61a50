//! What librdkafka calls back: delivery reports, and its log, which becomes ours.

use std::sync::Arc;

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::ProducerContext;
use rdkafka::topic_partition_list::TopicPartitionList;

use super::Error;
use super::producer::Countdown;

#[derive(Debug, Clone, Copy)]
pub(super) struct Context;

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
            // The log has them already.
            Some(RDKafkaErrorCode::AllBrokersDown | RDKafkaErrorCode::BrokerTransportFailure) => {
                tracing::debug!(%error, reason, "Kafka");
            }
            _ => tracing::warn!(%error, reason, "Kafka"),
        }
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = Arc<Countdown>;

    fn delivery(&self, result: &DeliveryResult<'_>, countdown: Self::DeliveryOpaque) {
        countdown.settle(match result {
            Ok(_) => Ok(()),
            Err((error, _)) => Err(Error::NotAccepted(error.clone())),
        });
    }
}

impl ConsumerContext for Context {
    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        if let Err(error) = result {
            // Offsets only save work: what is read again has no effect.
            tracing::debug!(%error, "offsets were not stored");
        }
    }
}
