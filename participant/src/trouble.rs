//! What a database error means for the commands that met it.
//!
//! Invariant: no database error is ever taken as a refusal.

/// What to do about a database error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The database is away, or cannot write now: hold everything, try again later.
    Away,
    /// Two transactions were in each other's way: run again, alone.
    Conflict,
    /// This statement will not do: the command is answered `failed`.
    Fault,
}

impl Trouble {
    pub(crate) fn of(error: &sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(database) => database
                .code()
                .map_or(Self::Fault, |code| Self::of_sqlstate(&code)),
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::BeginFailed => Self::Away,
            _ => Self::Fault,
        }
    }

    /// Classes of PostgreSQL's appendix A.
    fn of_sqlstate(code: &str) -> Self {
        match code {
            // What one statement can bring about again and again is not among these: it would hold
            // up all others. Shut down, crashed, starting up; a standby; disk full, no connection.
            "57P01" | "57P02" | "57P03" | "57P05" | "25006" | "25P03" | "53100" | "53300" => {
                Self::Away
            }
            "08P01" => Self::Fault,
            _ if code.starts_with("08") => Self::Away,
            "40001" | "40P01" => Self::Conflict,
            _ => Self::Fault,
        }
    }
}

/// Whether the connection that brought this error is of no more use: it leads to a standby or a server
/// that is read-only; or it has a statement prepared whose result has another shape by now (the statement
/// says `*` and a column was added), or that is not the connection's own (a pooler in between).
pub(crate) fn spoils_connection(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| ["25006", "0A000", "26000", "42P05"].contains(&&*code))
}

/// Whether a statement met `statement_timeout` or `lock_timeout`, or a person cancelled it.
pub(crate) fn has_timed_out(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| ["57014", "55P03"].contains(&&*code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_error_has_its_consequence() {
        for (code, trouble) in [
            ("08006", Trouble::Away),
            ("53300", Trouble::Away),
            ("53400", Trouble::Fault),
            ("08P01", Trouble::Fault),
            ("57P01", Trouble::Away),
            ("25006", Trouble::Away),
            ("40001", Trouble::Conflict),
            ("40P01", Trouble::Conflict),
            ("23505", Trouble::Fault),
            ("25P02", Trouble::Fault),
            ("57014", Trouble::Fault),
        ] {
            assert_eq!(Trouble::of_sqlstate(code), trouble, "{code}");
        }
        assert_eq!(Trouble::of(&sqlx::Error::PoolTimedOut), Trouble::Away);
        assert_eq!(Trouble::of(&sqlx::Error::RowNotFound), Trouble::Fault);
    }
}
