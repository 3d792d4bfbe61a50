//! What can go wrong with a local server, one variant per thing that a caller may do about it.
//!
//! Every variant carries what a person needs to go on: the command to run, the end of the log. It
//! deliberately has no `From<std::io::Error>`: an error without what was attempted helps nobody.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why a local server or process could not be started, stopped or asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A program is not installed.
    #[error("{program} not found {searched}; {remedy}")]
    ProgramMissing {
        /// The program, or the family of programs.
        program: &'static str,
        /// Where it was looked for.
        searched: String,
        /// What to do about it.
        remedy: &'static str,
    },

    /// The jars of Kafka have not been fetched, or not completely.
    #[error("no jars of Kafka in {}; fetch them with `cargo xtask kafka`", folder.display())]
    KafkaMissing {
        /// The folder that should hold them.
        folder: PathBuf,
    },

    /// The account that Postgres runs as cannot enter the folder of its data.
    #[error(
        "user {user} cannot enter {}, so Postgres cannot keep its data in {}; choose a folder \
         elsewhere, or open that one with chmod a+x", blocked_by.display(), folder.display()
    )]
    Unreachable {
        /// The folder that was asked for.
        folder: PathBuf,
        /// The first folder on the way that refuses.
        blocked_by: PathBuf,
        /// The account.
        user: String,
    },

    /// A program ran and said no.
    #[error("{program} failed with {status}: {output}")]
    Failed {
        /// The program.
        program: String,
        /// How it ended.
        status: std::process::ExitStatus,
        /// The end of what it printed.
        output: String,
    },

    /// A server ended before it was ready.
    #[error("{server} ended with {status} before it was ready; {} ends with:\n{tail}", log.display())]
    EndedEarly {
        /// Which server.
        server: &'static str,
        /// How it ended.
        status: std::process::ExitStatus,
        /// Its whole log. Gone with the folder when that is a temporary one.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
    },

    /// A server runs, but did not answer in time.
    #[error("{server} was not ready after {after:?}; {} ends with:\n{tail}", log.display())]
    NotReady {
        /// Which server.
        server: &'static str,
        /// How long it had.
        after: Duration,
        /// Its whole log. Gone with the folder when that is a temporary one.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
    },

    /// The server or process is not running (any more).
    #[error("{name} is not running")]
    NotRunning {
        /// What was asked.
        name: String,
    },

    /// The operating system refused something.
    #[error("cannot {attempted}")]
    Io {
        /// What was attempted, with the path or the pid.
        attempted: String,
        /// Why not.
        source: std::io::Error,
    },
}

impl Error {
    /// For `map_err`: wraps an I/O error with what was attempted.
    pub(crate) fn io(attempted: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let attempted = attempted.into();
        move |source| Self::Io { attempted, source }
    }

    /// For `map_err`: `verb` and the path that it concerned.
    pub(crate) fn path(verb: &str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        Self::io(format!("{verb} {}", path.display()))
    }
}
