//! Why a user's closure gave no value: data that does not have the promised shape, or a panic.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::{Deserialize, Serialize};

/// Why a command, or the output of a saga, could not be built. Parks that saga only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Unbuildable {
    /// The stored input does not decode into the definition's input type.
    #[error("the input does not have the shape that the definition expects: {error}")]
    InputUnreadable {
        /// What serde said.
        error: String,
    },
    /// A needed reply is not there: the definition changed under a running saga.
    #[error("the reply of step {step} is not there")]
    ReplyMissing {
        /// Index of the step.
        step: usize,
    },
    /// A needed reply does not decode into the step's reply type.
    #[error("the reply of step {step} does not have the shape of its type: {error}")]
    ReplyUnreadable {
        /// Index of the step.
        step: usize,
        /// What serde said.
        error: String,
    },
    /// The value does not serialize to JSON.
    #[error("the value does not serialize to JSON: {error}")]
    Unserializable {
        /// What serde said.
        error: String,
    },
    /// The closure panicked.
    #[error("the definition's closure panicked: {message}")]
    Panicked {
        /// The panic's message.
        message: String,
    },
}

/// Runs a user's closure; a panic becomes a value, so that it parks one saga and not a lane.
pub(super) fn catch<T>(build: impl FnOnce() -> Result<T, Unbuildable>) -> Result<T, Unbuildable> {
    catch_panic(build).unwrap_or_else(|message| Err(Unbuildable::Panicked { message }))
}

/// Runs a user's code; `Err` is the message of its panic.
pub(super) fn catch_panic<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        panic
            .downcast_ref::<&str>()
            .map(|message| (*message).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "no message".to_owned())
    })
}
