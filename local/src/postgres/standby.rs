//! A physical standby of a local server: made, and promoted.
//!
//! Invariant: it streams from its primary under the name [`Postgres::STANDBY`], which is what
//! `synchronous_standby_names` has to list. It stops, starts again and ends as any other server; whether
//! commits of the primary wait for it is a setting of the primary.

use crate::{Error, program};

use super::Postgres;

impl Postgres {
    /// The name under which a standby presents itself to its primary.
    pub const STANDBY: &str = "standby";

    /// A standby of this server: a copy of its cluster in a temporary folder, on a port of its own, with
    /// the same settings. It answers reads once this returns.
    ///
    /// # Errors
    ///
    /// When the primary is stopped, or as for [`Postgres::start`].
    pub fn standby(&self) -> Result<Self, Error> {
        let mut options = self.options.clone();
        options.data = None;
        options.port = None;
        let mut standby = Self::prepare(options)?;
        let primary = format!(
            "host=127.0.0.1 port={} user={} application_name={}",
            self.port,
            super::USER,
            Self::STANDBY
        );
        let mut copy = standby.command("pg_basebackup");
        copy.arg("--pgdata").arg(standby.cluster());
        copy.args(["--dbname", &primary, "--checkpoint", "fast", "--no-sync"]);
        // It leaves behind what the copy needs to follow its primary.
        copy.args(["--wal-method", "stream", "--write-recovery-conf"]);
        program::run(&mut copy)?;
        standby.start_again()?;
        Ok(standby)
    }

    /// Makes a standby a server of its own, and waits until it takes writes.
    ///
    /// # Errors
    ///
    /// When it is stopped, or no standby.
    pub fn promote(&self) -> Result<(), Error> {
        let mut promote = self.command("pg_ctl");
        promote.args(["promote", "--wait", "--pgdata"]);
        program::run(promote.arg(self.cluster())).map(drop)
    }
}
