//! A real Kafka broker on this machine: one process, broker and controller in one (`KRaft`).
//!
//! Invariants: it listens on 127.0.0.1 alone; ports, cluster id and data stay the same over stop,
//! kill and start; topics exist only when somebody creates them, as in production.
//!
//! It fetches nothing: the jars come from `cargo xtask kafka`. One broker has no replicas; a second and a third
//! one of its cluster ([`Kafka::second`]) have those of topics with two and three.

use std::fs::File;
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::process::{self, Process, Signal};
use crate::{Error, folder, port, program};

mod probe;
mod properties;

use properties::Node;

/// The Maven recipe of the jars; a copy of it beside the jars says that they are complete.
pub const POM: &str = include_str!("../kafka/pom.xml");

/// The environment variable that names a folder of jars from elsewhere.
pub const LIBS_VARIABLE: &str = "SAGA_KAFKA_LIBS";

/// How long a start may take. It is 2 to 4 s on an idle machine.
const START_LIMIT: Duration = Duration::from_secs(90);

/// How long a controlled shutdown may take before it becomes a kill.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// How to start a local Kafka.
#[derive(Debug, Clone, Default)]
pub struct KafkaOptions {
    /// Where log segments, configuration and log are kept; `None`: a temporary folder.
    pub data: Option<PathBuf>,
    /// The port on 127.0.0.1; `None`: a free one.
    pub port: Option<u16>,
    /// The folder of jars; `None`: [`libs`].
    pub libs: Option<PathBuf>,
    /// Further broker settings (`name`, `value`), as in `server.properties`; they win over ours.
    pub settings: Vec<(String, String)>,
}

/// A Kafka broker; it stops when this value is dropped or this process dies.
#[derive(Debug)]
pub struct Kafka {
    java: PathBuf,
    libs: PathBuf,
    base: PathBuf,
    node: Node,
    settings: Vec<(String, String)>,
    /// Declared before the folder: fields drop in order, and the broker must go first.
    process: Option<Process>,
    _temporary: Option<folder::Temporary>,
}

impl Kafka {
    /// Formats the folder if it is new, starts the broker, waits until it answers.
    ///
    /// About 4 s, of which 1 s formats.
    ///
    /// # Errors
    ///
    /// When Java or the jars are missing, the folder cannot be used, or the broker does not answer
    /// within 90 s; the error ends with the broker's own words.
    pub fn start(options: KafkaOptions) -> Result<Self, Error> {
        let node = Node {
            id: 1,
            port: options.port.map_or_else(port::free, Ok)?,
            controller_port: port::free()?,
        };
        // A cluster id is 16 bytes in base64url, 22 characters; hexadecimal digits are among those,
        // and the last one, which carries only two bits, is A.
        let cluster = format!("{:016x}{:05x}A", folder::random(), folder::random() >> 44);
        Self::start_as(node, &cluster, options)
    }

    /// Another broker of the same cluster, with the same settings, in a temporary folder. It is no
    /// controller: it works while this one does.
    ///
    /// # Errors
    ///
    /// As for [`Kafka::start`].
    pub fn second(&self) -> Result<Self, Error> {
        self.further(2)
    }

    /// A third one, likewise.
    ///
    /// # Errors
    ///
    /// As for [`Kafka::start`].
    pub fn third(&self) -> Result<Self, Error> {
        self.further(3)
    }

    fn further(&self, id: u32) -> Result<Self, Error> {
        let node = Node {
            id,
            port: port::free()?,
            ..self.node
        };
        let options = KafkaOptions {
            libs: Some(self.libs.clone()),
            settings: self.settings.clone(),
            ..KafkaOptions::default()
        };
        Self::start_as(node, &self.cluster()?, options)
    }

    fn start_as(node: Node, cluster: &str, options: KafkaOptions) -> Result<Self, Error> {
        let java = java()?;
        let libs = options.libs.map_or_else(libs, Ok)?;
        let (base, temporary) = match options.data {
            Some(data) => (data, None),
            None => {
                let temporary = folder::Temporary::new("saga-kafka")?;
                (temporary.path().to_owned(), Some(temporary))
            }
        };
        std::fs::create_dir_all(&base).map_err(Error::path("create", &base))?;
        let base = base.canonicalize().map_err(Error::path("find", &base))?;
        let mut kafka = Self {
            java,
            libs,
            base,
            node,
            settings: options.settings,
            process: None,
            _temporary: temporary,
        };
        let text = properties::text(node, &kafka.segments(), &kafka.settings);
        let file = kafka.properties();
        std::fs::write(&file, text).map_err(Error::path("write", &file))?;
        kafka.format(cluster)?;
        kafka.start_again()?;
        Ok(kafka)
    }

