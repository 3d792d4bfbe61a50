//! `deploy/postgres/databases.sh` with the passwords of `deploy/secrets.sh`, on a real Postgres that
//! asks for them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use sagas_local::folder::Temporary;
use sagas_local::postgres::Binaries;
use sagas_local::{Postgres, PostgresOptions};
use sqlx::{Connection as _, PgConnection};

use crate::repository;
use crate::secrets::Secrets;

/// Runs the script as the image's entry point does, with the server's superuser.
fn create_databases(server: &Postgres, secrets: &Secrets) {
    let output = Command::new(repository::root().join("deploy/postgres/databases.sh"))
        .env("PATH", path())
        .env(
            "DATABASE_PASSWORDS_FILE",
            secrets.folder.join("database_passwords"),
        )
        .envs([("POSTGRES_USER", "postgres"), ("POSTGRES_DB", "postgres")])
        .envs([
            ("PGHOST", "127.0.0.1"),
            ("PGPORT", &server.port().to_string()),
        ])
        .output()
        .expect("the script starts");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "databases.sh: {error}");
}

/// With the folder of the server's programs, where `psql` is.
fn path() -> std::ffi::OsString {
    let mut folders = vec![
        Binaries::find()
            .expect("Postgres is installed")
            .folder()
            .to_owned(),
    ];
    folders.extend(std::env::split_paths(
        &std::env::var_os("PATH").unwrap_or_default(),
    ));
    std::env::join_paths(folders).expect("folders without colons")
}

/// Who may log in, and how: the superuser freely, everybody else with a password, as in the image.
struct Access {
    file: PathBuf,
    _folder: Temporary,
}

impl Access {
    fn of_passwords() -> Self {
        let folder = Temporary::new("saga-access").expect("a temporary folder");
        // The server runs under another user id.
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(folder.path(), open).expect("the folder is ours");
        let file = folder.path().join("pg_hba.conf");
        let rules =
            "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n";
        std::fs::write(&file, rules).expect("the folder is writable");
        Self {
            file,
            _folder: folder,
        }
    }
}

async fn connect(url: &str) -> Result<PgConnection, sqlx::Error> {
    PgConnection::connect(url).await
}

#[tokio::test]
async fn every_role_reaches_its_own_database_and_no_other() {
    let access = Access::of_passwords();
    let options = PostgresOptions {
        fsync: false,
        settings: vec![("hba_file".to_owned(), access.file.display().to_string())],
        ..PostgresOptions::default()
    };
    let server = tokio::task::spawn_blocking(|| Postgres::start(options))
        .await
        .unwrap()
        .unwrap();
    let secrets = Secrets::make();
    create_databases(&server, &secrets);
    let here = format!("@127.0.0.1:{}/", server.port());
    let urls: Vec<(String, String)> = secrets
        .read("audit.env")
        .lines()
        .map(|line| {
            line.split_once('=')
                .unwrap()
                .1
                .replace("@postgres:5432/", &here)
        })
        .map(|url| (url.rsplit('/').next().unwrap().to_owned(), url))
        .collect();
    let names: Vec<_> = urls.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["saga", "orders", "inventory", "payments", "shipping"]
    );
    for (name, url) in &urls {
        let mut own = connect(url).await.unwrap();
        sqlx::raw_sql("CREATE TABLE t (id int)")
            .execute(&mut own)
            .await
            .unwrap();
        own.close().await.unwrap();
        for other in names.iter().filter(|other| *other != name) {
            let (before, _) = url.rsplit_once('/').unwrap();
            let foreign = format!("{before}/{other}");
            let error = connect(&foreign).await.err().map(|error| error.to_string());
            let error = error.unwrap_or_else(|| panic!("{name} can log in to {other}"));
            assert!(
                error.contains("permission denied"),
                "{name} in {other}: {error}"
            );
        }
        let guessed = url.replacen(&format!("//{name}:"), &format!("//{name}:x"), 1);
        let error = connect(&guessed).await.unwrap_err().to_string();
        assert!(
            error.contains("password authentication failed"),
            "{name}: {error}"
        );
    }
}
