//! Why a command was refused or did not work, in a participant's words.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// The payload of `rejected` and `failed`: `{"code":"out-of-stock","message":"…"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// A short, stable word that programs branch on.
    pub code: Cow<'static, str>,
    /// A sentence for people.
    #[serde(default)]
    pub message: String,
}

impl Fault {
    /// A fault with this code and message.
    pub fn new(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
        }
    }

    /// The payload that carries it.
    ///
    /// # Panics
    ///
    /// Never: two strings always have a JSON form.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("two strings have a JSON form")
    }
}
