//! librdkafka's own options, passed through: TLS, SASL and whatever else a cluster asks for.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// Options by name. Values may be passwords, so only the names are ever printed.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct KafkaOptions(BTreeMap<String, String>);

/// Not a list of options.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "option {position} is not name=value with a name of librdkafka's; options are separated by `;` or \
     line ends, and a value that holds `;` stands in --kafka-options-file, on a line of its own"
)]
pub struct NotOptions {
    /// Which one, from 1; the text itself may hold a password.
    position: usize,
}

impl KafkaOptions {
    /// The options, with their values.
    #[must_use]
    pub fn expose(&self) -> &BTreeMap<String, String> {
        &self.0
    }
}

impl fmt::Debug for KafkaOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.0.keys().map(|name| (name, "***")))
            .finish()
    }
}

/// `name=value;name=value`, or one per line; in lines, a value may hold `;`, and `#` comments.
impl FromStr for KafkaOptions {
    type Err = NotOptions;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let separator = if text.contains('\n') { '\n' } else { ';' };
        let parts = text.split(separator).map(str::trim).zip(1..);
        let mut options = BTreeMap::new();
        for (part, position) in parts {
            if part.is_empty() || part.starts_with('#') {
                continue;
            }
            let (name, value) = part.split_once('=').ok_or(NotOptions { position })?;
            if !is_name(name.trim()) {
                return Err(NotOptions { position });
            }
            options.insert(name.trim().to_owned(), value.trim().to_owned());
        }
        Ok(Self(options))
    }
}

/// Whether librdkafka may have such an option. What follows a `;` in a password is not to be taken for
/// the name of one that can be printed: nearly all of them have a dot.
fn is_name(text: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty()
            && word
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    let words = text.split('.');
    let without_dot = ["acks", "debug", "partitioner", "retries"];
    words.clone().all(is_word) && (words.count() > 1 || without_dot.contains(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_come_on_one_line_or_on_many() {
        let one: KafkaOptions = "security.protocol=SASL_SSL; sasl.password=a=b"
            .parse()
            .unwrap();
        let many: KafkaOptions = "# secrets\nsecurity.protocol = SASL_SSL\nsasl.password=a=b\n"
            .parse()
            .unwrap();
        assert_eq!(one, many);
        assert_eq!(one.expose()["sasl.password"], "a=b");
    }

    #[test]
    fn neither_debug_nor_errors_show_a_value() {
        let options: KafkaOptions = "sasl.password=hunter2".parse().unwrap();
        assert_eq!(format!("{options:?}"), r#"{"sasl.password": "***"}"#);
        let error = "acks=b;hunter2".parse::<KafkaOptions>().unwrap_err();
        assert!(error.to_string().starts_with("option 2 is not"), "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
        let piece = "sasl.password=a;hunter=2".parse::<KafkaOptions>();
        assert!(piece.is_err(), "a piece of a password is no option");
    }
}
