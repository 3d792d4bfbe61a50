//! Measures the orchestrator on this machine, with every part real: REST in, Postgres with fsync,
//! Kafka, participants as processes of their own.
//!
//! ```text
//!   workloads ─> stage (databases, topics, processes) ─> ground (Postgres and Kafka, shared)
//!       └──────> measure ─> load (the client) ‖ shares, database (what is used meanwhile) ─> report
//! ```
//!
//! Invariant: a figure is given only for a run after which every saga had ended as it had to.

mod all;
mod database;
mod goals;
mod ground;
mod latencies;
mod load;
mod machine;
mod measure;
mod peers;
mod report;
mod shares;
mod stage;
mod summary;
mod tables;
mod workload;
mod workloads;

use std::fmt::Display;
use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};

use ground::Ground;
use report::Document;
use workloads::Name;

#[global_allocator]
static ALLOCATOR: sagas_allocator::Mimalloc = sagas_allocator::Mimalloc;

/// Measures the orchestrator on this machine, with every part real.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100)]
#[command(after_help = "\
Build it with --release, and let nothing else run: `cargo xtask bench steps3` does the first.
Exit codes: 0 measured; 1 something failed, or a saga or the books are wrong afterwards.")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Subcommand)]
enum Verb {
    #[command(flatten)]
    One(Name),
    /// All of them, and the table of what is to be reached
    All(all::Arguments),
}

/// What every command takes.
#[derive(Debug, clap::Args)]
struct Common {
    /// A variable for orchestrators and the shop's services, to see what a setting gives:
    /// `SAGA_LANES=2`
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting, global = true)]
    settings: Vec<(String, String)>,
    /// Print JSON instead of text
    #[arg(long, global = true)]
    json: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            progress(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(Cli { verb, common }: Cli) -> anyhow::Result<()> {
    let Common { settings, json } = common;
    match verb {
        Verb::One(name) => one(&name, settings, json).await,
        Verb::All(arguments) => all::run(&arguments, settings, json).await,
    }
}

async fn one(name: &Name, settings: Vec<(String, String)>, json: bool) -> anyhow::Result<()> {
    let mut ground = Ground::new(settings)?;
    let report = name.run(&mut ground).await;
    let machine = ground.machine().cloned();
    ground.close().await?;
    let document = Document {
        report: report?,
        machine: machine.context("nothing was measured")?,
    };
    if json {
        say(&serde_json::to_string_pretty(&document)?);
    } else {
        say(&document);
    }
    Ok(())
}

fn setting(text: &str) -> anyhow::Result<(String, String)> {
    let (name, value) = text.split_once('=').context("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Says on standard error what is going on.
fn progress(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Prints a result.
fn say(result: &impl Display) {
    let _ = writeln!(std::io::stdout(), "{result}");
}
