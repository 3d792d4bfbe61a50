//! `bench all`: every workload, one after the other, and the table of what was to be reached.
//!
//! It is a list of command lines, each of which gives the same figures when it is given alone. A
//! workload that fails keeps no other from being measured, and ends the run with 1.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use clap::{Args, Parser as _};
use serde::Serialize;
use tokio::process::Command;

use crate::goals::{self, Outcome};
use crate::ground::Ground;
use crate::machine::Machine;
use crate::peers::{self, Peer};
use crate::report::Report;
use crate::{Cli, Verb, progress, tables};

/// How to run them all.
#[derive(Debug, Clone, Args)]
pub(crate) struct Arguments {
    /// Each for a second or so, only to see that it works; the figures mean nothing
    #[arg(long)]
    short: bool,
    /// Write the tables into docs/performance.md
    #[arg(long, conflicts_with = "short")]
    write: bool,
    /// Rounds of each load, instead of three
    #[arg(long, value_name = "NUMBER", conflicts_with = "short")]
    rounds: Option<u32>,
    /// The program that measures others, with the flags that `bench/peers` has
    #[arg(long, value_name = "FILE", conflicts_with = "short")]
    peers: Option<PathBuf>,
}

/// A workload's command line, and how long it takes, in seconds.
struct Run(&'static str, u64);

/// Together half an hour to forty minutes on two processors, with one round of each less. The first one
/// lets the broker's compiler do its work.
const LONG: [Run; 12] = [
    Run("steps3 --warm-up 60", 370),
    Run("refused", 120),
    Run("mixed", 70),
    Run("payloads", 220),
    Run("latency", 130),
    Run("admission", 130),
    Run("replicas", 180),
    Run("recovery", 180),
    Run("idle", 220),
    Run("aging", 360),
    Run("away --seconds 120", 200),
    Run("shop", 130),
];

/// Enough of each for every line of its code to run.
const SHORT: [Run; 12] = [
    Run(
        "steps3 --warm-up 0 --rounds 1 --seconds 1 --in-flight 16,64",
        20,
    ),
    Run(
        "refused --warm-up 0 --rounds 1 --seconds 1 --in-flight 16",
        8,
    ),
    Run(
        "mixed --warm-up 0 --rounds 1 --seconds 1 --in-flight 100",
        8,
    ),
    Run(
        "payloads --warm-up 0 --rounds 1 --seconds 1 --in-flight 16 --ballasts 0,11000",
        8,
    ),
    Run("latency --warm-up 0 --rounds 1 --seconds 1 --rates 100", 8),
    Run(
        "admission --warm-up 0 --rounds 1 --seconds 1 --in-flight 8",
        8,
    ),
    Run(
        "replicas --warm-up 0 --rounds 1 --seconds 1 --in-flight 16",
        15,
    ),
    Run(
        "recovery --warm-up 0 --rounds 1 --seconds 1 --open 300 --in-flight 4",
        15,
    ),
    Run("idle --open 2000 --due 50 --seconds 1", 20),
    Run(
        "aging --warm-up 0 --rounds 1 --seconds 1 --rows 2000 --in-flight 16",
        8,
    ),
    Run("away --seconds 2 --rate 50", 8),
    Run(
        "shop --warm-up 0 --rounds 1 --seconds 1 --in-flight 8 --rate 20",
        20,
    ),
];

/// The workloads that have no rounds.
const WITHOUT_ROUNDS: [&str; 2] = ["idle", "away"];

/// How long the peers take.
const PEERS_SECONDS: u64 = 700;

/// Everything that was found out.
#[derive(Debug, Serialize)]
pub(crate) struct All {
    pub(crate) machine: Machine,
    /// Empty where nothing else was to be measured.
    pub(crate) peers: Vec<Peer>,
    pub(crate) goals: Vec<Outcome>,
    pub(crate) reports: Vec<Report>,
}

/// Runs them all and prints the tables; fails when one of them did.
pub(crate) async fn run(
    arguments: &Arguments,
    settings: Vec<(String, String)>,
    is_json: bool,
) -> anyhow::Result<()> {
    let is_debug = cfg!(debug_assertions);
    ensure!(
        arguments.short || !is_debug,
        "a debug build is not worth measuring: use `cargo xtask bench all`, or --short"
    );
    let runs = if arguments.short { &SHORT } else { &LONG };
    let mut ground = Ground::new(settings)?;
    let (mut peers, mut failed) = (Vec::new(), Vec::new());
    // Just before `steps3`, with which they are compared: the machine's own speed changes.
    if let Some(program) = &arguments.peers {
        let after = runs.iter().map(|Run(_, seconds)| seconds).sum();
        let (about, after) = (minutes(PEERS_SECONDS), minutes(after));
        progress(&format!("peers: about {about}, then about {after}"));
        match peers::measure(program).await {
            Ok(measured) => peers = measured,
            Err(error) => failed.push(tell("peers", &error)),
        }
    }
    let reports = workloads(runs, arguments.rounds, &mut ground, &mut failed).await?;
    let machine = ground.machine().cloned().context("nothing ran")?;
    let all = All {
        machine,
        goals: goals::outcomes(&reports, &peers),
        peers,
        reports,
    };
    if is_json {
        crate::say(&serde_json::to_string_pretty(&all)?);
    } else {
        crate::say(&tables::text(&all));
    }
    if !failed.is_empty() {
        bail!("not everything ran: {}", failed.join("; "));
    }
    if arguments.write {
        tables::write(&all)?;
    }
    Ok(())
}

/// The reports; what failed goes to `failed`.
async fn workloads(
    runs: &[Run],
    rounds: Option<u32>,
    ground: &mut Ground,
    failed: &mut Vec<String>,
) -> anyhow::Result<Vec<Report>> {
    let mut reports = Vec::new();
    let started = Instant::now();
    for (number, Run(line, seconds)) in runs.iter().enumerate() {
        let after = runs.iter().skip(number + 1).map(|Run(_, seconds)| seconds);
        progress(&format!(
            "\n{} of {}: bench {line}: about {}, then about {}",
            number + 1,
            runs.len(),
            minutes(*seconds),
            minutes(after.sum())
        ));
        // The shop has servers of its own.
        if line.starts_with("shop") {
            ground.close().await?;
        }
        write_out().await?;
        match parse(line, rounds)?.run(ground).await {
            Ok(report) => {
                progress(&report.to_string());
                reports.push(report);
            }
            Err(error) => failed.push(tell(line, &error)),
        }
    }
    ground.close().await?;
    let took: Duration = started.elapsed();
    progress(&format!("\nThat took {}.", minutes(took.as_secs())));
    Ok(reports)
}

/// What one workload left to be written must not stall the next.
async fn write_out() -> anyhow::Result<()> {
    let status = Command::new("sync").status().await.context("start sync")?;
    ensure!(status.success(), "sync ended with {status}");
    Ok(())
}

fn parse(line: &str, rounds: Option<u32>) -> anyhow::Result<crate::workloads::Name> {
    let words = std::iter::once("bench").chain(line.split(' '));
    let mut words: Vec<String> = words.map(str::to_owned).collect();
    if let Some(rounds) =
        rounds.filter(|_| !WITHOUT_ROUNDS.iter().any(|name| line.starts_with(name)))
    {
        words.extend(["--rounds".to_owned(), rounds.to_string()]);
    }
    match Cli::try_parse_from(words)?.verb {
        Verb::One(name) => Ok(name),
        Verb::All(_) => bail!("{line} is not a workload"),
    }
}

/// Says what is wrong, and gives it back.
fn tell(what: &str, error: &anyhow::Error) -> String {
    let text = format!("{what}: {error:#}");
    progress(&format!("FAILED: {text}"));
    text
}

fn minutes(seconds: u64) -> String {
    match seconds {
        0..100 => format!("{seconds} s"),
        _ => format!("{} min", seconds.div_ceil(60)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_a_workload_and_both_lists_have_the_same() {
        for (long, short) in LONG.iter().zip(&SHORT) {
            let names = [long, short].map(|Run(line, _)| {
                parse(line, None).unwrap();
                line.split(' ').next().unwrap()
            });
            assert_eq!(names[0], names[1]);
            let Run(line, _) = long;
            parse(line, Some(1)).unwrap();
        }
    }

    #[test]
    fn all_of_it_takes_less_than_an_hour() {
        let seconds: u64 = LONG.iter().map(|Run(_, seconds)| seconds).sum();
        assert!(seconds + PEERS_SECONDS < 3600, "{seconds}");
    }
}
