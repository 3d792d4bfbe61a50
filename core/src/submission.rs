//! What a client asks for.

use std::sync::Arc;

use sagas::id::TENANT_DEFAULT;
use sagas::json::Canonical;
use sagas::{Definition, Json, SagaId};

use crate::digest::Digest;

/// A saga that a client wants started. Its input has been checked against the definition.
#[derive(Debug, Clone)]
pub struct Submission {
    /// What to run.
    pub definition: Arc<Definition>,
    /// What to run it with.
    pub input: Json,
    /// `None`: a saga of its own each time.
    pub key: Option<Key>,
}

/// What an idempotency key stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// The saga that it names, whatever is submitted under it.
    pub id: SagaId,
    /// Tells a repeated submission from another one.
    pub digest: Digest,
}

impl Key {
    /// The key `text` of a submission.
    #[must_use]
    pub fn new(text: &str, definition: &str, input: &Canonical) -> Self {
        Self {
            id: SagaId::from_key(TENANT_DEFAULT, text),
            digest: Digest::of(definition, input),
        }
    }
}

impl Submission {
    /// The saga's id: derived from the key, so that a repeated key names the same saga. `None` without
    /// a key: whoever can roll a die gives it one.
    #[must_use]
    pub fn id(&self) -> Option<SagaId> {
        self.key.map(|key| key.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str, input: &str) -> Key {
        let input = Json::parse(input.to_owned()).unwrap();
        Key::new(text, "ask-twice", &input.canonical())
    }

    #[test]
    fn a_key_names_one_saga_whatever_is_submitted_under_it() {
        let (one, two, other) = (key("k", "[1]"), key("k", "[ 1.0 ]"), key("k", "[2]"));
        assert_eq!(one, two);
        assert_eq!(one.id, other.id);
        assert_ne!(one.digest, other.digest);
        assert_ne!(one.id, key("l", "[1]").id);
    }
}
