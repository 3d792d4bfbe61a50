//! `cargo xtask`: everything that a fresh machine needs to build, try, test and measure this product.
//!
//! Invariant: each command checks its own tools first and names all that are missing at once. It
//! contains no product code, and nothing in CI bypasses it: `.ci/run` is `cargo xtask test`.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it talks to a person"
)]

mod ab;
mod cli;
mod run;
mod steps;
mod test;
mod tools;

use std::io::Write as _;
use std::process::ExitCode;

use cli::Command;
use tools::Purpose;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let invocation = match cli::parse(&arguments) {
        Ok(invocation) => invocation,
        Err(problem) => {
            eprintln!("error: {problem}\n\n{}", cli::HELP);
            return ExitCode::from(2);
        }
    };
    match perform(&invocation.command, invocation.may_install) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            // 2: nothing was tried; 1: something was tried and failed.
            let refused = error.is::<tools::NotReady>() || error.is::<cli::Usage>();
            ExitCode::from(if refused { 2 } else { 1 })
        }
    }
}

fn perform(command: &Command, may_install: bool) -> anyhow::Result<()> {
    match command {
        Command::Help => {
            // Not `println!`, which panics when the reader, such as `head`, has seen enough.
            let _ = writeln!(std::io::stdout(), "{}", cli::HELP);
            Ok(())
        }
        Command::Tools => tools::report(),
        Command::Kafka => {
            tools::ensure(&[Purpose::Kafka], may_install)?;
            steps::kafka()
        }
        Command::Dashboard => {
            tools::ensure(&[Purpose::Dashboard], may_install)?;
            steps::dashboard()
        }
        Command::Test { filter, passed_on } => test::run(filter, passed_on, may_install),
        Command::Demo { arguments } => demo(arguments, may_install),
        Command::Model { arguments } => {
            tools::ensure(&[Purpose::Build], may_install)?;
            run::cargo(&["build", "--release", "-p", "model", "--bins"])?;
            Err(run::become_program(
                run::Profile::Release,
                "model",
                None,
                arguments,
            ))
        }
        Command::Bench { arguments } => {
            build_bench(may_install)?;
            bench(arguments)
        }
        Command::Ab(options) => ab::run(options, || build_bench(may_install)),
        Command::Sabotage { arguments } => {
            tools::ensure(&[Purpose::Build], may_install)?;
            steps::sabotage(arguments)
        }
        Command::Simulate { arguments } => {
            tools::ensure(&[Purpose::Build], may_install)?;
            run::cargo(&["build", "--release", "-p", "simulation", "--bins"])?;
            let profile = run::Profile::Release;
            Err(run::become_program(profile, "simulate", None, arguments))
        }
    }
}

fn demo(arguments: &[String], may_install: bool) -> anyhow::Result<()> {
    let mut purposes = vec![Purpose::Build, Purpose::Dashboard, Purpose::Postgres];
    let kafka = cli::wants_real_kafka(arguments);
    if kafka {
        purposes.push(Purpose::Kafka);
    }
    tools::ensure(&purposes, may_install)?;
    if kafka {
        steps::kafka()?;
    }
    steps::dashboard()?;
    // Debug: it is there in a third of the time, and a demo is no measurement.
    run::cargo(&["build", "-p", "shop", "--bins"])?;
    Err(run::become_program(
        run::Profile::Debug,
        "shop",
        Some("demo"),
        arguments,
    ))
}

fn build_bench(may_install: bool) -> anyhow::Result<()> {
    let purposes = [
        Purpose::Build,
        Purpose::Dashboard,
        Purpose::Postgres,
        Purpose::Kafka,
    ];
    tools::ensure(&purposes, may_install)?;
    steps::kafka()?;
    steps::dashboard()?;
    run::cargo(&["build", "--release", "-p", "shop", "-p", "bench", "--bins"])
}

fn bench(arguments: &[String]) -> anyhow::Result<()> {
    let mut arguments = arguments.to_vec();
    let name = arguments.first().map(String::as_str);
    if name == Some(cli::PEERS) {
        return steps::peers(&arguments[1..]);
    }
    if name == Some(cli::ALL) && !arguments.iter().any(|argument| argument == "--short") {
        let peers = steps::peers_program()?;
        arguments.extend(["--peers".to_owned(), peers.to_string_lossy().into_owned()]);
    }
    Err(run::become_program(
        run::Profile::Release,
        "bench",
        None,
        &arguments,
    ))
}
