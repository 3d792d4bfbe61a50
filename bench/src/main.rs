//! Measures the orchestrator on this machine, with every part real: REST in, Postgres with fsync,
//! Kafka, participants as processes of their own.

mod latencies;
mod load;
mod machine;
mod report;
mod shares;
mod stage;
mod three_steps;
mod throughput;

use std::fmt::Display;
use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Measures the orchestrator on this machine, with every part real.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100)]
#[command(after_help = "\
Build it with --release, and let nothing else run: `cargo xtask bench throughput` does the first.
Exit codes: 0 measured; 1 something failed, or the books are wrong afterwards.")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Orders per second of the shop, accepted to terminal; latency at a rate; memory; idle CPU
    Throughput(throughput::Arguments),
    /// Sagas per second of three steps at participants that do nothing
    Steps3(three_steps::Arguments),
}

#[tokio::main]
async fn main() -> ExitCode {
    let result = match Cli::parse().verb {
        Verb::Throughput(arguments) => throughput::run(&arguments).await,
        Verb::Steps3(arguments) => three_steps::run(&arguments).await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            progress(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Says on standard error what is going on.
fn progress(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Prints a result.
fn say(result: &impl Display) {
    let _ = writeln!(std::io::stdout(), "{result}");
}
