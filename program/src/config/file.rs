//! The TOML file of settings, as texts by key.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Arg;
use clap::builder::Resettable;

use super::settings;
use crate::near::near;

/// What is wrong with the file. No value of a secret, and no line of the file, is in it.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not TOML.
    #[error("{}, line {line}: {message}", path.display())]
    NotToml {
        /// The file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What the parser said.
        message: String,
    },
    /// Keys that no command knows, or values that do not fit.
    #[error("{}: {}", path.display(), problems.join("; "))]
    Settings {
        /// The file.
        path: PathBuf,
        /// All of them.
        problems: Vec<String>,
    },
}

/// Reads the file: texts by key, as a flag would give them, each one checked.
pub(super) fn read(path: &Path) -> Result<BTreeMap<String, String>, FileError> {
    let text = std::fs::read_to_string(path).map_err(|source| FileError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    parse(path, &text)
}

pub(super) fn parse(path: &Path, text: &str) -> Result<BTreeMap<String, String>, FileError> {
    let table: toml::Table = toml::from_str(text).map_err(|error| FileError::NotToml {
        path: path.to_owned(),
        // The parser's own display quotes the line, and the line may hold a password.
        line: line_of(text, error.span().map_or(0, |span| span.start)),
        message: error.message().to_owned(),
    })?;
    let known = settings::every_argument();
    let mut texts = BTreeMap::new();
    let mut problems = Vec::new();
    for (key, value) in flat(table) {
        match setting(&known, &key, value) {
            Ok(text) => drop(texts.insert(key, text)),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() {
        return Ok(texts);
    }
    let path = path.to_owned();
    Err(FileError::Settings { path, problems })
}

/// The keys of the table `[retention]` beside all others: `finished` is `retention_finished`.
fn flat(table: toml::Table) -> Vec<(String, toml::Value)> {
    let mut all = Vec::new();
    for (key, value) in table {
        match value {
            toml::Value::Table(inner) if key == "retention" => {
                let inner = inner.into_iter();
                all.extend(inner.map(|(name, value)| (format!("{key}_{name}"), value)));
            }
            value => all.push((key, value)),
        }
    }
    all
}

fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().iter().take(offset);
    before.filter(|byte| **byte == b'\n').count() + 1
}

fn setting(known: &[Arg], key: &str, value: toml::Value) -> Result<String, String> {
    let argument = known.iter().find(|argument| argument.get_id() == key);
    // A file that names a file of settings would be a second file that nobody reads.
    let Some(argument) = argument.filter(|_| key != "config") else {
        return Err(unknown(known, key));
    };
    let text = text_of(key, value)?;
    check(argument, &text).map(|()| text)
}

fn text_of(key: &str, value: toml::Value) -> Result<String, String> {
    match value {
        toml::Value::String(text) => Ok(text),
        toml::Value::Integer(number) => Ok(number.to_string()),
        toml::Value::Boolean(flag) => Ok(flag.to_string()),
        toml::Value::Table(options) if is_table(key) => {
            let lines = options.into_iter().map(|(name, value)| {
                let value = text_of(&name, value)?;
                if value.contains('\n') {
                    return Err(format!("{key}.{name} has more than one line"));
                }
                Ok(format!("{name}={value}\n"))
            });
            // Always ends in a line end, so that a value may hold a semicolon.
            lines.collect()
        }
        toml::Value::Float(_)
        | toml::Value::Datetime(_)
        | toml::Value::Array(_)
        | toml::Value::Table(_) => Err(format!("{key} is a text, a whole number or true/false")),
    }
}

/// Settings that are tables in the file, and lists of name=value elsewhere.
fn is_table(key: &str) -> bool {
    matches!(key, "kafka_options" | "retention_definitions")
}

/// Says what a flag would say of the value, without the value: it may be a secret.
fn check(argument: &Arg, text: &str) -> Result<(), String> {
    let key = argument.get_id().as_str();
    let takes_value = argument.get_action().takes_values();
    let alone = argument.clone().env(Resettable::Reset).global(false);
    let command = clap::Command::new("file").no_binary_name(true).arg(alone);
    if !takes_value {
        return match text {
            "true" | "false" => Ok(()),
            _ => Err(format!("{key} is true or false")),
        };
    }
    let flag = format!("--{}={text}", key.replace('_', "-"));
    let Err(error) = command.try_get_matches_from([flag]) else {
        return Ok(());
    };
    Err(match std::error::Error::source(&error) {
        Some(source) => format!("{key}: {source}"),
        None => {
            let values = argument.get_possible_values();
            let names: Vec<_> = values.iter().map(|value| value.get_name()).collect();
            format!("{key} is one of {}", names.join(", "))
        }
    })
}

fn unknown(known: &[Arg], key: &str) -> String {
    // A quoted key may be anything, such as a line that was meant to be a value.
    let is_word = key
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
    let key = if is_word { key } else { "***" };
    let names = known.iter().map(|argument| argument.get_id().as_str());
    let names = names.filter(|name| *name != "config");
    match near(names, key) {
        Some(near) => format!("unknown key `{key}`; did you mean {near}?"),
        None => format!("unknown key `{key}`; keys are the flags of `--help` with underscores"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        parse(Path::new("saga.toml"), text).unwrap_err().to_string()
    }

    #[test]
    fn unknown_keys_are_all_named_with_near_matches() {
        let text = "shard = 3\nbananas = 1\nlisten = \"127.0.0.1:1\"";
        assert_eq!(
            problem(text),
            "saga.toml: unknown key `bananas`; keys are the flags of `--help` with underscores; \
             unknown key `shard`; did you mean `shards`?"
        );
    }

    #[test]
    fn a_value_that_does_not_fit_is_named_with_its_key() {
        assert_eq!(
            problem("shards = 0"),
            "saga.toml: shards: 0 is not in 1..=4096"
        );
        assert!(problem("drain_limit = 25").contains("drain_limit: a duration is"));
        assert!(problem("log_format = \"xml\"").contains("log_format is one of auto, human, json"));
        assert!(problem("no_migrate = \"perhaps\"").contains("no_migrate is true or false"));
        assert!(problem("lanes = [1]").contains("lanes is a text, a whole number"));
        assert!(problem("config = \"other.toml\"").contains("unknown key `config`"));
    }

    #[test]
    fn a_broken_line_is_named_and_not_quoted() {
        let text = "shards = 3\ndatabase_url = \"postgres://saga:hunter2@db\nlanes = 1";
        let problem = problem(text);
        assert!(problem.starts_with("saga.toml, line 2: "), "{problem}");
        assert!(!problem.contains("hunter2"), "{problem}");
    }

    #[test]
    fn retention_may_be_a_table_with_one_for_single_definitions() {
        let text = "shards = 8\n[retention]\nfinished = \"10d\"\n[retention.definitions]\n\
                    place-order = \"7d\"\nbook-trip = \"90d\"";
        let texts = parse(Path::new("saga.toml"), text).unwrap();
        assert_eq!(texts["retention_finished"], "10d");
        let kept: super::super::KeptByDefinition = texts["retention_definitions"].parse().unwrap();
        assert_eq!(kept.0.len(), 2);
        assert!(problem("[retention]\nfinishd = \"1d\"").contains("did you mean"));
        let wrong = problem("[retention.definitions]\nplace-order = 7");
        assert!(wrong.contains("place-order: a duration is"), "{wrong}");
    }

    #[test]
    fn a_table_of_kafka_options_keeps_semicolons() {
        let text = "[kafka_options]\n\"sasl.password\" = \"a;b=c\"";
        let texts = parse(Path::new("saga.toml"), text).unwrap();
        let options: super::super::KafkaOptions = texts["kafka_options"].parse().unwrap();
        assert_eq!(options.expose()["sasl.password"], "a;b=c");
    }
}
