//! The account that Postgres runs as: Postgres refuses to run as root.
//!
//! Invariant: a process that is not root keeps its own account; root hands the server to `postgres`,
//! or to `nobody` where that does not exist. No password and no group data base is consulted.

use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use crate::Error;

/// Somebody other than root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    name: String,
    uid: u32,
    gid: u32,
}

impl Account {
    /// The account to change to, or `None` when this process is not root.
    pub(crate) fn unprivileged() -> Result<Option<Self>, Error> {
        if !crate::process::is_root() {
            return Ok(None);
        }
        let file = Path::new("/etc/passwd");
        let accounts = std::fs::read_to_string(file).map_err(Error::path("read", file))?;
        let account = ["postgres", "nobody"]
            .iter()
            .find_map(|name| find(&accounts, name));
        account.map(Some).ok_or_else(|| Error::ProgramMissing {
            program: "the account postgres or nobody",
            searched: "in /etc/passwd".to_owned(),
            remedy: "Postgres refuses to run as root: create one, or run this as another user",
        })
    }

    /// Runs the command as this account.
    pub(crate) fn apply(&self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
    }

    /// Gives the folder itself, not what it holds, to this account.
    pub(crate) fn own(&self, folder: &Path) -> Result<(), Error> {
        chown(folder, Some(self.uid), Some(self.gid))
            .map_err(Error::path("change owner of", folder))
    }

    /// Checks that this account may enter the folder: x on everything above it.
    pub(crate) fn check_reach(&self, folder: &Path) -> Result<(), Error> {
        for above in folder.ancestors().skip(1) {
            let meta = above.metadata().map_err(Error::path("look at", above))?;
            if !self.may_enter(meta.uid(), meta.gid(), meta.mode()) {
                return Err(Error::Unreachable {
                    folder: folder.to_owned(),
                    blocked_by: above.to_owned(),
                    user: self.name.clone(),
                });
            }
        }
        Ok(())
    }

    /// The rule of the kernel: the first class that fits decides, even if a later one allows more.
    fn may_enter(&self, owner: u32, group: u32, mode: u32) -> bool {
        let x = match (owner == self.uid, group == self.gid) {
            (true, _) => 0o100,
            (false, true) => 0o010,
            (false, false) => 0o001,
        };
        mode & x != 0
    }
}

fn find(accounts: &str, name: &str) -> Option<Account> {
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let found = fields.next()?;
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        (found == name).then(|| Account {
            name: found.to_owned(),
            uid,
            gid,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn postgres() -> Account {
        Account {
            name: "postgres".to_owned(),
            uid: 101,
            gid: 104,
        }
    }

    #[test]
    fn an_account_is_read_from_its_line() {
        let accounts = "root:x:0:0::/:/bin/sh\nbroken\npostgres:x:101:104:,,,:/var:/bin/sh\n";
        assert_eq!(find(accounts, "postgres"), Some(postgres()));
        assert_eq!(find(accounts, "nobody"), None);
    }

    #[test]
    fn the_first_class_that_fits_decides_who_may_enter() {
        let account = postgres();
        assert!(account.may_enter(101, 0, 0o700));
        assert!(!account.may_enter(0, 0, 0o700));
        assert!(account.may_enter(0, 0, 0o711));
        assert!(account.may_enter(0, 104, 0o710));
        assert!(!account.may_enter(101, 104, 0o077));
    }
}
