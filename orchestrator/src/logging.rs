//! Log lines: human on a terminal, one JSON object per line elsewhere; always on standard error.
//!
//! The rule that the rest of the crate keeps: an event that concerns one saga carries its id in the
//! field `saga`, its own or its span's, and secrets are never fields.

use std::io::IsTerminal;

use tracing_subscriber::filter::ParseError;
use tracing_subscriber::{EnvFilter, fmt};

use crate::config::LogFormat;

/// The level or filter text is not one.
#[derive(Debug, thiserror::Error)]
#[error(
    "--log-level {text:?} is not a level or a filter such as info,orchestrator=debug: {source}"
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
    use super::*;

    #[test]
    fn a_filter_that_is_none_is_refused_with_an_example() {
        let error = start(LogFormat::Json, "orchestrator=loud").unwrap_err();
        let text = error.to_string();
        assert!(text.contains("orchestrator=loud") && text.contains("info,orchestrator=debug"));
    }
}
