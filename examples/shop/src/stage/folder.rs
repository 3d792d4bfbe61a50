//! Where everything of the demo lies.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// A folder of the user, which is kept, or a temporary one, which is not.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    _temporary: Option<sagas_local::folder::Temporary>,
}

impl Folder {
    /// Makes it if it is not there.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn open(data: Option<&Path>) -> anyhow::Result<Self> {
        let temporary = match data {
            Some(_) => None,
            None => Some(sagas_local::folder::Temporary::new("shop-demo")?),
        };
        let path = match (&temporary, data) {
            (Some(temporary), _) => temporary.path(),
            (None, Some(data)) => data,
            (None, None) => unreachable!("without a folder of the user there is a temporary one"),
        };
        let logs = path.join("logs");
        let created = std::fs::create_dir_all(&logs);
        created.with_context(|| format!("create {}", logs.display()))?;
        // Children have their own idea of the current folder.
        let path = path.canonicalize();
        let path = path.with_context(|| format!("find {}", logs.display()))?;
        Ok(Self {
            path,
            _temporary: temporary,
        })
    }

    /// A file or folder in it.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Where the logs are.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.path("logs")
    }
}
