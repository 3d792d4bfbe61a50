//! Where the programs of Postgres are: on `PATH`, or in Debian's folder per version.
//!
//! Invariant: all programs come from one folder, so that client and server have one version.

use std::path::{Path, PathBuf};

use crate::{Error, program};

/// What a local server needs.
const PROGRAMS: [&str; 4] = ["initdb", "postgres", "createdb", "pg_isready"];

/// Debian keeps the server's programs here, one folder per major version, off the `PATH`.
const DEBIAN: &str = "/usr/lib/postgresql";

/// The folder with the programs of one installed Postgres.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    folder: PathBuf,
}

impl Binaries {
    /// Looks on `PATH` first, then for the newest version in Debian's folder.
    ///
    /// # Errors
    ///
    /// [`Error::ProgramMissing`] when no folder has all that is needed.
    pub fn find() -> Result<Self, Error> {
        // A link to one program says where its siblings are.
        let on_path = program::find("initdb").and_then(|file| file.canonicalize().ok());
        let on_path = on_path.and_then(|file| file.parent().map(Path::to_owned));
        let folders = on_path.into_iter().chain(versions(Path::new(DEBIAN)));
        folders
            .into_iter()
            .find(|folder| is_complete(folder))
            .map(|folder| Self { folder })
            .ok_or_else(|| Error::ProgramMissing {
                program: "the Postgres server (initdb, postgres, createdb, pg_isready)",
                searched: format!("on PATH and in {DEBIAN}/*/bin"),
                remedy: "install it: apt-get install -y postgresql (or: brew install postgresql)",
            })
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

fn is_complete(folder: &Path) -> bool {
    PROGRAMS.iter().all(|name| folder.join(name).is_file())
}

/// `<root>/<version>/bin`, the newest version first.
fn versions(root: &Path) -> Vec<PathBuf> {
    let Ok(entries) = root.read_dir() else {
        return Vec::new();
    };
    let mut found: Vec<(u32, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())))
        .collect();
    found.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    found
        .into_iter()
        .map(|(_, folder)| folder.join("bin"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_comes_first_by_number_not_by_letters() {
        let root = crate::folder::Temporary::new("local-test").unwrap();
        for version in ["9", "15", "17", "lib"] {
            std::fs::create_dir(root.path().join(version)).unwrap();
        }
        let found = versions(root.path());
        let expected = ["17", "15", "9"].map(|version| root.path().join(version).join("bin"));
        assert_eq!(found, expected);
    }

    #[test]
    fn a_folder_that_lacks_one_program_is_not_complete() {
        let folder = crate::folder::Temporary::new("local-test").unwrap();
        for name in &PROGRAMS[1..] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        assert!(!is_complete(folder.path()));
        std::fs::write(folder.path().join(PROGRAMS[0]), "").unwrap();
        assert!(is_complete(folder.path()));
    }
}
