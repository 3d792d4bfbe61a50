//! Whether commits wait for a standby, as the sessions of this service really get it.
//!
//! A role, a database or the URL may have settings of their own, so the configuration of the server does
//! not tell. It changes nothing: an installation without a standby may have its reasons.

use std::fmt;

use sqlx::Row as _;

use super::kind::Ask;
use super::{Error, Store};

/// Commits that Postgres acknowledges before a synchronous standby has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaxCommits {
    /// `off` or `local`.
    pub setting: String,
    /// Where it comes from, in the words of `pg_settings`.
    pub source: String,
    /// The role of the session.
    pub role: String,
    /// Its database.
    pub database: String,
}

impl Store {
    /// How commits are lax, if they are.
    ///
    /// # Errors
    ///
    /// When the database is away or refuses.
    pub async fn lax_commits(&self) -> Result<Option<LaxCommits>, Error> {
        let statement = sqlx::query(
            "SELECT setting, source, current_user::text AS role, current_database()::text AS database
             FROM pg_settings WHERE name = 'synchronous_commit'",
        );
        let row = self.run_one(Ask::CommitSetting, statement).await?;
        let found = LaxCommits {
            setting: row.try_get("setting")?,
            source: row.try_get("source")?,
            role: row.try_get("role")?,
            database: row.try_get("database")?,
        };
        let is_lax = matches!(found.setting.as_str(), "off" | "local");
        Ok(is_lax.then_some(found))
    }
}

/// What follows, and which setting to change.
impl fmt::Display for LaxCommits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            setting,
            source,
            role,
            database,
        } = self;
        write!(
            f,
            "commits do not wait for a synchronous standby (synchronous_commit = {setting}), so a failover \
             may lose what was acknowledged; "
        )?;
        match source.as_str() {
            "database" => write!(
                f,
                "ALTER DATABASE {database} RESET synchronous_commit changes that"
            ),
            "user" => write!(f, "ALTER ROLE {role} RESET synchronous_commit changes that"),
            "database user" => write!(
                f,
                "ALTER ROLE {role} IN DATABASE {database} RESET synchronous_commit changes that"
            ),
            "client" => write!(f, "take it out of the options in the database's URL"),
            _ => write!(f, "set it to on in the configuration of the server"),
        }
    }
}
