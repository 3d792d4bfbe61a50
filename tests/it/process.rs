//! The programs under test, each a process of its own, with its output in a file.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use sagas_local::process::{Process, Signal};

/// A running program.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) process: Process,
    pub(crate) log: PathBuf,
}

impl Program {
    /// Starts `command`; both its outputs go to `log`.
    pub(crate) fn start(mut command: Command, log: PathBuf) -> Self {
        let file = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap();
        command.stdout(file.try_clone().unwrap()).stderr(file);
        let process = Process::spawn(&mut command).unwrap();
        Self { process, log }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// SIGKILL, and nothing before it.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
    }

    /// SIGTERM; panics when the program is not gone within `limit`.
    pub(crate) fn terminate(&mut self, limit: Duration) -> std::process::ExitStatus {
        self.process.signal(Signal::Terminate).unwrap();
        let status = self.process.wait(limit).unwrap();
        status.unwrap_or_else(|| panic!("not gone {limit:?} after SIGTERM:\n{}", self.tail()))
    }

    /// The last lines of the output.
    pub(crate) fn tail(&self) -> String {
        tail(&self.log, 30)
    }
}

/// The last lines of a file.
pub(crate) fn tail(path: &Path, count: usize) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

/// The folder that cargo builds into.
pub(crate) fn target() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(3).unwrap().to_owned()
}

/// A command that runs a binary of this workspace, from the folder that the tests were built into.
pub(crate) fn binary(name: &str) -> Command {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().and_then(Path::parent).unwrap();
    let path = folder.join(name);
    assert!(
        path.exists(),
        "{} is not there; `cargo xtask test` builds it, or `cargo build --workspace --bins`",
        path.display()
    );
    let mut command = Command::new(path);
    // Only what a test sets; not what the developer's shell has.
    for (variable, _) in std::env::vars().filter(|(name, _)| name.starts_with("SAGA_")) {
        command.env_remove(variable);
    }
    command
}
