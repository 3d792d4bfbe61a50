//! Where everything of the demo lies.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// A folder of the user, which is kept, or a temporary one, which is not.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    _temporary: Option<local::folder::Temporary>,
}

impl Folder {
    pub(super) fn open(data: Option<&Path>) -> anyhow::Result<Self> {
        let temporary = match data {
            Some(_) => None,
            None => Some(local::folder::Temporary::new("shop-demo")?),
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

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(super) fn logs(&self) -> PathBuf {
        self.path("logs")
    }
}
