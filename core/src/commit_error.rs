//! The ways in which a commit fails, by what a lane does about each.

use std::error::Error;
use std::fmt;

use crate::Cause;

/// Why a commit did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommitError {
    /// Nothing is committed; the same batch may succeed if tried again now.
    Retry(Cause),
    /// Nothing is committed, and this batch never will be: the data of one of its members cannot be
    /// stored. The caller bisects.
    Data(Cause),
    /// The connection was lost, and with it the answer: everything is committed, or nothing.
    Ambiguous(Cause),
    /// Nothing is committed; the database is away or in trouble.
    Unavailable(Cause),
}

impl CommitError {
    const fn attempt(&self) -> &'static str {
        match self {
            Self::Retry(_) => "the commit collided with another one",
            Self::Data(_) => "the batch holds data that cannot be stored",
            Self::Ambiguous(_) => "the outcome of the commit is unknown",
            Self::Unavailable(_) => "the commit was not possible",
        }
    }

    /// The whole of it, for a caller or the log.
    #[must_use]
    pub fn into_cause(self) -> Cause {
        let attempt = self.attempt();
        let (Self::Retry(cause)
        | Self::Data(cause)
        | Self::Ambiguous(cause)
        | Self::Unavailable(cause)) = self;
        cause.within(attempt)
    }
}

impl fmt::Display for CommitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Retry(cause)
        | Self::Data(cause)
        | Self::Ambiguous(cause)
        | Self::Unavailable(cause)) = self;
        write!(f, "{}: {cause}", self.attempt())
    }
}

impl Error for CommitError {}
