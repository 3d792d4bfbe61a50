//! The program: `serve`, `dev`, `migrate`, `retention`, `topics`, `definitions`, `conformance`.
//!
//! A user's whole `main` is a call of [`main`] with the definitions. This module reads arguments
//! and turns results into exit codes and texts that say what to do; it holds no rule of a saga.

mod arguments;
mod conformance;
mod definitions;
mod dev;
mod failure;
mod migrate;
mod patience;
mod pins;
mod places;
mod retention;
#[cfg(test)]
mod sample;
mod serve;
mod signals;
mod startup;
mod table;
mod topics;

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, FromArgMatches};

use crate::config::Layers;
use crate::{Registry, logging};
use arguments::{Cli, DefinitionsVerb, Verb};
use failure::Failure;

/// How long the runtime may take to let go of blocking work at the end of the process.
const RUNTIME_END: Duration = Duration::from_millis(500);

/// Runs the program with the process's arguments; the whole `main` of a binary with definitions.
///
/// ```no_run
/// use std::process::ExitCode;
///
/// fn main() -> ExitCode {
///     sagas_program::main(sagas_program::Registry::new())
/// }
/// ```
#[must_use]
pub fn main(registry: Registry) -> ExitCode {
    if sagas::sabotage::IS_POSSIBLE {
        let why = "this program was built with seeded bugs, to test the tests; it serves nobody";
        return Failure::Failed(why.to_owned()).report();
    }
    match run(registry, std::env::args_os().collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run(registry: Registry, arguments: Vec<OsString>) -> Result<(), Failure> {
    let layers = Layers::parse(&Cli::command(), arguments)?;
    let cli = Cli::from_arg_matches(&layers.matches).map_err(crate::config::Error::from)?;
    logging::start(cli.common.log_format, &cli.common.log_level)
        .map_err(|error| Failure::Usage(error.to_string()))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Failed(format!("cannot start threads: {error}")))?;
    let result = runtime.block_on(command(registry, cli.verb, &layers));
    // A client library that hangs must not keep the process alive.
    runtime.shutdown_timeout(RUNTIME_END);
    result
}

async fn command(registry: Registry, verb: Verb, layers: &Layers) -> Result<(), Failure> {
    match verb {
        Verb::Serve(mut arguments) => {
            layers.resolve_postgres(&mut arguments.postgres)?;
            layers.resolve_kafka(&mut arguments.kafka)?;
            Box::pin(serve::run(registry, *arguments)).await
        }
        Verb::Dev(arguments) => Box::pin(dev::run(registry, *arguments)).await,
        Verb::Migrate(mut arguments) => {
            layers.resolve_postgres(&mut arguments.postgres)?;
            migrate::run(&arguments.postgres).await
        }
        Verb::Retention(mut arguments) => {
            layers.resolve_postgres(&mut arguments.postgres)?;
            retention::run(&registry, &arguments).await
        }
        Verb::Topics(mut arguments) => {
            layers.resolve_kafka(&mut arguments.kafka)?;
            topics::run(&registry, &arguments).await
        }
        Verb::Definitions(mut arguments) => {
            if let Some(DefinitionsVerb::Check { postgres }) = &mut arguments.verb {
                layers.resolve_postgres(postgres)?;
            }
            definitions::run(&registry, &arguments, &mut std::io::stdout()).await
        }
        Verb::Conformance(mut arguments) => {
            layers.resolve_kafka(&mut arguments.kafka)?;
            conformance::run(&arguments).await
        }
    }
}

/// Prints a line for people or scripts; a closed pipe is no error worth a word.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
