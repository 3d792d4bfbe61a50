//! Why a command failed, as an exit code and a text that says what to do.

use std::io::Write as _;
use std::process::ExitCode;

use sagas_orchestrator::cause::Cause;

use crate::config;

/// Why a command failed. The texts are for people, complete, and without secrets.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// It did not work. Exit code 1.
    #[error("{0}")]
    Failed(String),
    /// Arguments or settings do not fit. Exit code 2.
    #[error("{0}")]
    Usage(String),
    /// Flags, variables or file; also `--help`. Exit code 2, or 0 for help.
    #[error(transparent)]
    Settings(#[from] config::Error),
    /// Postgres or Kafka does not answer. Exit code 3.
    #[error("{}", .0.chain())]
    Unreachable(Cause),
    /// A check found something. Exit code 4.
    #[error("{0}")]
    Found(String),
}

impl Failure {
    /// Prints the text, and gives the exit code.
    pub(super) fn report(&self) -> ExitCode {
        if let Self::Settings(config::Error::Flags(error)) = self {
            // Help goes to standard output with code 0, errors to standard error with code 2.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
        let _ = writeln!(std::io::stderr(), "error: {self}");
        ExitCode::from(self.code())
    }

    fn code(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::Usage(_) | Self::Settings(_) => 2,
            Self::Unreachable(_) => 3,
            Self::Found(_) => 4,
        }
    }
}
