//! Why a record is not a message of this format.

use super::Attribute;
use crate::name::NameError;

/// Why a record is not a message of this format. The text is the reason that a dead letter keeps.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The record has no value.
    #[error("the record has no value")]
    NoValue,
    /// The value is not one JSON object.
    #[error("the value is not a JSON object: {0}")]
    NotJson(String),
    /// The version of the format is not there, as in a record whose attributes are headers.
    #[error("attribute wire is missing; CloudEvents' binary mode, of wire version 1, is not read")]
    NoVersion,
    /// The message is of another version of this format.
    #[error("attribute wire is {0:?}, a version that is not known")]
    Version(String),
    /// An attribute that every such message has is not there.
    #[error("attribute {0} is missing")]
    Missing(Attribute),
    /// An attribute is there more than once.
    #[error("attribute {0} is there more than once")]
    Repeated(Attribute),
    /// An attribute does not have the form of its kind.
    #[error("attribute {attribute} is {value}, not {expected}")]
    Malformed {
        /// The attribute.
        attribute: Attribute,
        /// The first characters of what it holds, as JSON.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
    /// There are two payloads.
    #[error("attributes data and data_base64 are both there")]
    TwoPayloads,
    /// An attribute should be a name, or have one in it, and does not.
    #[error("attribute {attribute} holds no name")]
    Name {
        /// The attribute.
        attribute: Attribute,
        /// What is wrong with the name.
        #[source]
        source: NameError,
    },
    /// An id does not follow from saga, step, direction and generation.
    #[error("attribute {0} is not the id of this saga's step")]
    ForeignId(Attribute),
    /// The record's key is not the saga id.
    #[error("the record's key is not the saga id in subject")]
    Key,
}

impl Error {
    pub(super) fn not_json(error: &serde_json::Error) -> Self {
        /// Where it is wrong, and how; the text may quote the value.
        const SHOWN_CHARS: usize = 160;
        Self::NotJson(error.to_string().chars().take(SHOWN_CHARS).collect())
    }
}
