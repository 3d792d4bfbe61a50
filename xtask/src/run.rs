//! Running other programs: visibly, from the root of the workspace, with their output as it comes.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

/// The folder of the workspace.
pub(crate) fn root() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package)
}

/// The folder that cargo builds into.
pub(crate) fn target() -> PathBuf {
    let chosen = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| OsString::from("target"));
    root().join(chosen)
}

/// Runs a program whose output is asked for; an end other than 0 is an error.
pub(crate) fn program(command: &mut Command) -> anyhow::Result<()> {
    let line = line(command);
    eprintln!("$ {line}");
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("start {line}"))?;
    if !status.success() {
        bail!("{line}: {status}");
    }
    Ok(())
}

/// Runs a program that only prepares for another: standard output stays free for that one's result.
pub(crate) fn prepare(command: &mut Command) -> anyhow::Result<()> {
    program(command.stdout(std::io::stderr()))
}

/// The command as a person types it: cargo without the path of its toolchain.
fn line(command: &Command) -> String {
    let program = command.get_program();
    let program = if program == cargo_program() {
        OsStr::new("cargo")
    } else {
        program
    };
    let words = std::iter::once(program).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Runs cargo, the one that runs us.
pub(crate) fn cargo(arguments: &[&str]) -> anyhow::Result<()> {
    prepare(cargo_command().args(arguments))
}

/// Cargo in the root of the workspace, for callers that set more.
pub(crate) fn cargo_command() -> Command {
    let mut command = Command::new(cargo_program());
    command.current_dir(root());
    command
}

fn cargo_program() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// How a program was built; the name of its folder.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Profile {
    Debug,
    Release,
}

/// Replaces this process by a program of this workspace, or by a command of it; returns only if
/// that fails.
pub(crate) fn become_program(
    profile: Profile,
    binary: &str,
    command: Option<&str>,
    arguments: &[String],
) -> anyhow::Error {
    let folder = match profile {
        Profile::Debug => "debug",
        Profile::Release => "release",
    };
    let file = target().join(folder).join(binary);
    let mut program = Command::new(&file);
    program.args(command).args(arguments);
    eprintln!("$ {}", line(&program));
    let error = program.exec();
    anyhow::Error::new(error).context(format!("start {}", file.display()))
}
