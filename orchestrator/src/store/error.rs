//! What can go wrong between the service and its database, by what a caller may do about it.
//!
//! Text of the database is in the sources, for the log; it must not leave the process.

use std::sync::Arc;
use std::time::Duration;

use sagas::SagaId;
use sagas::schema::Unfit;
use sagas_core::CommitError;
use sqlx::postgres::{PgDatabaseError, PgSeverity};

use crate::cause;

/// Why a statement gave no rows.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// There was no connection: the database has not seen the statement.
    #[error("cannot get a connection to Postgres")]
    NotSent(#[source] Arc<sqlx::Error>),
    /// The address leads to a standby, or to a server that has not finished its start. The statement was
    /// not sent.
    #[error("Postgres is in recovery: the address leads to a standby")]
    InRecovery,
    /// The server takes no writes. The statement was not sent.
    #[error("Postgres is read-only: default_transaction_read_only is on")]
    ReadOnly,
    /// The database, or the connection, said no.
    #[error("the statement failed")]
    Answered(#[source] sqlx::Error),
    /// The database answered, and then not that its standby has what it answered: a failover may take
    /// it back.
    #[error("the answer could not be confirmed")]
    Unconfirmed(#[source] sqlx::Error),
    /// The database owes the answer to an earlier statement: this one was not sent.
    #[error("{}", not_asked(*waits_for_standby))]
    NotAsked {
        /// Whether commits wait there for a synchronous standby, as far as the server says.
        waits_for_standby: bool,
    },
    /// The database said nothing within the time; whatever it says later is not heard.
    #[error("Postgres has not answered within {} s", within.as_secs())]
    Silent {
        /// How long it had.
        within: Duration,
    },
    /// The runtime shut down before the answer came.
    #[error("the process is shutting down")]
    Abandoned,
}

fn not_asked(waits_for_standby: bool) -> &'static str {
    if waits_for_standby {
        "commits of Postgres wait for its synchronous standby: nothing more is asked until they are answered"
    } else {
        "Postgres has not answered an earlier statement: nothing more is asked until it does"
    }
}

impl Failure {
    /// The SQLSTATE of an error that rolled the statement back for certain.
    ///
    /// Postgres reports an error of a transaction that has not committed as ERROR. FATAL says that
    /// the connection ends, which may be just after the commit.
    fn rolled_back(&self) -> Option<&str> {
        let Self::Answered(sqlx::Error::Database(error)) = self else {
            return None;
        };
        let error = error.try_downcast_ref::<PgDatabaseError>()?;
        (error.severity() == PgSeverity::Error).then(|| error.code())
    }

    /// Whether the server ended the statement before it was done: by `statement_timeout`, as a rule.
    pub(super) fn was_cancelled(&self) -> bool {
        self.rolled_back() == Some("57014")
    }

    /// Whether the fault lies with the connection, which is closed.
    fn has_spoiled(&self) -> bool {
        matches!(self, Self::Answered(error) if spoils_connection(error))
    }
}

/// Whether the connection that brought this error is of no more use: its session is not what this crate
/// has made of it, or it leads to another kind of server. Other statements would fail on it, too.
pub(super) fn spoils_connection(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else {
        return false;
    };
    match error.code().as_deref() {
        // A result of another shape than when the statement was prepared. A statement that was prepared on
        // another connection, or twice: a pooler in between has changed the connection.
        Some("0A000" | "26000" | "42P05") => true,
        // A standby says so to a statement that would write to its log alone ("cannot assign
        // TransactionIds during recovery"). To all others that write it says 25006, as does a server that
        // is read-only; the rest of class 25 tells of a transaction that should not be there.
        Some("XX000") => true,
        Some(code) => code.starts_with("25"),
        None => false,
    }
}

/// What a failed commit means for the batch.
impl From<Failure> for CommitError {
    fn from(failure: Failure) -> Self {
        let cause = cause::of(&failure);
        if let Failure::NotSent(_)
        | Failure::NotAsked { .. }
        | Failure::InRecovery
        | Failure::ReadOnly
        | Failure::Answered(sqlx::Error::PoolClosed) = failure
        {
            return Self::Unavailable(cause);
        }
        if let Failure::Answered(sqlx::Error::Encode(_)) = failure {
            return Self::Data(cause);
        }
        match failure.rolled_back() {
            Some("40001" | "40P01") => Self::Retry(cause),
            // Data exceptions, integrity violations, and what exceeds a limit of the server, such
            // as a row of more than 1 GiB.
            Some(code) if ["22", "23", "54"].contains(&&code[..2]) => Self::Data(cause),
            Some(_) => Self::Unavailable(cause),
            None => Self::Ambiguous(cause),
        }
    }
}

/// Why the database could not be read, prepared or checked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL is malformed. The source does not repeat it.
    #[error("the URL of the database cannot be read")]
    Url(#[source] sqlx::Error),
    /// More shards than the schema can number, or none.
    #[error("an installation has 1 to {max} shards, not {0}", max = i16::MAX)]
    ShardsOutOfRange(u16),
    /// The database is away or in trouble; later it may answer.
    #[error("the database is not available")]
    Unavailable(#[source] Failure),
    /// The database refuses the statement, and will refuse it again: the schema is not the one of
    /// this binary, or rights are missing.
    #[error("the database refused a statement of this service")]
    Refused(#[source] Failure),
    /// What is stored of a saga cannot be read by this binary.
    #[error("saga {saga} cannot be read: {why}")]
    Unreadable {
        /// The saga.
        saga: SagaId,
        /// What cannot be read, and why: `the history: …`.
        why: String,
    },
    /// The schema could not be brought up to date.
    #[error("the schema could not be migrated")]
    Migration(#[source] sqlx::migrate::MigrateError),
    /// The schema is of a release that this one does not work with, or of a build between releases.
    #[error("the database's schema does not fit this binary: {}; {}", .0, remedy(.0))]
    OtherSchema(Unfit),
    /// The database has no schema, or an older one than this binary needs.
    #[error("the database lacks the migrations {missing:?}; run `saga migrate`")]
    NotMigrated {
        /// Versions.
        missing: Vec<i64>,
    },
    /// The number of shards is fixed when the service is installed.
    #[error(
        "the database was installed with {stored} shards, the configuration says {configured}; \
         set it to {stored}"
    )]
    ShardsDiffer {
        /// What the database was installed with.
        stored: u16,
        /// What the settings say.
        configured: u16,
    },
}

fn remedy(unfit: &Unfit) -> &'static str {
    if unfit.is_newer() {
        "start a newer binary"
    } else {
        "nothing is converted: let the old binary finish the sagas that are open there, and give this \
         one a new, empty database"
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure.rolled_back() {
            // Resources, intervention of an operator, a standby that took over, or a timeout.
            Some(code) if ["53", "57", "25", "55"].contains(&&code[..2]) => {
                Self::Unavailable(failure)
            }
            // The next one goes by another connection.
            Some(_) if failure.has_spoiled() => Self::Unavailable(failure),
            Some(_) => Self::Refused(failure),
            None => Self::Unavailable(failure),
        }
    }
}

/// A column that does not have the type that this binary expects.
impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Refused(Failure::Answered(error))
    }
}
