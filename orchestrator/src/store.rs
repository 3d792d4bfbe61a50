//! Postgres: the only place where a saga's state is kept.

pub mod batch;
pub mod loaded;

/// TEMP
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// a
    #[error("a")]
    Retry(String),
    /// a
    #[error("a")]
    Data(String),
    /// a
    #[error("a")]
    Ambiguous(String),
    /// a
    #[error("a")]
    Unavailable(String),
}
