//! What is stored of a submission under a key, to tell its repetition from another submission.

use sagas::json::Canonical;
use sagas::sabotage::{Bug, is_seeded};
use sha2::{Digest as _, Sha256};

/// How the digests of this binary are made; the first byte of each.
const FORM: u8 = 1;

const LENGTH: usize = 33;

/// A submission's definition and input, digested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; LENGTH]);

impl Digest {
    /// The form's number, then SHA-256 of the definition's name, written as a string of the canonical
    /// form (`s9:book-trip`), and the canonical input.
    #[must_use]
    pub fn of(definition: &str, input: &Canonical) -> Self {
        let mut digest = [FORM; LENGTH];
        if is_seeded(Bug::TakesAnySubmissionForTheFirst) {
            return Self(digest);
        }
        let mut hash = Sha256::new();
        hash.update(format!("s{}:{definition}", definition.len()));
        hash.update(input.bytes());
        digest[1..].copy_from_slice(&hash.finalize());
        Self(digest)
    }

    /// As it is stored.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether `stored` is the digest of the same submission.
    ///
    /// One of another form, of an older or a newer binary, cannot be compared. Then the key alone
    /// decides: its client most likely repeats itself, and told of a conflict, it would order twice.
    #[must_use]
    pub fn is_same_as(&self, stored: &[u8]) -> bool {
        let is_comparable = stored.len() == LENGTH && stored[0] == FORM;
        !is_comparable || stored == self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sagas::Json;

    fn digest(definition: &str, input: &str) -> Digest {
        let input = Json::parse(input.to_owned()).unwrap();
        Digest::of(definition, &input.canonical())
    }

    #[test]
    fn a_stored_digest_means_the_same_in_every_build() {
        // Stored for months, and compared by builds that no test of today sees.
        let digest = digest(
            "book-trip",
            r#"{"guest":1.50,"legs":[{"to":"Oslo"}],"a":null}"#,
        );
        let hex: String = digest
            .bytes()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(
            hex,
            "01952838e926c5621d4328f4658718e4c2e76b1101080551c3a7d87a922c4a4911"
        );
    }

    #[test]
    fn what_a_float_or_a_map_would_lose_makes_another_submission() {
        let same = |one, two| digest("d", one).is_same_as(digest("d", two).bytes());
        assert!(same(
            r#"{"a": 1.0, "b": [2, 3]}"#,
            r#"{"b":[20e-1,3],"a":1}"#
        ));
        assert!(!same(r#"{"a":1,"b":[2,3]}"#, r#"{"a":1,"b":[3,2]}"#));
        assert!(!same("0.1", "0.10000000000000000001"));
        assert!(!same("12345678901234567890123", "12345678901234567890124"));
        assert!(!same(r#"{"a":2}"#, r#"{"a":1,"a":2}"#));
    }

    #[test]
    fn the_definition_is_a_part_of_it() {
        assert_ne!(digest("a", "1"), digest("b", "1"));
        assert_ne!(digest("as0:", "[]"), digest("a", r#"["",[]]"#));
    }

    #[test]
    fn of_a_digest_in_another_form_the_key_decides() {
        let digest = digest("d", "1");
        assert!(digest.is_same_as(&[7; 32]));
        assert!(digest.is_same_as(&[FORM + 1; LENGTH]));
        assert!(!digest.is_same_as(&[FORM; LENGTH]));
    }
}
