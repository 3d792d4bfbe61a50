//! `model [NAME…]`: searches configurations to their end and prints what was found, as a table.
//!
//! Without a name, all of them. Ends with 1 where a rule is broken, and prints the way there.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it talks to a person"
)]

use std::process::ExitCode;

use model::{CONFIGURATIONS, Configuration, Report, Rule, search};

fn main() -> ExitCode {
    let names: Vec<String> = std::env::args().skip(1).collect();
    let is_known = |name: &String| CONFIGURATIONS.iter().any(|known| known.name == *name);
    if let Some(unknown) = names.iter().find(|name| !is_known(name)) {
        let known: Vec<&str> = CONFIGURATIONS.iter().map(|known| known.name).collect();
        eprintln!(
            "error: there is no configuration {unknown}; there are: {}",
            known.join(" ")
        );
        return ExitCode::from(2);
    }
    println!("{} rules in every state:", Rule::ALL.len());
    for rule in Rule::ALL {
        println!("  {}", rule.in_words());
    }
    println!(
        "\n{:<20} {:>11} {:>10} {:>5} {:>8}  bounds",
        "configuration", "moves", "states", "depth", "seconds"
    );
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut is_well = true;
    for configuration in CONFIGURATIONS {
        if names.is_empty() || names.iter().any(|name| name == configuration.name) {
            let report = search(configuration, None, threads);
            print(configuration, &report);
            is_well &= report.broken.is_empty() && report.unseen.is_empty();
        }
    }
    if is_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn print(configuration: &Configuration, report: &Report) {
    println!(
        "{:<20} {:>11} {:>10} {:>5} {:>8.1}  {configuration}",
        configuration.name,
        report.states,
        report.unique,
        report.depth,
        report.took.as_secs_f64()
    );
    for broken in &report.broken {
        println!("{broken}");
    }
    for unseen in &report.unseen {
        println!("never seen: {unseen}");
    }
}
