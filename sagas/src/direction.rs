//! The two small words that both the state machine and the wire speak: which way a command goes,
//! and how it came out.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Which way a command goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Execute the step.
    Forward,
    /// Undo the step in business terms.
    Compensate,
    /// Make the step final without a handler: it took effect, or it never can.
    Fence,
}

/// How a command came out at its participant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It took effect, once. Final.
    Succeeded,
    /// The participant refuses for a business reason; nothing happened. Final.
    Rejected,
    /// It did not work this time. Says nothing about effects; not final.
    Failed,
    /// The step was undone, or fenced, before this command came; it can never take effect. Final.
    AlreadyCompensated,
    /// The step has not taken effect and never will. Answers a fence. Final.
    Fenced,
    /// The participant no longer knows: the saga is older than the inbox rows it keeps. Final; a
    /// person decides.
    Expired,
}

macro_rules! one_word_each {
    ($type:ident { $($variant:ident = $word:literal),+ }) => {
        impl $type {
            /// Every value, in the order of the wire document.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// Reads the word of the wire; `None` where it is not one of ours.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
one_word_each!(Direction { Forward = "forward", Compensate = "compensate", Fence = "fence" });
one_word_each!(Outcome {
    Succeeded = "succeeded",
    Rejected = "rejected",
    Failed = "failed",
    AlreadyCompensated = "already-compensated",
    Fenced = "fenced",
    Expired = "expired"
});
