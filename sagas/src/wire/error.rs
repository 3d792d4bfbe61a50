//! Why a record is not a message of this format.

use crate::name::NameError;

/// Why a record is not a message of this format. The text is the reason that a dead letter keeps.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A header that every such message has is not there.
    #[error("header {0} is missing")]
    Missing(&'static str),
    /// A header is there more than once.
    #[error("header {0} is there more than once")]
    Repeated(&'static str),
    /// A header's bytes are not UTF-8.
    #[error("header {0} is not UTF-8")]
    NotText(&'static str),
    /// A header does not have the form of its kind.
    #[error("header {header} is {value:?}, not {expected}")]
    Malformed {
        /// The header.
        header: &'static str,
        /// The first characters of what it holds.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
    /// A header should be a name and is not.
    #[error("header {header} holds no name")]
    Name {
        /// The header.
        header: &'static str,
        /// What is wrong with the name.
        #[source]
        source: NameError,
    },
    /// The message is of another version of this format.
    #[error("wire version {0} is not known")]
    Version(String),
    /// An id does not follow from saga, step, direction and generation.
    #[error("{0} is not the id of this saga's step")]
    ForeignId(&'static str),
    /// The record's key is not the saga id.
    #[error("the record's key is not the saga id in ce_subject")]
    Key,
    /// The record has no payload; JSON has at least one byte.
    #[error("the record has no payload")]
    NoPayload,
}

impl Error {
    /// `header` holds `value`, which is not `expected`.
    pub(super) fn malformed(header: &'static str, value: &str, expected: &'static str) -> Self {
        /// Enough to recognise the value; a reason is not the place for a megabyte.
        const SHOWN_CHARS: usize = 80;
        Self::Malformed {
            header,
            value: value.chars().take(SHOWN_CHARS).collect(),
            expected,
        }
    }
}
