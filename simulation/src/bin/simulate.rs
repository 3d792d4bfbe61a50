//! `simulate`: runs seeds one after the other and says what went wrong in them.
//!
//! Exit codes: 0 every promise held; 1 one was broken, and its seed, its trace and the command that
//! repeats it are printed; 2 wrong usage.
#![allow(clippy::print_stdout, reason = "it talks to a person")]

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use sagas::Status;
use simulation::faults::Fault;
use simulation::{Outcome, SAGAS, run};

/// Simulate the whole service: production decisions, doubled I/O, seeded faults
#[derive(Debug, Parser)]
#[command(name = "simulate")]
struct Arguments {
    /// How many seeds to run
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Sagas in each world; a seed is another world with another number
    #[arg(long, default_value_t = SAGAS)]
    sagas: usize,
    /// Print every line of the first seed's trace, and run no other
    #[arg(long)]
    trace: bool,
}

/// What all runs together were like.
#[derive(Debug, Default)]
struct Sum {
    runs: u64,
    faults: BTreeMap<Fault, u64>,
    ends: BTreeMap<Status, u64>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.trace {
        return print_trace(&arguments);
    }
    let begun = Instant::now();
    let bar = bar(arguments.seeds);
    let mut sum = Sum::default();
    for seed in (arguments.from..).take(usize::try_from(arguments.seeds).unwrap_or(usize::MAX)) {
        let outcome = run(seed, arguments.sagas, false);
        if !outcome.violations.is_empty() {
            bar.finish_and_clear();
            report_failure(seed, arguments.sagas);
            return ExitCode::FAILURE;
        }
        sum.add(&outcome);
        bar.inc(1);
    }
    bar.finish_and_clear();
    sum.print(&arguments, begun.elapsed());
    ExitCode::SUCCESS
}

/// Draws on a terminal only.
fn bar(seeds: u64) -> ProgressBar {
    let template = "{bar:40} {pos}/{len} seeds, {per_sec}, {eta} left";
    let style = ProgressStyle::with_template(template);
    ProgressBar::new(seeds).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn print_trace(arguments: &Arguments) -> ExitCode {
    let outcome = run(arguments.from, arguments.sagas, true);
    for line in &outcome.lines {
        println!("{line}");
    }
    print_violations(&outcome);
    ExitCode::from(u8::from(!outcome.violations.is_empty()))
}

/// Runs the seed once more, which runs the same, with its trace.
fn report_failure(seed: u64, sagas: usize) {
    let outcome = run(seed, sagas, true);
    for line in outcome.story() {
        println!("{line}");
    }
    print_violations(&outcome);
    let others = if sagas == SAGAS {
        String::new()
    } else {
        format!(" --sagas {sagas}")
    };
    println!(
        "\nseed {seed} broke a promise; all of it: cargo xtask simulate --from {seed}{others} --trace"
    );
}

fn print_violations(outcome: &Outcome) {
    for violation in &outcome.violations {
        let about = violation.saga.map(|saga| format!(" (saga {saga})"));
        let about = about.unwrap_or_default();
        println!("BROKEN {}{about}: {}", violation.check, violation.text);
    }
}

impl Sum {
    fn add(&mut self, outcome: &Outcome) {
        self.runs += 1;
        for (fault, count) in &outcome.faults {
            *self.faults.entry(*fault).or_default() += count;
        }
        for (status, count) in &outcome.ends {
            *self.ends.entry(*status).or_default() += count;
        }
    }

    fn print(&self, arguments: &Arguments, took: Duration) {
        let last = arguments.from + self.runs.saturating_sub(1);
        let runs = u32::try_from(self.runs).unwrap_or(u32::MAX);
        let rate = f64::from(runs) / took.as_secs_f64().max(0.001);
        let (from, sagas) = (arguments.from, arguments.sagas);
        println!(
            "seeds {from} to {last}, {sagas} sagas each: every promise held, \
             {rate:.1} seeds/s on one core ({:.1} s)",
            took.as_secs_f64()
        );
        let ends = self
            .ends
            .iter()
            .map(|(status, count)| format!("{count} {status}"));
        println!("sagas: {}", ends.collect::<Vec<_>>().join(", "));
        println!("faults that happened:");
        for fault in Fault::ALL {
            let count = self.faults.get(fault).copied().unwrap_or(0);
            println!("{count:>9}  {}", fault.as_str());
        }
    }
}
