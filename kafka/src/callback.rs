//! What librdkafka says of itself, as log lines.

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use sagas_log::{chain, trouble};

/// Logs a line of librdkafka's own log.
pub fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    use RDKafkaLogLevel::{Alert, Critical, Debug, Emerg, Error, Info, Notice, Warning};
    match level {
        Emerg | Alert | Critical => tracing::error!(facility, "{message}"),
        // A broker that is away: librdkafka goes on by itself.
        Error | Warning => tracing::warn!(facility, "{message}"),
        Notice | Info => tracing::debug!(facility, "{message}"),
        Debug => tracing::trace!(facility, "{message}"),
    }
}

/// Logs an error of a client as a whole, not of one record.
pub fn error(error: &KafkaError, reason: &str) {
    let code = error.rdkafka_error_code();
    let error = chain(error);
    match code {
        Some(RDKafkaErrorCode::AllBrokersDown | RDKafkaErrorCode::BrokerTransportFailure) => {
            trouble!(warn, "Kafka is out of reach", error, reason);
        }
        _ => trouble!(warn, "the Kafka client reports trouble", error, reason),
    }
}
