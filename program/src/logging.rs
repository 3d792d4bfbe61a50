//! Log lines: human on a terminal, one JSON object per line elsewhere; always on standard error.
//!
//! The rule that the service keeps: an event that concerns one saga carries its id in the
//! field `saga`, its own or its span's, an error is a field with its whole chain
//! ([`sagas_log::chain`]), and secrets are never fields.

use std::io::IsTerminal;

use tracing_subscriber::filter::ParseError;
use tracing_subscriber::{EnvFilter, fmt};

use crate::config::LogFormat;

/// The level or filter text is not one.
#[derive(Debug, thiserror::Error)]
#[error(
    "--log-level {text:?} is not a level or a filter such as info,sagas_orchestrator=debug: {source}"
)]
pub struct Error {
    text: String,
    source: ParseError,
}

/// Starts logging for the whole process; called again, it changes nothing.
///
/// # Errors
///
/// When `level` is not a filter.
pub fn start(format: LogFormat, level: &str) -> Result<(), Error> {
    let filter = EnvFilter::builder().parse(level).map_err(|source| Error {
        text: level.to_owned(),
        source,
    })?;
    let is_terminal = std::io::stderr().is_terminal();
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let is_json = match format {
        LogFormat::Json => true,
        LogFormat::Human => false,
        LogFormat::Auto => !is_terminal,
    };
    // A subscriber that is there already is the caller's own, and stays.
    let _ = if is_json {
        let lines = builder.json().flatten_event(true);
        lines.with_span_list(false).try_init()
    } else {
        let has_colours = is_terminal && std::env::var_os("NO_COLOR").is_none();
        builder.with_ansi(has_colours).try_init()
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// A field that has only the head of an error, or loses its sources in JSON.
    const HEADS: [&str; 5] = [
        "%error",
        "?error",
        "error = %",
        "error as &dyn std::error::Error",
        ": &dyn std::error::Error =",
    ];

    fn heads_of_errors(folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                heads_of_errors(&path, found);
            } else if !path.ends_with(file!().rsplit('/').next().unwrap()) {
                let text = std::fs::read_to_string(&path).unwrap();
                let lines = text.lines().zip(1..);
                let bad = lines.filter(|(line, _)| HEADS.iter().any(|head| line.contains(head)));
                found.extend(bad.map(|(line, at)| format!("{}:{at}: {line}", path.display())));
            }
        }
    }

    #[test]
    fn every_logged_error_has_its_whole_chain() {
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut found = Vec::new();
        for folder in ["orchestrator/src", "program/src", "examples/shop/src"] {
            heads_of_errors(&crates.join(folder), &mut found);
        }
        assert!(found.is_empty(), "{}", found.join("\n"));
    }

    #[test]
    fn a_filter_that_is_none_is_refused_with_an_example() {
        let error = start(LogFormat::Json, "sagas_orchestrator=loud").unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("sagas_orchestrator=loud")
                && text.contains("info,sagas_orchestrator=debug")
        );
    }
}
