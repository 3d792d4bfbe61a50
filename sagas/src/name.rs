//! The one rule for every name that can end up in a Kafka topic, a message type or a path.
//!
//! Definitions, steps, participants, commands and topic prefixes all follow it, so that none of
//! them ever needs escaping: no dot (it separates the parts of a topic and of a message type), no
//! slash (it separates the parts of a command id).

/// The longest name. Three names and their dots then fit in the 249 bytes of a Kafka topic.
pub const LEN_MAX: usize = 64;

/// What is wrong with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// There is no character at all.
    #[error("a name has at least one character")]
    Empty,
    /// It has more than [`LEN_MAX`] bytes.
    #[error("a name has at most {LEN_MAX} characters, not {0}")]
    TooLong(usize),
    /// It starts with a hyphen.
    #[error("a name starts with a lowercase letter or a digit")]
    StartsWithHyphen,
    /// It has a character that is none of `a` to `z`, `0` to `9` and `-`.
    #[error("a name has only lowercase letters a to z, digits and hyphens, not {0:?}")]
    Character(char),
}

/// Checks that `name` has 1 to 64 of `a`–`z`, `0`–`9` and `-`, and does not start with `-`.
///
/// # Errors
///
/// Says the first thing that is wrong with it.
pub fn check(name: &str) -> Result<(), NameError> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if let Some(other) = name.chars().find(|c| !allowed(*c)) {
        return Err(NameError::Character(other));
    }
    if name.len() > LEN_MAX {
        return Err(NameError::TooLong(name.len()));
    }
    if name.starts_with('-') {
        return Err(NameError::StartsWithHyphen);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_fits_a_topic_or_says_why_not() {
        let longest = "a".repeat(LEN_MAX);
        let too_long = "a".repeat(LEN_MAX + 1);
        for good in ["a", "7", "place-order", "a-", longest.as_str()] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("", NameError::Empty),
            ("-a", NameError::StartsWithHyphen),
            ("Order", NameError::Character('O')),
            ("a.b", NameError::Character('.')),
            ("a/b", NameError::Character('/')),
            ("é", NameError::Character('é')),
            (too_long.as_str(), NameError::TooLong(65)),
        ] {
            assert_eq!(check(bad), Err(why), "{bad}");
        }
    }
}
