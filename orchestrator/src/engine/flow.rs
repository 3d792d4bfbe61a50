//! What commits of this replica come to, for the verdict on whether work flows.

use std::sync::{Mutex, MutexGuard, PoisonError};

use sagas_core::CommitError;
use sagas_core::readiness::{Debt, Trouble};

use crate::clock::uptime;

/// What Postgres owes to the lanes.
#[derive(Debug, Default)]
pub(super) struct Flow {
    commits: Mutex<Debt>,
}

impl Flow {
    /// A commit is on its way.
    pub(super) fn asked(&self) {
        self.commits().asked(1, uptime());
    }

    /// What became of it. A collision and data that cannot be stored are the word of a database that works.
    pub(super) fn answered(&self, result: Result<(), &CommitError>) {
        let now = uptime();
        match result {
            Ok(()) | Err(CommitError::Retry(_) | CommitError::Data(_)) => {
                self.commits().answered(now);
            }
            Err(CommitError::Ambiguous(cause) | CommitError::Unavailable(cause)) => {
                self.commits().refused(cause.clone(), now);
            }
        }
    }

    pub(super) fn trouble(&self) -> Option<Trouble> {
        self.commits().trouble(uptime())
    }

    /// Whether the last commit that was answered well is long ago.
    pub(super) fn is_quiet(&self) -> bool {
        self.commits().is_quiet(uptime())
    }

    fn commits(&self) -> MutexGuard<'_, Debt> {
        self.commits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
