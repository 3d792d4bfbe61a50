//! A real Postgres on this machine, owned by this process.
//!
//! Invariants: it listens on 127.0.0.1 alone, without a password and without a Unix socket (whose
//! folder would have to be short and writable); it runs as `postgres` or `nobody` when this process
//! is root; a data folder that exists is complete, because `initdb` works beside it and the result
//! is renamed. A kill is a crash: what runs after it recovers from the write-ahead log.
//!
//! It is for tests, benchmarks, the demo and development. Anybody on this machine may log in, so it
//! must never hold what matters.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::account::Account;
use crate::process::{self, Process, Signal};
use crate::{Error, folder, port, program};

mod binaries;
mod standby;

pub use binaries::Binaries;

/// How long a start may take: initial recovery on a loaded machine included.
const START_LIMIT: Duration = Duration::from_secs(60);

/// How long a fast shutdown may take before it becomes a kill.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// The superuser of the cluster.
const USER: &str = "postgres";

/// How to start a local Postgres.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// Where cluster and log are kept; `None`: a temporary folder, removed at the end.
    pub data: Option<PathBuf>,
    /// The port on 127.0.0.1; `None`: a free one.
    pub port: Option<u16>,
    /// Whether commits wait for the disk. Without it tests are faster, and data survive a crash of
    /// Postgres but not one of the machine.
    pub fsync: bool,
    /// Further settings (`name`, `value`), as in `postgresql.conf`; they win over ours.
    pub settings: Vec<(String, String)>,
}

/// A temporary folder, a free port, fsync on, no further settings.
impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            data: None,
            port: None,
            fsync: true,
            settings: Vec::new(),
        }
    }
}

/// A Postgres server; it stops when this value is dropped or this process dies.
#[derive(Debug)]
pub struct Postgres {
    options: PostgresOptions,
    binaries: Binaries,
    account: Option<Account>,
    base: PathBuf,
    port: u16,
    /// Declared before the folder: fields drop in order, and the server must go first.
    process: Option<Process>,
    _temporary: Option<folder::Temporary>,
}

impl Postgres {
    /// Creates the cluster if the folder has none, starts the server, waits until it answers.
    ///
    /// About 1.5 s with a new cluster, 0.2 s with an old one.
    ///
    /// # Errors
    ///
    /// When Postgres is not installed, the folder cannot be used, or the server does not answer
    /// within a minute; the error ends with the server's own words.
    pub fn start(options: PostgresOptions) -> Result<Self, Error> {
        let mut server = Self::prepare(options)?;
        server.create_cluster()?;
        server.start_again()?;
        Ok(server)
    }

    /// A server with a folder, and no cluster in it yet, or a stopped one.
    fn prepare(options: PostgresOptions) -> Result<Self, Error> {
        let binaries = Binaries::find()?;
        let account = Account::unprivileged()?;
        let (base, temporary) = match &options.data {
            Some(data) => (folder_at(data)?, None),
            None => {
                let temporary = folder::Temporary::new("saga-postgres")?;
                (folder_at(temporary.path())?, Some(temporary))
            }
        };
        if let Some(account) = &account {
            account.check_reach(&base)?;
            account.own(&base)?;
        }
        let port = options.port.map_or_else(port::free, Ok)?;
        let _temporary = temporary;
        Ok(Self {
            options,
            binaries,
            account,
            base,
            port,
            process: None,
            _temporary,
        })
    }

