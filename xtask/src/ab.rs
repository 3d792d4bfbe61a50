//! `cargo xtask bench ab`: this tree beside a baseline commit, run by run in turn.
//!
//! ```text
//!   options ─> baseline (checkout, build) ─┐
//!   this tree (build) ─────────────────────┴─> pairs: A B, B A, … ─> figures ─> comparison
//! ```
//!
//! Invariant: each side is measured by the bench program of its own commit, with servers of its own
//! for each run, and neither side always goes first. It measures nothing itself.

mod baseline;
mod comparison;
mod figures;
mod options;
mod pairs;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::run;
use baseline::Baseline;
use comparison::Comparison;
pub(crate) use options::Options;
use pairs::Program;

/// Compares, after `build` has built the programs of this tree.
pub(crate) fn run(
    options: &Options,
    build: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    // First of all: minutes of building are for nothing if there is no such commit.
    let baseline = Baseline::find(&options.baseline)?;
    build()?;
    baseline.build()?;
    let tree = tree()?;
    let [old, new] = [
        Program::new("baseline", baseline.program()),
        Program::new("new", run::target().join("release/bench")),
    ];
    let pairs = pairs::run([&old, &new], options)?;
    let comparison = Comparison::new(baseline.commit, tree, options, &pairs)?;
    let text = if options.json {
        serde_json::to_string_pretty(&comparison.json()).context("write the comparison as JSON")?
    } else {
        comparison.to_string()
    };
    // Not `println!`, which panics when the reader, such as `head`, has seen enough.
    let _ = writeln!(std::io::stdout(), "{text}");
    let (Some(bound), Some(least)) = (options.at_least, comparison.least_rate()) else {
        return Ok(());
    };
    if least.ratio.median < bound {
        let (name, median) = (&least.name, least.ratio.median);
        bail!("{name}: {median:.3} of the baseline, less than {bound}");
    }
    Ok(())
}

/// The commit of this tree, and whether its files differ from it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Tree {
    commit: String,
    is_dirty: bool,
}

fn tree() -> anyhow::Result<Tree> {
    let changes = git(&["status", "--porcelain"])?;
    Ok(Tree {
        commit: git(&["rev-parse", "HEAD"])?,
        is_dirty: !changes.is_empty(),
    })
}

/// What git prints about this tree, without the newline at its end.
fn git(arguments: &[&str]) -> anyhow::Result<String> {
    let mut command = Command::new("git");
    command.current_dir(run::root()).args(arguments);
    let output = command.output().context("start git")?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        bail!("git {}: {}", arguments.join(" "), words.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout)
        .trim_end()
        .to_owned())
}

/// The folder of all baselines.
fn folder() -> PathBuf {
    run::target().join("ab")
}
