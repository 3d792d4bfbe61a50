//! What a client asks for, and what makes two submissions the same.

use std::sync::Arc;

use sagas::id::TENANT_DEFAULT;
use sagas::sabotage::{Bug, is_seeded};
use sagas::{Definition, Json, SagaId};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// A saga that a client wants started. Its input has been checked against the definition.
#[derive(Debug, Clone)]
pub struct Submission {
    /// What to run.
    pub definition: Arc<Definition>,
    /// What to run it with.
    pub input: Json,
    /// The client's idempotency key.
    pub key: Option<String>,
}

impl Submission {
    /// The saga's id: derived from the key, so that a repeated key names the same saga; random and
    /// ordered by time without one.
    #[must_use]
    pub fn id(&self) -> SagaId {
        match &self.key {
            Some(key) => SagaId::from_key(TENANT_DEFAULT, key),
            None => SagaId(Uuid::now_v7()),
        }
    }

    /// What tells a repeated submission from another one under the same key; `None` without a key.
    ///
    /// Inputs are compared as JSON values: spaces and the order of fields do not count.
    #[must_use]
    pub fn digest(&self) -> Option<[u8; 32]> {
        self.key.as_ref()?;
        if is_seeded(Bug::TakesAnySubmissionForTheFirst) {
            return Some([0; 32]);
        }
        let value: serde_json::Value = self.input.read().unwrap_or_default();
        let mut digest = Sha256::new();
        digest.update(self.definition.name());
        digest.update([0]);
        // A `Value` keeps its fields sorted, so its text is canonical.
        digest.update(value.to_string());
        Some(digest.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Ask {}

    impl sagas::Command for Ask {
        const PARTICIPANT: &'static str = "oracle";
        const NAME: &'static str = "ask";
        const REFUSABLE: bool = true;
        type Reply = ();
    }

    fn submission(input: &str, key: Option<&str>) -> Submission {
        let mut saga = Definition::of::<serde_json::Value>("ask-twice");
        saga.step("ask").send(|_, ()| Ask {}).pivot();
        Submission {
            definition: Arc::new(saga.build().unwrap()),
            input: Json::parse(input.to_owned()).unwrap(),
            key: key.map(str::to_owned),
        }
    }

    #[test]
    fn spaces_and_field_order_do_not_make_another_submission() {
        let one = submission(r#"{"a": 1, "b": [2, 3]}"#, Some("k"));
        let two = submission(r#"{"b":[2,3],"a":1}"#, Some("k"));
        let other = submission(r#"{"b":[3,2],"a":1}"#, Some("k"));
        assert_eq!(one.digest(), two.digest());
        assert_ne!(one.digest(), other.digest());
        assert_eq!(one.id(), other.id());
    }

    #[test]
    fn without_a_key_every_submission_is_new() {
        let one = submission("{}", None);
        assert_ne!(one.id(), one.id());
        assert_eq!(one.digest(), None);
    }
}
