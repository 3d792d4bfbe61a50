//! A refusal for a business reason.

/// Why a command was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Short and stable, for programs.
    pub code: String,
    /// For people.
    pub message: String,
}

impl Rejection {
    /// A rejection.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
        }
    }
}