    /// `postgres://postgres@127.0.0.1:PORT/database`; the database `postgres` always exists.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/{database}", self.port)
    }

    /// The port, the same after every start.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process id of the server, or `None` while it is stopped.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    /// The server's log.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.base.join("postgres.log")
    }

    /// The version line, such as `postgres (PostgreSQL) 15.14`.
    ///
    /// # Errors
    ///
    /// When the program does not answer.
    pub fn version(&self) -> Result<String, Error> {
        let printed = program::run(self.command("postgres").arg("--version"))?;
        Ok(printed.trim().to_owned())
    }

    /// Creates an empty database.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] when it exists already or the server is stopped.
    pub fn create_database(&self, name: &str) -> Result<(), Error> {
        program::run(self.client("createdb").args(["--", name])).map(drop)
    }

    /// Ends the server with a fast shutdown: transactions are rolled back, connections closed.
    ///
    /// Does nothing when it is stopped.
    ///
    /// # Errors
    ///
    /// When the operating system refuses.
    pub fn stop(&mut self) -> Result<(), Error> {
        let Some(mut process) = self.process.take() else {
            return Ok(());
        };
        process.stop(Signal::Interrupt, STOP_LIMIT).map(drop)
    }

    /// Kills the server and all its processes with SIGKILL, as a crash would.
    ///
    /// Does nothing when it is stopped.
    ///
    /// # Errors
    ///
    /// When the operating system refuses.
    pub fn kill(&mut self) -> Result<(), Error> {
        let Some(mut process) = self.process.take() else {
            return Ok(());
        };
        // Backends lead sessions of their own: killing the group does not reach them. Without
        // `/proc` they notice the death of their parent by themselves.
        let backends = process::descendants(process.pid()).unwrap_or_default();
        process.kill()?;
        for backend in backends {
            // It may have noticed already.
            let _ = process::signal(backend, Signal::Kill);
        }
        Ok(())
    }

    /// Starts the server again on the same port with the same data, after a stop or a kill.
    ///
    /// Does nothing when it runs.
    ///
    /// # Errors
    ///
    /// When it does not answer within a minute.
    pub fn start_again(&mut self) -> Result<(), Error> {
        if let Some(process) = &mut self.process
            && process.exited()?.is_none()
        {
            return Ok(());
        }
        let deadline = Instant::now() + START_LIMIT;
        let mut process = self.spawn()?;
        while !self.answers() {
            if let Some(status) = process.exited()? {
                return Err(self.ended_early(status));
            }
            if Instant::now() >= deadline {
                let log = self.log();
                let tail = program::tail(&log);
                return Err(Error::NotReady {
                    server: "Postgres",
                    after: START_LIMIT,
                    log,
                    tail,
                });
            }
            std::thread::sleep(process::POLL);
        }
        self.process = Some(process);
        Ok(())
    }

    fn ended_early(&self, status: std::process::ExitStatus) -> Error {
        let log = self.log();
        let tail = program::tail(&log);
        Error::EndedEarly {
            server: "Postgres",
            status,
            log,
            tail,
        }
    }

    fn cluster(&self) -> PathBuf {
        self.base.join("cluster")
    }

    /// A cluster is complete or absent: `initdb` that was interrupted leaves only `cluster.new`.
    fn create_cluster(&self) -> Result<(), Error> {
        let cluster = self.cluster();
        if cluster.exists() {
            return Ok(());
        }
        let new = self.base.join("cluster.new");
        if new.exists() {
            std::fs::remove_dir_all(&new).map_err(Error::path("remove", &new))?;
        }
        let mut initdb = self.command("initdb");
        initdb
            .arg("--pgdata")
            .arg(&new)
            .args(["--username", USER, "--auth", "trust"]);
        initdb.args(["--encoding", "UTF8", "--no-locale", "--no-instructions"]);
        if !self.options.fsync {
            initdb.arg("--no-sync");
        }
        program::run(&mut initdb)?;
        std::fs::rename(&new, &cluster).map_err(Error::path("rename to", &cluster))
    }

    fn spawn(&self) -> Result<Process, Error> {
        let log = self.log();
        let out = File::options().create(true).append(true).open(&log);
        let out = out.map_err(Error::path("write", &log))?;
        let err = out.try_clone().map_err(Error::path("write", &log))?;
        let on_off = if self.options.fsync { "on" } else { "off" };
        let mut command = self.command("postgres");
        command
            .arg("-D")
            .arg(self.cluster())
            .args(["-p", &self.port.to_string()]);
        let ours = [
            ("listen_addresses", "127.0.0.1"),
            ("unix_socket_directories", ""),
            ("max_connections", "300"),
            ("fsync", on_off),
            ("full_page_writes", on_off),
            ("timezone", "UTC"),
            ("log_timezone", "UTC"),
        ];
        for (name, value) in ours {
            command.args(["-c", &format!("{name}={value}")]);
        }
        for (name, value) in &self.options.settings {
            command.args(["-c", &format!("{name}={value}")]);
        }
        Process::spawn(command.stdout(out).stderr(err))
    }

    fn answers(&self) -> bool {
        program::run(&mut self.client("pg_isready")).is_ok()
    }

    /// A program of the server, with the server's account.
    fn command(&self, name: &str) -> Command {
        let mut command = self.plain(name);
        if let Some(account) = &self.account {
            account.apply(&mut command);
        }
        command.current_dir(&self.base);
        command
    }

    /// A client program, told where the server is.
    fn client(&self, name: &str) -> Command {
        let mut command = self.plain(name);
        command.args(["--host", "127.0.0.1", "--port", &self.port.to_string()]);
        command.args(["--username", USER]);
        command
    }

    /// Without the `PG…` variables of the surroundings, which would point it elsewhere.
    fn plain(&self, name: &str) -> Command {
        let mut command = Command::new(self.binaries.program(name));
        for (variable, _) in std::env::vars_os() {
            if variable.to_string_lossy().starts_with("PG") {
                command.env_remove(variable);
            }
        }
        command.env("LC_ALL", "C");
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // A stop that fails leaves the kill of `Process` and, at last, its guard.
        let _ = self.stop();
    }
}

/// Creates the folder if need be; its true path, which does not depend on the current folder.
fn folder_at(folder: &Path) -> Result<PathBuf, Error> {
    std::fs::create_dir_all(folder).map_err(Error::path("create", folder))?;
    folder.canonicalize().map_err(Error::path("find", folder))
}
