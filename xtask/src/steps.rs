//! The set-up that costs time: the jars of Kafka, the dashboard, cargo-deny.
//!
//! Invariant: each is skipped when its result is there *and* belongs to the present input, which a
//! copy of that input beside the result proves. An interrupted step leaves no such copy.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::run;

/// The version whose rules `deny.toml` is written for.
const CARGO_DENY: &str = "0.20.2";

/// The workspace of what we compare with.
const PEERS: &str = "bench/peers";

/// Fetches the jars of the real Kafka with Maven.
pub(crate) fn kafka() -> anyhow::Result<()> {
    if std::env::var_os(sagas_local::kafka::LIBS_VARIABLE).is_some() {
        let libs = sagas_local::kafka::libs()?;
        eprintln!(
            "Kafka's jars: {} ({})",
            libs.display(),
            sagas_local::kafka::LIBS_VARIABLE
        );
        return Ok(());
    }
    let libs = sagas_local::kafka::default_libs();
    if sagas_local::kafka::is_complete(&libs) {
        eprintln!("Kafka's jars: {}", libs.display());
        return Ok(());
    }
    eprintln!(
        "Fetching Kafka's jars to {} (45 files, 43 MB)",
        libs.display()
    );
    if libs.exists() {
        std::fs::remove_dir_all(&libs).with_context(|| format!("remove {}", libs.display()))?;
    }
    let mut maven = Command::new("mvn");
    maven
        .args(["-q", "-B", "-f"])
        .arg(run::root().join("local/kafka/pom.xml"));
    maven.arg("dependency:copy-dependencies");
    let mut output = std::ffi::OsString::from("-DoutputDirectory=");
    output.push(&libs);
    run::prepare(maven.arg(output))?;
    write(&sagas_local::kafka::stamp(&libs), sagas_local::kafka::POM)
}

/// Builds the dashboard's page.
pub(crate) fn dashboard() -> anyhow::Result<()> {
    let Some(folder) = dashboard_folder() else {
        eprintln!("there is no dashboard/package.json: nothing to build");
        return Ok(());
    };
    let lock_file = folder.join("package-lock.json");
    let lock = std::fs::read_to_string(&lock_file)
        .with_context(|| format!("read {}", lock_file.display()))?;
    let stamp = folder.join("node_modules/.installed-lock.json");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == lock) {
        eprintln!("the packages of the dashboard are installed");
    } else {
        npm(&folder, &["ci", "--no-audit", "--no-fund"])?;
        write(&stamp, &lock)?;
    }
    npm(&folder, &["run", "build"])
}

/// Runs the dashboard's own tests, after [`dashboard`].
pub(crate) fn dashboard_tests() -> anyhow::Result<()> {
    dashboard_folder().map_or(Ok(()), |folder| npm(&folder, &["test"]))
}

fn dashboard_folder() -> Option<PathBuf> {
    let folder = run::root().join("dashboard");
    folder.join("package.json").is_file().then_some(folder)
}

fn npm(folder: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    run::prepare(Command::new("npm").args(arguments).current_dir(folder))
}

/// Seeds bugs in production code and looks whether they are noticed.
pub(crate) fn sabotage(arguments: &[String]) -> anyhow::Result<()> {
    let build = ["run", "-p", "simulation", "--features", "sabotage"];
    let mut command = run::cargo_command();
    command.args(build).args(["--bin", "sabotage", "--"]);
    run::program(command.args(arguments))
}

/// Measures ourselves, which must be built, beside what others offer.
pub(crate) fn peers(arguments: &[String]) -> anyhow::Result<()> {
    let mut command = Command::new(peers_program()?);
    command
        .arg("--ours")
        .arg(run::target().join("release/bench"));
    run::program(command.args(arguments))
}

/// Builds the program that does; it fetches and builds the rest itself.
pub(crate) fn peers_program() -> anyhow::Result<PathBuf> {
    let workspace = run::root().join(PEERS);
    let target = workspace.join("target");
    let mut command = run::cargo_command();
    command.args(["build", "--release", "--locked", "--package", "compare"]);
    command.arg("--target-dir").arg(&target);
    run::prepare(command.current_dir(workspace))?;
    Ok(target.join("release/compare"))
}

/// Checks the format of the workspace of peers, which the root's `cargo fmt` does not see. That is
/// all that CI does with it: to compile it costs as much as to compile the product.
pub(crate) fn peers_format() -> anyhow::Result<()> {
    let mut command = run::cargo_command();
    command.args(["fmt", "--all", "--check"]);
    run::program(command.current_dir(run::root().join(PEERS)))
}

/// Checks bans, licences and sources of every dependency.
pub(crate) fn deny() -> anyhow::Result<()> {
    let tool = cargo_deny()?;
    let mut command = Command::new(tool);
    command.args(["--workspace", "check", "bans", "licenses", "sources"]);
    run::program(command.current_dir(run::root()))
}

/// cargo-deny of the machine, or our own; compiled once, which takes one to five minutes.
fn cargo_deny() -> anyhow::Result<PathBuf> {
    if let Some(file) = sagas_local::program::find("cargo-deny") {
        return Ok(file);
    }
    let folder = run::target().join("tools");
    let file = folder.join(format!("cargo-deny-{CARGO_DENY}/bin/cargo-deny"));
    if file.is_file() {
        return Ok(file);
    }
    eprintln!(
        "Installing cargo-deny {CARGO_DENY} to {} (once, some minutes)",
        folder.display()
    );
    let mut command = run::cargo_command();
    // The dev profile compiles in a third of the time, and the check takes seconds either way.
    command.args(["install", "cargo-deny", "--version", CARGO_DENY, "--locked"]);
    command
        .args(["--profile", "dev", "--root"])
        .arg(folder.join(format!("cargo-deny-{CARGO_DENY}")));
    run::prepare(&mut command)?;
    Ok(file)
}

fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(file, text).with_context(|| format!("write {}", file.display()))
}
