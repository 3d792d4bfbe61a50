//! Names of definitions, steps, participants and commands: one rule for all.

/// Refuses what does not fit into a Kafka topic and a URL without quoting.
///
/// # Errors
///
/// Says which part of the rule `name` breaks.
pub fn check(name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.len() > LENGTH_MAX {
        return Err(NameError::TooLong { length: name.len() });
    }
    if name.starts_with('-') {
        return Err(NameError::StartsWithHyphen);
    }
    match name
        .chars()
        .find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-'))
    {
        Some(character) => Err(NameError::Character { character }),
        None => Ok(()),
    }
}

/// Three names and two dots stay well below Kafka's 249 characters for a topic.
pub const LENGTH_MAX: usize = 64;

/// Why a name is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// No characters.
    #[error("a name has at least one character")]
    Empty,
    /// More than [`LENGTH_MAX`] bytes.
    #[error("a name has at most {LENGTH_MAX} characters, this one has {length}")]
    TooLong {
        /// Bytes of the name.
        length: usize,
    },
    /// Reads like a flag.
    #[error("a name starts with a letter or a digit")]
    StartsWithHyphen,
    /// Outside `a-z`, `0-9`, `-`.
    #[error("a name has lowercase letters, digits and hyphens only, not {character:?}")]
    Character {
        /// The first character outside the rule.
        character: char,
    },
}
