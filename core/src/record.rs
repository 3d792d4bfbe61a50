//! Records of the broker's topics as plain data, and the reasons for which the broker refuses one.

use std::fmt;
use std::sync::Arc;

use sagas::SagaId;
use sagas::wire::Headers;

/// A record to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingRecord {
    /// Where to.
    pub topic: Arc<str>,
    /// The saga; its id as text is the key.
    pub key: SagaId,
    /// The value: a message as JSON.
    pub value: Vec<u8>,
}

/// A record of the reply topic, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyRecord {
    /// The id of the Kafka cluster; empty while it is unknown.
    pub cluster: Arc<str>,
    /// Its topic.
    pub topic: Arc<str>,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its headers, in order; a header without a value has an empty one.
    pub headers: Headers,
    /// Its value.
    pub value: Option<Vec<u8>>,
}

/// A record that is refused for what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The record.
    pub record: OutgoingRecord,
    /// The reason.
    pub why: Refusal,
}

/// Why a record is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It has more bytes than this client, or its topic, takes.
    TooLarge {
        /// Bytes that are taken, the whole request included; `None` where the broker does not say.
        limit: Option<u64>,
    },
    /// The broker finds another fault with it.
    Invalid(Invalid),
}

/// Kafka's names for the faults of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invalid {
    /// The topic does not take records of this form.
    InvalidRecord,
    /// Its timestamp is out of the topic's range.
    InvalidTimestamp,
    /// It breaks a rule of the broker's operator.
    PolicyViolation,
}

impl Refusal {
    /// Kafka's name of it.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "MessageSizeTooLarge",
            Self::Invalid(Invalid::InvalidRecord) => "InvalidRecord",
            Self::Invalid(Invalid::InvalidTimestamp) => "InvalidTimestamp",
            Self::Invalid(Invalid::PolicyViolation) => "PolicyViolation",
        }
    }

    /// The same in words, as the broker's documentation has them.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "message size too large",
            Self::Invalid(Invalid::InvalidRecord) => "invalid record",
            Self::Invalid(Invalid::InvalidTimestamp) => "invalid timestamp",
            Self::Invalid(Invalid::PolicyViolation) => "policy violation",
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let OutgoingRecord { topic, value, .. } = &self.record;
        let (bytes, code) = (value.len(), self.why.code());
        match self.why {
            Refusal::TooLarge { limit: Some(limit) } => write!(
                f,
                "the record has {bytes} bytes, the topic {topic} takes {limit} ({code})"
            ),
            Refusal::TooLarge { limit: None } => write!(
                f,
                "the record has {bytes} bytes, more than the topic {topic} takes ({code})"
            ),
            Refusal::Invalid(_) => write!(
                f,
                "the topic {topic} does not take the record of {bytes} bytes ({code})"
            ),
        }
    }
}
