//! The baseline: a commit, checked out and built beside this tree.
//!
//! `target/ab/<12 digits of the commit>/tree` holds its files, `…/target` what cargo makes of them.
//! Both stay, so that the next comparison with it builds nothing. Each may be deleted at any time.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;

use super::{folder, git};
use crate::run;

/// Enough of a commit's id for a folder's name.
const DIGITS: usize = 12;

/// A commit to compare with, which exists.
#[derive(Debug)]
pub(super) struct Baseline {
    /// Its whole id.
    pub(super) commit: String,
    folder: PathBuf,
}

impl Baseline {
    fn of(commit: String) -> Self {
        let digits = commit.get(..DIGITS).unwrap_or(&commit);
        let folder = folder().join(digits);
        Self { commit, folder }
    }

    /// Understands a name as git does.
    pub(super) fn find(name: &str) -> anyhow::Result<Self> {
        let commit = format!("{name}^{{commit}}");
        let commit = git(&["rev-parse", "--verify", "--end-of-options", &commit])
            .with_context(|| format!("look for the baseline {name}"))?;
        Ok(Self::of(commit))
    }

    /// Checks it out and builds it, as far as that was not done before.
    pub(super) fn build(&self) -> anyhow::Result<()> {
        self.check_out()
            .with_context(|| format!("check the baseline {} out", self.commit))?;
        let page = [
            "run",
            "--quiet",
            "--locked",
            "-p",
            "xtask",
            "--",
            "dashboard",
        ];
        let programs = [
            "build",
            "--release",
            "--locked",
            "-p",
            "shop",
            "-p",
            "bench",
            "--bins",
        ];
        self.cargo(&page)
            .and_then(|()| self.cargo(&programs))
            .with_context(|| format!("build the baseline {}", self.commit))
    }

    /// Its own bench program.
    pub(super) fn program(&self) -> PathBuf {
        self.target().join("release/bench")
    }

    fn tree(&self) -> PathBuf {
        self.folder.join("tree")
    }

    fn target(&self) -> PathBuf {
        self.folder.join("target")
    }

    /// A clone, because a worktree would leave its mark in the repository when `target` is deleted.
    fn check_out(&self) -> anyhow::Result<()> {
        let tree = self.tree();
        if !tree.join(".git").is_dir() {
            let mut clone = Command::new("git");
            clone.args(["clone", "--quiet", "--shared", "--no-checkout"]);
            run::prepare(clone.arg(run::root()).arg(&tree))?;
        }
        let mut checkout = Command::new("git");
        checkout.arg("-C").arg(&tree);
        checkout.args(["checkout", "--quiet", "--force", "--detach", &self.commit]);
        run::prepare(&mut checkout)
    }

    /// Cargo in its tree, building into its target folder.
    fn cargo(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let mut command = run::cargo_command();
        command.current_dir(self.tree()).args(arguments);
        run::prepare(command.env("CARGO_TARGET_DIR", self.target()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_baseline_that_does_not_exist_is_named() {
        let error = Baseline::find("no-such-commit").unwrap_err();
        assert!(format!("{error:#}").contains("no-such-commit"), "{error:#}");
    }

    #[test]
    fn a_baseline_lies_below_the_first_digits_of_its_commit() {
        let baseline = Baseline::of("0123456789abcdef".to_owned());
        let expected = run::target().join("ab/0123456789ab/target/release/bench");
        assert_eq!(baseline.program(), expected);
    }
}
