//! A broken promise, and the script that led to it.

use crate::definition::Definition;

/// What a definition does that it must not do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the definition {definition:?}: {broken}\n  case: {case}\n  script:\n{script}")]
pub struct Failure {
    /// The definition's name.
    pub definition: String,
    /// What was tried: `silence at reserve-stock: its replies are lost`.
    pub case: String,
    /// Which promise is broken, and where.
    pub broken: String,
    /// The events that led there, one a line.
    pub script: String,
}

impl Failure {
    pub(super) fn before_any_event(definition: &Definition, broken: String) -> Self {
        Self {
            definition: definition.name().to_owned(),
            case: "before any event".to_owned(),
            broken,
            script: String::new(),
        }
    }
}
