//! `shop demo`: everything on this machine, for as long as the demo lives.
//!
//! ```text
//!   demo ─┬─ Postgres, five databases     ─┐
//!         ├─ Kafka, or a broker in dev     │  the stage: each a process of its own
//!         ├─ shop-orchestrator             │
//!         ├─ shop service × 4             ─┘
//!         └─ orders over REST, shown live; then the audit
//! ```
//!
//! Invariant: nothing that it starts outlives it, however it ends.

pub(crate) mod show;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context as _;

use crate::audit::{self, Report};
use crate::cli::{DemoArguments, say};
use crate::stage::{self, Stage};

/// Runs the demo.
///
/// # Errors
///
/// When something cannot be started or ends by itself.
pub async fn run(arguments: DemoArguments) -> anyhow::Result<ExitCode> {
    let began = Instant::now();
    let options = stage::Options {
        settings: Vec::new(),
        kafka: arguments.kafka,
        data: arguments.data.clone(),
        port: arguments.port,
        tell: |line| say(line),
    };
    let stage = tokio::select! {
        stage = Stage::open(&options) => stage?,
        stopped = tokio::signal::ctrl_c() => return interrupted(stopped),
    };
    say(format_args!(
        "Everything runs after {:.1} s.\n",
        began.elapsed().as_secs_f64()
    ));
    let outcome = tokio::select! {
        outcome = play(&stage, &arguments) => outcome,
        stopped = tokio::signal::ctrl_c() => interrupted(stopped),
    };
    // It stops servers, which takes a moment and blocks.
    tokio::task::spawn_blocking(move || stage.close()).await?;
    outcome
}

fn interrupted(stopped: std::io::Result<()>) -> anyhow::Result<ExitCode> {
    stopped.context("listen for Ctrl-C")?;
    say("\nStopping.");
    Ok(ExitCode::SUCCESS)
}

async fn play(stage: &Stage, arguments: &DemoArguments) -> anyhow::Result<ExitCode> {
    let tally = tokio::select! {
        tally = show::orders(&stage.client, &arguments.orders) => tally?,
        error = stage.first_end() => return Err(error),
    };
    say("");
    tally.print();
    let audit = audit::run(&stage.urls).await?;
    say(format_args!(
        "\nThe audit of all five databases:\n\n{}\n",
        Report(&audit)
    ));
    let is_well = audit.exit_code() == 0 && tally.is_as_planned();
    if arguments.once {
        return Ok(if is_well {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        });
    }
    say(format_args!("Dashboard: {}/", stage.url));
    say("Ctrl-C ends everything.");
    // Ctrl-C is waited for by the caller.
    Err(stage.first_end().await)
}
