//! Why a command was refused or did not work, in a participant's words.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// Bytes of a code: it is a word.
const CODE_BYTES_MAX: usize = 256;

/// Bytes of a message: it is a sentence, or the few lines of a cause.
const MESSAGE_BYTES_MAX: usize = 16 << 10;

/// The payload of `rejected` and `failed`: `{"code":"out-of-stock","message":"…"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// A short, stable word that programs branch on.
    pub code: Cow<'static, str>,
    /// A sentence for people.
    #[serde(default)]
    pub message: String,
}

/// The code of an answer that names its command and cannot be used: it may have said anything.
pub const UNREADABLE_REPLY: &str = "unreadable-reply";

impl Fault {
    /// A fault with this code and message.
    pub fn new(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
        }
    }

    /// The same, with a text of bounded length: history keeps it for long, and it has to fit into a
    /// record whatever was put into it.
    #[must_use]
    pub fn bounded(self) -> Self {
        Self {
            code: match cut(&self.code, CODE_BYTES_MAX) {
                Some(code) => Cow::Owned(code),
                None => self.code,
            },
            message: cut(&self.message, MESSAGE_BYTES_MAX).unwrap_or(self.message),
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

/// The beginning of a text that is too long, with a mark; `None` where it is not.
fn cut(text: &str, bytes_max: usize) -> Option<String> {
    (text.len() > bytes_max).then(|| format!("{}…", &text[..text.floor_char_boundary(bytes_max)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters_and_a_short_one_is_left_alone() {
        let short = Fault::new("out-of-stock", "0 of grüner-tee on hand");
        assert_eq!(short.clone().bounded(), short);
        let long = Fault::new("ü".repeat(200), "ü".repeat(1_000_000)).bounded();
        assert_eq!(long.code, "ü".repeat(128) + "…");
        assert_eq!(long.message, "ü".repeat(8 << 10) + "…");
    }
}
