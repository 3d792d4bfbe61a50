//! A temporary folder that goes away with its owner, even when the owner is killed.
//!
//! It lies under `std::env::temp_dir()`, because that is reachable for the unprivileged account
//! that Postgres runs as, which a clone of this repository below a private home folder is not.

use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};

use crate::Error;
use crate::guard::Guard;

/// A fresh, empty folder, removed when this value is dropped or when this process dies.
#[derive(Debug)]
pub struct Temporary {
    path: PathBuf,
    /// Dropped after [`Drop::drop`] has removed the folder.
    _guard: Guard,
}

impl Temporary {
    /// Creates a folder whose name starts with `prefix`.
    ///
    /// # Errors
    ///
    /// When the system's folder for temporary files is not writable or its name is not UTF-8.
    pub fn new(prefix: &str) -> Result<Self, Error> {
        let name = format!("{prefix}-{}-{:08x}", std::process::id(), random() >> 32);
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).map_err(Error::path("create", &path))?;
        let text = path.to_str().ok_or_else(|| {
            Error::path("use", &path)(std::io::Error::other("its name is not UTF-8"))
        })?;
        let _guard = Guard::remove_folder(text)?;
        Ok(Self { path, _guard })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // What a dying server still holds is its own affair; the folder is temporary.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// A number that differs from call to call and from process to process; not for secrets.
pub(crate) fn random() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_folder_is_gone_with_its_value() {
        let folder = Temporary::new("local-test").unwrap();
        let path = folder.path().to_owned();
        std::fs::write(path.join("file"), "content").unwrap();
        drop(folder);
        assert!(!path.exists(), "{} is still there", path.display());
    }

    #[test]
    fn two_folders_never_share_a_name() {
        let (one, two) = (
            Temporary::new("local-test").unwrap(),
            Temporary::new("local-test").unwrap(),
        );
        assert_ne!(one.path(), two.path());
    }
}
