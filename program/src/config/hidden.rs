//! What the command line says of arguments that it refuses, without values that may be secrets.
//!
//! Invariant: of a secret option no value is printed, and of an argument that no command knows only
//! what looks like the name of an option.

use clap::error::{ContextKind, ContextValue};
use clap::{Command, Error};

/// In place of a value.
const HIDDEN: &str = "***";

/// The same error without values of secret options, which are those whose variables `--help` hides,
/// and without unknown arguments.
#[must_use]
pub fn without_secrets(mut error: Error, command: &Command) -> Error {
    if let Some(argument) = text_of(&error, ContextKind::InvalidArg) {
        match error.kind() {
            clap::error::ErrorKind::UnknownArgument => {
                hide(&mut error, ContextKind::InvalidArg, option_alone(&argument));
            }
            clap::error::ErrorKind::TooManyValues => {
                hide(&mut error, ContextKind::InvalidValue, HIDDEN.to_owned());
            }
            _ if is_secret(command, &argument) => {
                hide(&mut error, ContextKind::InvalidValue, HIDDEN.to_owned());
            }
            _ => {}
        }
    }
    if let Some(word) = text_of(&error, ContextKind::InvalidSubcommand) {
        let is_word = word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
        if !is_word {
            hide(
                &mut error,
                ContextKind::InvalidSubcommand,
                HIDDEN.to_owned(),
            );
        }
    }
    error
}

fn text_of(error: &Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        _ => None,
    }
}

/// Puts `text` in the place of what is there; what is not there stays so.
fn hide(error: &mut Error, kind: ContextKind, text: String) {
    if error.get(kind).is_some() {
        error.insert(kind, ContextValue::String(text));
    }
}

/// `--name` of `--name:value`; nothing of what does not begin like an option.
fn option_alone(argument: &str) -> String {
    let is_name = |c: char| c.is_ascii_lowercase() || c == '-' || c == '_';
    let end = argument.find(|c| !is_name(c)).unwrap_or(argument.len());
    match argument.split_at(end) {
        (name, rest) if name.starts_with('-') && rest.is_empty() => name.to_owned(),
        (name, _) if name.starts_with('-') => format!("{name}{HIDDEN}"),
        _ => HIDDEN.to_owned(),
    }
}

/// Whether `--name <VALUE>` is a secret of any command.
fn is_secret(command: &Command, shown: &str) -> bool {
    let name = shown.trim_start_matches('-');
    let name = name.split([' ', '=']).next().unwrap_or_default();
    let mut own = command.get_arguments();
    own.any(|argument| argument.get_long() == Some(name) && argument.is_hide_env_values_set())
        || command
            .get_subcommands()
            .any(|inner| is_secret(inner, shown))
}

#[cfg(test)]
mod tests {
    use clap::{Arg, ArgAction};

    use super::*;

    fn said(words: &[&str]) -> String {
        let digits = |text: &str| text.parse::<u32>().map(drop).map_err(|_| "no number");
        let secret = Arg::new("key").long("key").env("KEY").hide_env_values(true);
        let number = Arg::new("number").long("number").value_parser(digits);
        let flag = Arg::new("dry").long("dry").action(ArgAction::SetTrue);
        let secret = secret.value_parser(digits);
        let serve = Command::new("serve").args([secret, number, flag]);
        let command = Command::new("saga").subcommand(serve);
        let error = command.clone().try_get_matches_from(words).unwrap_err();
        without_secrets(error, &command).to_string()
    }

    #[test]
    fn values_of_secrets_and_unknown_arguments_are_hidden() {
        for words in [
            &["saga", "serve", "--key", "hunter2"][..],
            &["saga", "serve", "--kye=hunter2"],
            &["saga", "serve", "--kye:hunter2"],
            &["saga", "serve", "hunter2"],
            &["saga", "serve", "--dry=hunter2"],
            &["saga", "hunter2"],
        ] {
            let said = said(words);
            assert!(!said.contains("hunter2"), "{said}");
            assert!(said.contains("***") || said.contains("'--kye'"), "{said}");
        }
    }

    #[test]
    fn what_is_no_secret_is_named() {
        let number = said(&["saga", "serve", "--number", "seven"]);
        assert!(
            number.contains("'seven' for '--number <number>'"),
            "{number}"
        );
        let option = said(&["saga", "serve", "--nubmer", "7"]);
        assert!(
            option.contains("'--nubmer'") && option.contains("'--number'"),
            "{option}"
        );
        let word = said(&["saga", "serv"]);
        assert!(
            word.contains("'serv'") && word.contains("'serve'"),
            "{word}"
        );
    }
}
