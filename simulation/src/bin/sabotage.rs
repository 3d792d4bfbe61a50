//! `sabotage`: for each invariant a bug is seeded in production code, and its check must notice.
//!
//! Each bug runs in a process of its own, which is this program again: a bug is chosen for a whole
//! process. Exit codes: 0 every bug was noticed; 1 one was not; 2 wrong usage.
#![allow(clippy::print_stdout, reason = "it talks to a person")]

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use sagas::sabotage::{Bug, chosen};
use simulation::run;
use simulation::seeded::{Proof, ROWS, Row};

/// Seed a bug of each kind in production code, and see that its check notices
#[derive(Debug, Parser)]
#[command(name = "sabotage")]
struct Arguments {
    /// Seeds that a bug may take to show
    #[arg(long, default_value_t = 300)]
    seeds: u64,
    /// Sagas in each world
    #[arg(long, default_value_t = 20)]
    sagas: usize,
    /// Only this bug
    bug: Option<String>,
    /// Look for this check's finding with the bug of this process
    #[arg(long, hide = true)]
    look_for: Option<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(check) = &arguments.look_for {
        return look_for(check, &arguments);
    }
    let is_wanted = |row: &&Row| {
        let name = arguments.bug.as_deref();
        name.is_none_or(|name| name == row.bug.name())
    };
    let rows: Vec<&Row> = ROWS.iter().filter(is_wanted).collect();
    if rows.is_empty() {
        let names = Bug::ALL.iter().map(|bug| bug.name());
        println!(
            "there is no such bug; there are: {}",
            names.collect::<Vec<_>>().join(" ")
        );
        return ExitCode::from(2);
    }
    // Now: a test that is built meanwhile may put this program there anew, and the one that runs has no
    // path then.
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => {
            println!("this program does not know where it lies: {error}");
            return ExitCode::from(2);
        }
    };
    let bar = bar(rows.len());
    let mut unnoticed = 0;
    for row in &rows {
        let begun = Instant::now();
        let noticed = match row.proof {
            Proof::Simulation(check) => simulate(&program, row.bug, check, &arguments),
            Proof::Test { arguments, test } => fail(row.bug, arguments, test),
        };
        let took = begun.elapsed().as_secs_f64();
        let said = match &noticed {
            Ok(how) => how.clone(),
            Err(why) => format!("NOT NOTICED: {why}"),
        };
        let (invariant, bug, check) = (row.invariant, row.bug.name(), row.proof.name());
        bar.suspend(|| println!("{bug:<36} {check:<48} {said:<22} {took:>5.1} s  {invariant}"));
        bar.inc(1);
        unnoticed += usize::from(noticed.is_err());
    }
    bar.finish_and_clear();
    match unnoticed {
        0 => {
            println!("each of {} bugs was noticed by its check", rows.len());
            ExitCode::SUCCESS
        }
        unnoticed => {
            println!("{unnoticed} of {} bugs went unnoticed", rows.len());
            ExitCode::FAILURE
        }
    }
}

/// Draws on a terminal only.
fn bar(rows: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} bugs, {elapsed}");
    let length = u64::try_from(rows).unwrap_or(u64::MAX);
    ProgressBar::new(length).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Looks for the check's finding in one world after the other.
fn look_for(check: &str, arguments: &Arguments) -> ExitCode {
    assert!(chosen().is_some(), "no bug is seeded in this process");
    for seed in 1..=arguments.seeds {
        let outcome = run(seed, arguments.sagas, false);
        let mut violations = outcome.violations.iter();
        if violations.any(|violation| violation.check == check) {
            println!("seed {seed}");
            return ExitCode::SUCCESS;
        }
    }
    ExitCode::FAILURE
}

/// This program again, with the bug; how it was noticed, or why not.
fn simulate(
    program: &Path,
    bug: Bug,
    check: &str,
    arguments: &Arguments,
) -> Result<String, String> {
    let mut command = Command::new(program);
    command.args(["--look-for", check]);
    command.args(["--seeds", &arguments.seeds.to_string()]);
    command.args(["--sagas", &arguments.sagas.to_string()]);
    let output = command.env("SAGA_SABOTAGE", bug.name()).output();
    let output = output.map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    match output.status.code() {
        Some(0) => Ok(text),
        Some(1) => Err(format!("within {} seeds", arguments.seeds)),
        _ => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}

/// A test with the bug, which must fail by itself and not for want of being built.
fn fail(bug: Bug, arguments: &[&str], test: &str) -> Result<String, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .arg("test")
        .args(arguments)
        .args(["--", test, "--exact"]);
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let output = command.env("SAGA_SABOTAGE", bug.name()).output();
    let output = output.map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    if text.contains(&format!("test {test} ... FAILED")) {
        Ok("the test failed".to_owned())
    } else if output.status.success() {
        Err("the test passed".to_owned())
    } else {
        let text = String::from_utf8_lossy(&output.stderr);
        Err(text
            .lines()
            .last()
            .unwrap_or("the test did not run")
            .to_owned())
    }
}