    /// `127.0.0.1:PORT`, what clients call `bootstrap.servers`; the same after every start.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.node.port)
    }

    /// The process id of the broker, or `None` while it is stopped.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    /// The broker's log.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.base.join("kafka.log")
    }

    /// Ends the broker with a controlled shutdown. Does nothing when it is stopped.
    ///
    /// # Errors
    ///
    /// When the operating system refuses.
    pub fn stop(&mut self) -> Result<(), Error> {
        let Some(mut process) = self.process.take() else {
            return Ok(());
        };
        process.stop(Signal::Terminate, STOP_LIMIT).map(drop)
    }

    /// Kills the broker with SIGKILL, as a crash would. Does nothing when it is stopped.
    ///
    /// # Errors
    ///
    /// When the operating system refuses.
    pub fn kill(&mut self) -> Result<(), Error> {
        let Some(mut process) = self.process.take() else {
            return Ok(());
        };
        process.kill().map(drop)
    }

    /// Starts the broker again on the same port with the same data, after a stop or a kill.
    ///
    /// Does nothing when it runs.
    ///
    /// # Errors
    ///
    /// When it does not answer within 90 s.
    pub fn start_again(&mut self) -> Result<(), Error> {
        if let Some(process) = &mut self.process
            && process.exited()?.is_none()
        {
            return Ok(());
        }
        let deadline = Instant::now() + START_LIMIT;
        let mut process = self.spawn()?;
        while !probe::answers((Ipv4Addr::LOCALHOST, self.node.port)) {
            let log = self.log();
            if let Some(status) = process.exited()? {
                let tail = program::tail(&log);
                return Err(Error::EndedEarly {
                    server: "Kafka",
                    status,
                    log,
                    tail,
                });
            }
            if Instant::now() >= deadline {
                let tail = program::tail(&log);
                return Err(Error::NotReady {
                    server: "Kafka",
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

    fn properties(&self) -> PathBuf {
        self.base.join("server.properties")
    }

    fn segments(&self) -> PathBuf {
        self.base.join("segments")
    }

    /// What says that the folder is formatted, and for which cluster.
    fn meta(&self) -> PathBuf {
        self.segments().join("meta.properties")
    }

    /// The id of the cluster.
    fn cluster(&self) -> Result<String, Error> {
        let meta = self.meta();
        let text = std::fs::read_to_string(&meta).map_err(Error::path("read", &meta))?;
        let mut lines = text.lines();
        let id = lines.find_map(|line| line.strip_prefix("cluster.id="));
        let missing = || io::Error::new(io::ErrorKind::InvalidData, "it has no cluster.id");
        let id = id.ok_or_else(missing);
        id.map(str::to_owned).map_err(Error::path("read", &meta))
    }

    /// Gives the folder the id of its cluster, once: one that has an id keeps it.
    fn format(&self, cluster: &str) -> Result<(), Error> {
        if self.meta().exists() {
            return Ok(());
        }
        let mut command = self.jvm(&["-XX:TieredStopAtLevel=1"]);
        command.args([
            "kafka.tools.StorageTool",
            "format",
            "--ignore-formatted",
            "-t",
            cluster,
            "-c",
        ]);
        program::run(command.arg(self.properties())).map(drop)
    }

    fn spawn(&self) -> Result<Process, Error> {
        let log = self.log();
        let out = File::options().create(true).append(true).open(&log);
        let out = out.map_err(Error::path("write", &log))?;
        let err = out.try_clone().map_err(Error::path("write", &log))?;
        let mut command = self.jvm(&["-Xmx512m", "-XX:+UseSerialGC"]);
        command.arg("kafka.Kafka").arg(self.properties());
        Process::spawn(command.stdout(out).stderr(err))
    }

    /// Java with the jars and a terse log, without what the surroundings want of a JVM.
    fn jvm(&self, flags: &[&str]) -> Command {
        let mut command = Command::new(&self.java);
        for variable in ["JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "CLASSPATH"] {
            command.env_remove(variable);
        }
        // Without `-UsePerfData`, every start leaves a file in the system's temporary folder.
        command
            .args(flags)
            .args(["-XX:-UsePerfData", "-Djava.awt.headless=true"]);
        command.arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn");
        command.arg("-Dorg.slf4j.simpleLogger.showDateTime=true");
        command
            .arg("-cp")
            .arg(self.libs.join("*"))
            .current_dir(&self.base);
        command
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        // A temporary broker has nothing to keep: no need to wait for its controlled shutdown.
        let _ = if self._temporary.is_some() {
            self.kill()
        } else {
            self.stop()
        };
    }
}

/// The folder of jars: `SAGA_KAFKA_LIBS`, else `target/kafka/libs` of this workspace.
///
/// # Errors
///
/// [`Error::KafkaMissing`] when it is absent, or not complete for the present recipe.
pub fn libs() -> Result<PathBuf, Error> {
    if let Some(folder) = std::env::var_os(LIBS_VARIABLE) {
        let folder = PathBuf::from(folder);
        return if folder.is_dir() {
            Ok(folder)
        } else {
            Err(Error::KafkaMissing { folder })
        };
    }
    let folder = default_libs();
    if is_complete(&folder) {
        Ok(folder)
    } else {
        Err(Error::KafkaMissing { folder })
    }
}

/// Where `cargo xtask kafka` puts the jars.
#[must_use]
pub fn default_libs() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package
        .parent()
        .unwrap_or(package)
        .join("target/kafka/libs")
}

/// The file beside the jars that holds the recipe they were fetched by.
#[must_use]
pub fn stamp(libs: &Path) -> PathBuf {
    libs.with_file_name("fetched.pom.xml")
}

/// Whether the folder holds all jars of the present recipe.
#[must_use]
pub fn is_complete(libs: &Path) -> bool {
    libs.is_dir() && std::fs::read_to_string(stamp(libs)).is_ok_and(|recipe| recipe == POM)
}

fn java() -> Result<PathBuf, Error> {
    let home = std::env::var_os("JAVA_HOME").map(|home| PathBuf::from(home).join("bin/java"));
    home.filter(|file| file.is_file())
        .or_else(|| program::find("java"))
        .ok_or_else(|| Error::ProgramMissing {
            program: "java",
            searched: "in JAVA_HOME and on PATH".to_owned(),
            remedy: "install Java 17 or later: apt-get install -y default-jdk-headless",
        })
}
