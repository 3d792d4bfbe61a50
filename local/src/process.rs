//! A supervised child process, signals, and what a process has used.
//!
//! Invariants: a child leads a process group of its own, so that Ctrl-C at the terminal reaches it
//! only through us; it is killed with its group when its [`Process`] is dropped, and by a guard when
//! this process dies first (in the instant between the child's start and its guard's there is none).
//! A signal is never sent to an id that may belong to somebody else by now.
//!
//! It does not restart anything: whoever owns the process decides.

use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::Error;
use crate::guard::Guard;

mod usage;

pub use usage::{Usage, descendants, usage, usage_of_tree};

/// How often a condition is looked at while waiting for it.
pub(crate) const POLL: Duration = Duration::from_millis(10);

/// What a fault or a stop sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM: please end.
    Terminate,
    /// SIGINT: what Ctrl-C sends; to Postgres, a fast shutdown.
    Interrupt,
    /// SIGKILL: end now, without a word.
    Kill,
    /// SIGSTOP: freeze, keeping memory and connections.
    Stop,
    /// SIGCONT: go on after [`Signal::Stop`].
    Continue,
}

impl From<Signal> for rustix::process::Signal {
    fn from(signal: Signal) -> Self {
        match signal {
            Signal::Terminate => Self::TERM,
            Signal::Interrupt => Self::INT,
            Signal::Kill => Self::KILL,
            Signal::Stop => Self::STOP,
            Signal::Continue => Self::CONT,
        }
    }
}

/// Sends a signal to any process of this machine by its id.
///
/// For a child prefer [`Process::signal`], which knows whether the id is still the child's.
///
/// # Errors
///
/// When no such process exists or it belongs to another user.
pub fn signal(pid: u32, signal: Signal) -> Result<(), Error> {
    let failed = || format!("send {signal:?} to process {pid}");
    rustix::process::kill_process(checked(pid)?, signal.into())
        .map_err(|errno| Error::io(failed())(errno.into()))
}

/// Whether this process runs as root.
#[must_use]
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn checked(pid: u32) -> Result<rustix::process::Pid, Error> {
    i32::try_from(pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw)
        .ok_or_else(|| Error::NotRunning {
            name: format!("process {pid}"),
        })
}

/// A child process that does not outlive its owner.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    /// `None` once the child is reaped: from then on its id may be anybody's.
    guard: Option<Guard>,
}

impl Process {
    /// Starts the command as the leader of a new process group, with an empty standard input.
    ///
    /// Standard output and error are the command's: by default those of this process.
    ///
    /// # Errors
    ///
    /// When the program, or the guard, cannot be started.
    pub fn spawn(command: &mut Command) -> Result<Self, Error> {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(Error::io(format!("start {name}")))?;
        match Guard::kill_group(child.id()) {
            Ok(guard) => Ok(Self {
                name,
                child,
                guard: Some(guard),
            }),
            Err(error) => {
                // Without a guard nothing may run on: the first error is the one to report.
                let _ = child.kill().and_then(|()| child.wait());
                Err(error)
            }
        }
    }

    /// The process id, also after the process has ended.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, or `None` while it runs. A frozen process runs.
    ///
    /// # Errors
    ///
    /// When the operating system cannot say.
    pub fn exited(&mut self) -> Result<Option<ExitStatus>, Error> {
        let status = self
            .child
            .try_wait()
            .map_err(Error::io(format!("ask after {}", self.name)))?;
        if status.is_some() {
            self.guard = None;
        }
        Ok(status)
    }

    /// Waits up to `limit` for its end; `None` if it still runs then.
    ///
    /// # Errors
    ///
    /// When the operating system cannot say.
    pub fn wait(&mut self, limit: Duration) -> Result<Option<ExitStatus>, Error> {
        let deadline = Instant::now() + limit;
        loop {
            let status = self.exited()?;
            if status.is_some() || Instant::now() >= deadline {
                return Ok(status);
            }
            std::thread::sleep(POLL);
        }
    }

    /// Sends a signal to the process alone, not to its children.
    ///
    /// # Errors
    ///
    /// [`Error::NotRunning`] when it has ended.
    pub fn signal(&mut self, signal: Signal) -> Result<(), Error> {
        if self.exited()?.is_some() {
            return Err(Error::NotRunning {
                name: self.name.clone(),
            });
        }
        // Not reaped yet, so the id is still this child's, even if it ends at this instant.
        self::signal(self.pid(), signal)
    }

    /// Asks the process to end and waits for it; kills it once `limit` has passed.
    ///
    /// A process that has ended already answers with how it ended.
    ///
    /// # Errors
    ///
    /// When the operating system refuses.
    pub fn stop(&mut self, request: Signal, limit: Duration) -> Result<ExitStatus, Error> {
        if let Some(status) = self.exited()? {
            return Ok(status);
        }
        self.signal(request)?;
        match self.wait(limit)? {
            Some(status) => Ok(status),
            None => self.kill(),
        }
    }

    /// Kills the process and its group with SIGKILL and waits until it is gone.
    ///
    /// A process that has ended already answers with how it ended.
    ///
    /// # Errors
    ///
    /// When the operating system refuses.
    pub fn kill(&mut self) -> Result<ExitStatus, Error> {
        if let Some(status) = self.exited()? {
            return Ok(status);
        }
        rustix::process::kill_process_group(checked(self.pid())?, Signal::Kill.into())
            .map_err(|errno| Error::io(format!("kill {}", self.name))(errno.into()))?;
        // The guard goes first: after `wait` the id may be somebody else's.
        self.guard = None;
        self.child
            .wait()
            .map_err(Error::io(format!("wait for the end of {}", self.name)))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It fails only when there is nothing left to kill.
        let _ = self.kill();
    }
}
