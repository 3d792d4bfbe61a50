//! A cause in two forms: the whole chain for the log, and the words that may leave the process.
//!
//! Invariant: a text of Postgres, of the broker or of a library is in the chain alone. The part that
//! knows those libraries makes causes; this crate only carries them.

use std::fmt;

/// Why something did not work. `Display` is what may be told outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    told: String,
    chain: String,
    code: Option<Code>,
}

/// The code of the server that said no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Code {
    /// Postgres', five characters.
    Sqlstate(String),
    /// Kafka's; negative where the client found the fault itself.
    Kafka(i32),
}

impl Cause {
    /// A cause whose words are `told` outside, with the `chain` of errors behind it.
    #[must_use]
    pub fn new(told: String, chain: String, code: Option<Code>) -> Self {
        Self { told, chain, code }
    }

    /// A sentence of ours, which has no cause besides.
    pub fn ours(sentence: impl Into<String>) -> Self {
        let told = sentence.into();
        let chain = told.clone();
        Self::new(told, chain, None)
    }

    /// The same cause, of something that was attempted: `cannot reach Kafka: …`.
    #[must_use]
    pub fn within(self, attempt: &str) -> Self {
        Self {
            told: format!("{attempt}: {}", self.told),
            chain: format!("{attempt}: {}", self.chain),
            code: self.code,
        }
    }

    /// Everything, for the log of this process and for the terminal of the person who started it.
    #[must_use]
    pub fn chain(&self) -> &str {
        &self.chain
    }

    /// The server's code, where a server said no.
    #[must_use]
    pub fn code(&self) -> Option<&Code> {
        self.code.as_ref()
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told)
    }
}
