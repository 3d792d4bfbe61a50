//! The repository: where it is, and what cargo knows of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

/// The folder of the workspace.
pub(crate) fn root() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package
        .parent()
        .expect("the package is inside the workspace")
}

/// The text of a file of the repository.
pub(crate) fn read(path: &str) -> String {
    let file = root().join(path);
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// What cargo says of the workspace.
#[derive(Debug, Deserialize)]
pub(crate) struct Workspace {
    packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    rust_version: Option<String>,
    targets: Vec<Target>,
}

#[derive(Debug, Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

impl Workspace {
    /// Asks `cargo metadata`.
    pub(crate) fn read() -> Self {
        let output = Command::new(env!("CARGO"))
            .args([
                "metadata",
                "--no-deps",
                "--offline",
                "--format-version",
                "1",
            ])
            .current_dir(root())
            .output()
            .expect("cargo starts");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "cargo metadata: {error}");
        serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON")
    }

    /// The package of every program.
    pub(crate) fn programs(&self) -> BTreeMap<&str, &str> {
        let mut programs = BTreeMap::new();
        for package in &self.packages {
            let targets = package.targets.iter();
            for target in targets.filter(|target| target.kind.iter().any(|kind| kind == "bin")) {
                programs.insert(target.name.as_str(), package.name.as_str());
            }
        }
        programs
    }

    /// The folders of all members, relative to the root.
    pub(crate) fn members(&self) -> Vec<&Path> {
        let manifests = self.packages.iter().map(|package| &package.manifest_path);
        manifests
            .map(|manifest| {
                let folder = manifest.parent().expect("a manifest is in a folder");
                folder
                    .strip_prefix(root())
                    .expect("a member is in the workspace")
            })
            .collect()
    }

    /// The oldest compiler that the workspace accepts, as `1.94`.
    pub(crate) fn rust_version(&self) -> &str {
        let versions = self
            .packages
            .iter()
            .filter_map(|package| package.rust_version.as_deref());
        versions.max().expect("the workspace names a version")
    }
}
