//! Who is measured, and how each gets onto this machine.
//!
//! Invariant: each peer is fetched and built by itself, so that one that cannot be had stops no
//! other; what is there already is not fetched again.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use clap::ValueEnum;
use sagas_local::program::run;

use crate::progress;

/// Somebody who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Contestant {
    /// This repository: `bench steps3`
    Ours,
    /// Restate's server, from npm, and its Rust SDK
    Restate,
    /// DBOS for Rust, on Postgres
    Dbos,
    /// dtmrs, on Postgres
    Dtmrs,
}

impl Contestant {
    /// Its name for a person.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Restate => "Restate",
            Self::Dbos => "DBOS for Rust",
            Self::Dtmrs => "dtmrs",
        }
    }

    /// The package of its driver, and that package's folder; we have none here.
    fn driver(self) -> Option<&'static str> {
        match self {
            Self::Ours => None,
            Self::Restate => Some("peer-restate"),
            Self::Dbos => Some("peer-dbos"),
            Self::Dtmrs => Some("peer-dtmrs"),
        }
    }

    /// Fetches and builds what its measurement needs; the program to run.
    pub(crate) fn prepare(self, ours: &Path) -> anyhow::Result<PathBuf> {
        let Some(driver) = self.driver() else {
            ensure!(ours.is_file(), "{} is not built", ours.display());
            return Ok(ours.to_owned());
        };
        install(&root().join(driver))?;
        progress(&format!("Building {driver} …"));
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        let mut build = Command::new(cargo);
        build.args(["build", "--release", "--locked", "--package", driver]);
        build.arg("--target-dir").arg(target());
        run(build.current_dir(root())).with_context(|| format!("build {driver}"))?;
        Ok(target().join("release").join(driver))
    }
}

/// Installs the npm packages of a folder, if it asks for any and they are not there.
fn install(folder: &Path) -> anyhow::Result<()> {
    let lock = folder.join("package-lock.json");
    if !lock.is_file() {
        return Ok(());
    }
    let wanted = std::fs::read(&lock).with_context(|| format!("read {}", lock.display()))?;
    let stamp = folder.join("node_modules/.installed-lock.json");
    if std::fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    progress(&format!(
        "Fetching the npm packages of {} …",
        folder.display()
    ));
    // No scripts: the one that a package there has reports installations to somebody.
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts"]).current_dir(folder);
    run(&mut npm).context("npm ci")?;
    std::fs::write(&stamp, wanted).with_context(|| format!("write {}", stamp.display()))
}

/// The folder of the workspace of peers.
fn root() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package)
}

/// Where it builds into, whatever `CARGO_TARGET_DIR` says: two lock files share no folder well.
fn target() -> PathBuf {
    root().join("target")
}
