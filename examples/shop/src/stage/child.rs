//! A child process with a log of its own.
//!
//! Invariant: it is asked to end when it is dropped, and killed when it does not.

use std::fs::File;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};
use sagas_local::process::{Process, Signal};

use super::folder::Folder;

/// How long a child may take to end when asked to. The orchestrator's own bound is longer; a demo
/// has nothing to lose.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// How many lines of a log are shown when a child has ended.
const TAIL_LINES: usize = 15;

/// A process with a log of its own.
#[derive(Debug)]
pub struct Child {
    name: &'static str,
    process: Process,
    log: PathBuf,
}

impl Child {
    /// Starts it; its log is named after it.
    ///
    /// # Errors
    ///
    /// When the log cannot be written or the program not be started.
    pub fn start(
        name: &'static str,
        folder: &Folder,
        mut command: Command,
    ) -> anyhow::Result<Self> {
        let log = folder.logs().join(format!("{name}.log"));
        let out = File::options().create(true).append(true).open(&log);
        let out = out.with_context(|| format!("write {}", log.display()))?;
        command.stdout(out.try_clone()?).stderr(out);
        let process = Process::spawn(&mut command)?;
        Ok(Self { name, process, log })
    }

    /// An error if it has ended, with the last lines of its log.
    ///
    /// # Errors
    ///
    /// When it has ended.
    pub fn check(&mut self) -> anyhow::Result<()> {
        let Some(status) = self.process.exited()? else {
            return Ok(());
        };
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        let tail = lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n");
        bail!(
            "{} ended by itself with {status}; its log ends with:\n{tail}",
            self.name
        )
    }

    /// Its name and process id.
    #[must_use]
    pub fn id(&self) -> (&'static str, u32) {
        (self.name, self.process.pid())
    }

    /// Asks it to end, and does not wait.
    pub fn ask_to_end(&mut self) {
        // It fails when it has ended, and then there is nothing to ask.
        let _ = self.process.signal(Signal::Terminate);
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // If this fails, dropping the process kills it.
        let _ = self.process.stop(Signal::Terminate, STOP_LIMIT);
    }
}

/// A program that was built together with this one.
///
/// # Errors
///
/// When it is not there.
pub fn program(name: &str, settings: &[(String, String)]) -> anyhow::Result<Command> {
    let own = std::env::current_exe().context("find this program")?;
    let path = own.with_file_name(name);
    if !path.exists() {
        bail!(
            "{} is missing; build it with `cargo build --bins`",
            path.display()
        );
    }
    let mut command = Command::new(path);
    // Settings of the surroundings are for other installations.
    for (variable, _) in std::env::vars_os() {
        let variable = variable.to_string_lossy().into_owned();
        if variable.starts_with("SAGA_") || variable.starts_with("SHOP_") {
            command.env_remove(variable);
        }
    }
    command.envs(settings.iter().map(|(name, value)| (name, value)));
    Ok(command)
}
