//! How long sagas of single definitions are kept: `place-order=7d;book-trip=1000d`.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use super::Span;
use super::span::NotASpan;

/// Times by definition; names are those of `Definition::of`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeptByDefinition(pub BTreeMap<String, Duration>);

/// Not a list of definitions with their times.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotKept {
    /// A part without `=`, or without a name.
    #[error("{0:?} is not definition=duration; several are separated by `;`")]
    Part(String),
    /// A time that is none.
    #[error("{name}: {source}")]
    Time {
        /// Whose.
        name: String,
        /// Why not.
        source: NotASpan,
    },
}

/// `name=duration;name=duration`, or one per line.
impl FromStr for KeptByDefinition {
    type Err = NotKept;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut kept = BTreeMap::new();
        for part in text.split([';', '\n']).map(str::trim) {
            if part.is_empty() {
                continue;
            }
            let not_kept = || NotKept::Part(part.to_owned());
            let (name, time) = part.split_once('=').ok_or_else(not_kept)?;
            let name = name.trim().to_owned();
            if name.is_empty() {
                return Err(not_kept());
            }
            match time.trim().parse::<Span>() {
                Ok(span) => drop(kept.insert(name, span.0)),
                Err(source) => return Err(NotKept::Time { name, source }),
            }
        }
        Ok(Self(kept))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn definitions_come_on_one_line_or_on_many() {
        let kept = KeptByDefinition([("a".to_owned(), 7 * DAY), ("b".to_owned(), DAY)].into());
        assert_eq!("a=7d; b = 24h".parse(), Ok(kept.clone()));
        assert_eq!("b=1d\na=7d\n".parse(), Ok(kept));
        assert_eq!("".parse(), Ok(KeptByDefinition::default()));
    }

    #[test]
    fn what_is_no_list_is_named() {
        let said = |text: &str| text.parse::<KeptByDefinition>().unwrap_err().to_string();
        assert!(said("place-order").starts_with("\"place-order\" is not definition=duration"));
        assert!(said("a=7d;=7d").starts_with("\"=7d\" is not"));
        assert!(said("a=7").starts_with("a: a duration is"));
    }
}
