//! A record as a producer takes it.

use rdkafka::message::{BorrowedMessage, Message as _};

/// A record to publish, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The topic.
    pub topic: String,
    /// The partition; -1 leaves it to the producer.
    pub partition: i32,
    /// The key.
    pub key: String,
    /// The value.
    pub value: Vec<u8>,
}

impl Outgoing {
    /// The record that a delivery report is about.
    #[must_use]
    pub fn of(message: &BorrowedMessage<'_>) -> Self {
        let key = String::from_utf8_lossy(message.key().unwrap_or_default());
        Self {
            topic: message.topic().to_owned(),
            partition: message.partition(),
            key: key.into_owned(),
            value: message.payload().unwrap_or_default().to_vec(),
        }
    }
}
