//! Runs one contestant's benchmark to its end, alone, and reads what it prints.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};
use load::{Arguments, Figure, Report};
use sagas_local::folder::Temporary;
use sagas_local::process::Process;
use serde::Deserialize;

use crate::contestant::Contestant;
use crate::table::Outcome;
use crate::{progress, tell};

/// What our own `bench steps3 --json` prints, as far as it is compared.
#[derive(Debug, Deserialize)]
struct Ours {
    loads: Vec<Load>,
}

#[derive(Debug, Deserialize)]
struct Load {
    in_flight: usize,
    sagas_per_second: f64,
    rounds: Vec<Round>,
    p50_ms: f64,
    p99_ms: f64,
}

#[derive(Debug, Deserialize)]
struct Round {
    sagas_per_second: f64,
}

impl From<Load> for Figure {
    fn from(load: Load) -> Self {
        let rounds = load.rounds.iter().map(|round| round.sagas_per_second);
        Self {
            in_flight: load.in_flight,
            sagas_per_second: load.sagas_per_second,
            rounds: rounds.collect(),
            p50_ms: load.p50_ms,
            p99_ms: load.p99_ms,
        }
    }
}

/// Measures one.
pub(crate) fn run(contestant: Contestant, program: &Path, arguments: &Arguments) -> Outcome {
    progress(&format!("\n{} …", contestant.name()));
    match report(contestant, program, arguments) {
        Ok(report) => Outcome::Measured(report),
        Err(error) => Outcome::Failed(tell(contestant, &error)),
    }
}

fn report(contestant: Contestant, program: &Path, arguments: &Arguments) -> anyhow::Result<Report> {
    let mut command = Command::new(program);
    if contestant == Contestant::Ours {
        command.args(["steps3", "--json"]);
    }
    let printed = output(command.args(arguments.flags()))?;
    let report = if contestant == Contestant::Ours {
        let Ours { loads } = serde_json::from_str(&printed).context("read our own report")?;
        Report {
            version: version(program)?,
            figures: loads.into_iter().map(Figure::from).collect(),
        }
    } else {
        serde_json::from_str(&printed).context("read its report")?
    };
    ensure!(!report.figures.is_empty(), "nothing was measured");
    Ok(report)
}

/// What a program prints on standard output; it does not outlive us, and its words on standard
/// error are shown as they come.
fn output(command: &mut Command) -> anyhow::Result<String> {
    let folder = Temporary::new("peers")?;
    let path = folder.path().join("stdout");
    let file = File::create(&path).with_context(|| format!("create {}", path.display()))?;
    let mut process = Process::spawn(command.stdout(file))?;
    let status = loop {
        if let Some(status) = process.wait(std::time::Duration::from_secs(60))? {
            break status;
        }
    };
    ensure!(
        status.success(),
        "it ended with {status}; its words are above"
    );
    std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
}

/// The last word of what `--version` prints.
fn version(program: &Path) -> anyhow::Result<String> {
    let printed = sagas_local::program::run(Command::new(program).arg("--version"))?;
    let version = printed.split_whitespace().last().unwrap_or("unknown");
    Ok(version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_our_benchmark_prints_beside_the_figures_is_no_matter() {
        let printed = r#"{ "machine": { "processors": 2 }, "loads": [ { "in_flight": 64,
            "sagas_per_second": 700.5, "p50_ms": 90.0, "p99_ms": 120.0, "rounds": [
            { "seconds": 1.0, "sagas_per_second": 700.5, "window": {} } ] } ] }"#;
        let mut ours: Ours = serde_json::from_str(printed).unwrap();
        let figure = Figure::from(ours.loads.remove(0));
        assert_eq!((figure.in_flight, figure.rounds), (64, vec![700.5]));
    }

    #[test]
    fn a_program_that_fails_gives_no_figures_and_one_that_does_not_gives_its_output() {
        let printed = output(Command::new("sh").args(["-c", "echo so"]));
        assert_eq!(printed.unwrap(), "so\n");
        let error = output(Command::new("sh").args(["-c", "exit 3"])).unwrap_err();
        assert!(error.to_string().contains('3'), "{error}");
    }
}
