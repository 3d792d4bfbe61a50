//! The runs: both sides of each pair, one after the other.
//!
//! Invariant: the side that goes first changes from pair to pair, so that what the machine does
//! over the minutes falls on both.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

use super::figures::Figures;
use super::options::Options;

/// The places of the two sides, wherever both are given.
pub(super) const BASELINE: usize = 0;
pub(super) const NEW: usize = 1;

/// A bench program.
#[derive(Debug)]
pub(super) struct Program {
    side: &'static str,
    file: PathBuf,
}

/// What both sides found, the baseline's first, whichever ran first.
#[derive(Debug, Clone)]
pub(super) struct Pair {
    pub(super) order: [usize; 2],
    pub(super) figures: [Figures; 2],
}

impl Program {
    pub(super) fn new(side: &'static str, file: PathBuf) -> Self {
        Self { side, file }
    }

    /// One run, to its end; its progress is shown as it comes.
    fn measure(&self, workload: &[String]) -> anyhow::Result<Figures> {
        let mut command = Command::new(&self.file);
        command.args(workload).arg("--json").stdin(Stdio::null());
        // The same broker for both: a baseline's own folder has no jars.
        if std::env::var_os(sagas_local::kafka::LIBS_VARIABLE).is_none() {
            command.env(
                sagas_local::kafka::LIBS_VARIABLE,
                sagas_local::kafka::default_libs(),
            );
        }
        let output = command
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| format!("start {}", self.file.display()))?;
        ensure!(
            output.status.success(),
            "{} {}: {}; its words are above",
            self.file.display(),
            workload.join(" "),
            output.status
        );
        Figures::read(&output.stdout)
            .with_context(|| format!("read what {} printed", self.file.display()))
    }
}

/// Runs all pairs; sides are the baseline and what is compared with it.
pub(super) fn run(sides: [&Program; 2], options: &Options) -> anyhow::Result<Vec<Pair>> {
    let run = |number| {
        let order = order(number);
        let mut figures: [Option<Figures>; 2] = [None, None];
        for side in order {
            let (name, pairs) = (sides[side].side, options.pairs);
            eprintln!("==> pair {} of {pairs}: {name}", number + 1);
            let found = sides[side].measure(&options.workload);
            let found = found.with_context(|| format!("pair {}, {name}", number + 1))?;
            eprintln!("    {}", found.rates());
            figures[side] = Some(found);
        }
        let [Some(baseline), Some(new)] = figures else {
            unreachable!("an order names both sides");
        };
        let figures = [baseline, new];
        Ok(Pair { order, figures })
    };
    (0..options.pairs).map(run).collect()
}

/// Who goes first in a pair: A B, B A, A B, …
fn order(number: u32) -> [usize; 2] {
    if number.is_multiple_of(2) {
        [BASELINE, NEW]
    } else {
        [NEW, BASELINE]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_side_that_goes_first_changes_from_pair_to_pair() {
        let orders: Vec<_> = (0..4).map(order).collect();
        assert_eq!(orders, [[0, 1], [1, 0], [0, 1], [1, 0]]);
    }

    fn options(pairs: u32) -> Options {
        let words = ["--baseline", "x", "--pairs", &pairs.to_string()].map(str::to_owned);
        Options::parse(&words, &[]).unwrap()
    }

    /// A bench program that notes that it ran, and prints a rate.
    fn stand_in(folder: &std::path::Path, side: &'static str, rate: u32) -> Program {
        let file = folder.join(side);
        let load = format!(
            r#"{{"name":"2000","sagas_per_second":{rate},"p50_ms":1,"p99_ms":2,"rounds":[]}}"#
        );
        let log = folder.join("log");
        let script = format!(
            "#!/bin/sh\necho {side} $* >> {}\necho '{{\"loads\":[{load}],\"figures\":[]}}'\n",
            log.display()
        );
        // Written by another process: a file that this one holds open, if only in a fork of a test
        // beside it, cannot be executed.
        let write = r#"printf %s "$1" > "$0" && chmod 755 "$0""#;
        let mut shell = Command::new("sh");
        let status = shell.args(["-c", write]).arg(&file).arg(script).status();
        assert!(status.unwrap().success());
        Program::new(side, file)
    }

    #[test]
    fn both_sides_run_in_each_pair_with_the_same_arguments() {
        let folder = sagas_local::folder::Temporary::new("xtask-ab").unwrap();
        let old = stand_in(folder.path(), "baseline", 100);
        let new = stand_in(folder.path(), "new", 90);
        let pairs = run([&old, &new], &options(2)).unwrap();
        let rates = pairs.iter().map(|pair| {
            let [old, new] = &pair.figures;
            [old.rates(), new.rates()]
        });
        let expected = ["2000: 100 sagas/s", "2000: 90 sagas/s"].map(str::to_owned);
        assert_eq!(rates.collect::<Vec<_>>(), [expected.clone(), expected]);
        let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
        let line = "steps3 --seconds 20 --rounds 1 --in-flight 2000 --json";
        let sides = ["baseline", "new", "new", "baseline"];
        let expected: String = sides.map(|side| format!("{side} {line}\n")).concat();
        assert_eq!(log, expected);
    }

    #[test]
    fn a_run_that_fails_is_named() {
        let old = Program::new("baseline", "/bin/false".into());
        let error = run([&old, &old], &options(1)).unwrap_err();
        let text = format!("{error:#}");
        assert!(text.contains("pair 1, baseline"), "{text}");
        assert!(text.contains("/bin/false"), "{text}");
    }
}
