//! Options of librdkafka that it refuses.

use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaConfRes;

/// The refusal of an option with its name, and without its value, which may be a secret.
#[must_use]
pub fn without_value(error: KafkaError) -> KafkaError {
    match error {
        KafkaError::ClientConfig(result, _, name, _) => {
            let what = match result {
                RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN => "there is no option",
                _ => "librdkafka does not take this value of the option",
            };
            let hidden = "(its value is not shown)".to_owned();
            KafkaError::ClientConfig(result, what.to_owned(), name, hidden)
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::ClientConfig;
    use rdkafka::consumer::BaseConsumer;

    use super::*;

    #[test]
    fn a_refused_option_is_named_and_its_value_is_hidden() {
        for name in ["no.such.option", "socket.timeout.ms"] {
            let mut config = ClientConfig::new();
            let made: Result<BaseConsumer, _> = config.set(name, "hunter2").create();
            let text = without_value(made.err().unwrap()).to_string();
            assert!(text.contains(name) && !text.contains("hunter2"), "{text}");
        }
    }
}
