//! The command line of `shop`.
//!
//! It reads arguments and prints results. Exit codes are the same everywhere: 0 all is well, 1
//! something is wrong or failed, 2 wrong usage, or sagas that have not ended.

mod arguments;
mod audit;
mod database;
mod health;
mod service;
mod submit;

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{CommandFactory as _, Parser as _};
use sagas_program::config::without_secrets;
use tracing_subscriber::EnvFilter;

use crate::demo;
use arguments::{Cli, Verb};

pub use arguments::{AuditArguments, DemoArguments, OrdersArguments};

/// Runs the program with the arguments of the process.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => without_secrets(error, &Cli::command()).exit(),
    };
    match run(cli.verb) {
        Ok(code) => code,
        Err(error) => {
            // The chain: what was attempted, and why it did not work.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(verb: Verb) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("start threads")?;
    runtime.block_on(async {
        match verb {
            Verb::Service(arguments) => {
                start_logging(&arguments.log_level)?;
                service::run(arguments).await
            }
            Verb::Health(arguments) => health::ask(&arguments).await,
            Verb::Seed(arguments) => service::seed(&arguments).await,
            Verb::Submit(arguments) => submit::run(&arguments).await,
            Verb::Audit(arguments) => audit::run(&arguments).await,
            Verb::Demo(arguments) => Box::pin(demo::run(arguments)).await,
        }
    })
}

/// Lines for people on a terminal, JSON elsewhere.
fn start_logging(filter: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(filter).context("read --log-level")?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter);
    let lines = lines.with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        lines.init();
    } else {
        lines.json().init();
    }
    Ok(())
}

/// Prints a line; a closed pipe is no error worth a word.
pub(crate) fn say(line: impl std::fmt::Display) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
