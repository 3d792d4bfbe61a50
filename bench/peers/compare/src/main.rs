//! Measures us and what others offer on the same work, one after the other, and compares.
//!
//! ```text
//!   contestant   who there is; what has to be fetched and built before
//!   measure      one after the other, alone: our `bench steps3`, then each peer's driver
//!   table        figures and ratios, for a person or as JSON
//! ```
//!
//! Invariants: everything is fetched and built before the first one is measured; a peer that cannot
//! be had takes its reason into the table and keeps nobody from being measured.

mod contestant;
mod measure;
mod table;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use contestant::Contestant;
use load::Arguments;
use table::{Outcome, Table};

/// Measures us and what others offer: three trivial steps, closed loop, client on this machine.
#[derive(Debug, Parser)]
#[command(name = "peers", version, about, max_term_width = 100)]
#[command(after_help = "\
Let nothing else run. The first time, peers are fetched and built, which takes minutes.
Exit codes: 0 measured, though a peer may have been missing; 1 somebody ran and failed, or nobody ran.")]
struct Cli {
    #[command(flatten)]
    arguments: Arguments,
    /// Whom to measure, in this order
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_values = ["ours", "restate", "dbos", "dtmrs"])]
    only: Vec<Contestant>,
    /// Our own benchmark, built
    #[arg(long, value_name = "FILE")]
    ours: PathBuf,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let table = Table(measured(&cli));
    let text = if cli.json {
        table.json()
    } else {
        table.to_string()
    };
    let _ = writeln!(std::io::stdout(), "{text}");
    if table.is_sound() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn measured(cli: &Cli) -> Vec<(Contestant, Outcome)> {
    let prepare = |contestant: &Contestant| (*contestant, contestant.prepare(&cli.ours));
    let prepared: Vec<_> = cli.only.iter().map(prepare).collect();
    let measure = |(contestant, prepared): (Contestant, anyhow::Result<PathBuf>)| {
        let outcome = match prepared {
            Ok(program) => measure::run(contestant, &program, &cli.arguments),
            Err(error) => Outcome::Missing(tell(contestant, &error)),
        };
        (contestant, outcome)
    };
    prepared.into_iter().map(measure).collect()
}

/// Says on standard error what is going on.
fn progress(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Says an error in full on standard error, and gives the line of it that tells most.
fn tell(contestant: Contestant, error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    progress(&format!("error: {}: {text}", contestant.name()));
    let telling = text.lines().find(|line| line.starts_with("error"));
    let line = telling.or_else(|| text.lines().next());
    line.unwrap_or_default().to_owned()
}
