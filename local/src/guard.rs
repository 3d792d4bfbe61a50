//! A guard: a tiny `sh` that holds the read end of a pipe and acts when this process dies.
//!
//! The kernel closes the write end however this process ends, so the guard also fires after
//! SIGKILL. `PR_SET_PDEATHSIG` would do it without a second process, but it is `unsafe` here, fires
//! when the *thread* that started the child ends, and is lost when the child changes its user.
//!
//! Invariant: a guard that was dismissed never acts. It must be dismissed before the process that
//! it watches is forgotten, because a process id may be used again.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::Error;

/// Kills the process group `$1` (`-KILL` before `--` is not understood by every `sh`). A word on the pipe is the dismissal; its end is our death.
const KILL_GROUP: &str = "read -r _ || kill -s KILL -- \"-$1\" 2>/dev/null";

/// Removes the folder `$1`; for ten seconds, because its server may be dying beside us.
const REMOVE_FOLDER: &str = "read -r _ && exit
tries=100
while sleep 0.1; [ -e \"$1\" ] && [ $tries -gt 0 ]; do
  rm -rf -- \"$1\" 2>/dev/null
  tries=$((tries - 1))
done";

#[derive(Debug)]
pub(crate) struct Guard {
    shell: Child,
    pipe: Option<ChildStdin>,
}

impl Guard {
    /// Kills the process group of `leader` if this process dies first.
    pub(crate) fn kill_group(leader: u32) -> Result<Self, Error> {
        Self::start(KILL_GROUP, &leader.to_string())
    }

    /// Removes `folder` with all it holds if this process dies first.
    pub(crate) fn remove_folder(folder: &str) -> Result<Self, Error> {
        Self::start(REMOVE_FOLDER, folder)
    }

    fn start(script: &str, argument: &str) -> Result<Self, Error> {
        let mut shell = Command::new("/bin/sh")
            .args(["-c", script, "guard", argument])
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C goes to the group of the terminal; the guard must outlive us.
            .process_group(0)
            .spawn()
            .map_err(Error::io("start the guard /bin/sh"))?;
        let pipe = shell.stdin.take();
        Ok(Self { shell, pipe })
    }
}

/// Dismisses: the guard ends without acting.
impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(mut pipe) = self.pipe.take() {
            // It fails only if somebody ended the guard, and then there is nothing to dismiss.
            let _ = pipe.write_all(b"dismissed\n");
        }
        let _ = self.shell.wait();
    }
}
