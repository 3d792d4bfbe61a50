//! `deploy/secrets.sh`, run for real into a temporary folder.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sagas_local::folder::Temporary;

use crate::repository;

/// The files of one run; gone when dropped.
pub(crate) struct Secrets {
    pub(crate) folder: PathBuf,
    _parent: Temporary,
}

impl Secrets {
    /// Runs the script.
    pub(crate) fn make() -> Self {
        let parent = Temporary::new("saga-secrets").expect("a temporary folder");
        let folder = parent.path().join("secrets");
        let output = run(&folder);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "deploy/secrets.sh: {error}");
        Self {
            folder,
            _parent: parent,
        }
    }

    /// The text of one file.
    pub(crate) fn read(&self, name: &str) -> String {
        let file = self.folder.join(name);
        std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{name}: {error}"))
    }
}

fn run(folder: &Path) -> Output {
    let script = repository::root().join("deploy/secrets.sh");
    Command::new(script)
        .arg(folder)
        .output()
        .expect("the script starts")
}

#[test]
fn every_password_is_long_and_its_own() {
    let secrets = Secrets::make();
    let list = secrets.read("database_passwords");
    let mut passwords: Vec<_> = list
        .lines()
        .filter_map(|line| line.split(' ').nth(1))
        .collect();
    let superuser = secrets.read("postgres_password");
    passwords.push(&superuser);
    assert_eq!(passwords.len(), 6);
    assert_eq!(
        passwords.iter().collect::<BTreeSet<_>>().len(),
        6,
        "{passwords:?}"
    );
    assert!(
        passwords.iter().all(|password| password.len() == 48),
        "{passwords:?}"
    );
}

#[test]
fn a_second_run_changes_nothing_and_says_so() {
    let secrets = Secrets::make();
    let before = secrets.read("database_passwords");
    let output = run(&secrets.folder);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("exists; nothing changed"), "{said}");
    assert_eq!(secrets.read("database_passwords"), before);
}

#[test]
fn nobody_else_can_enter_the_folder_and_containers_can_read_its_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let secrets = Secrets::make();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&secrets.folder), 0o700);
    assert_eq!(mode(&secrets.folder.join("saga_database_url")), 0o644);
}

#[test]
fn git_ignores_what_the_script_writes() {
    let status = Command::new("git")
        .args([
            "check-ignore",
            "--quiet",
            "deploy/secrets/postgres_password",
        ])
        .current_dir(repository::root())
        .status()
        .expect("git starts");
    assert!(status.success(), "git would commit deploy/secrets");
}
