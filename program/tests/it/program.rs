//! The program as its users start it, as far as it needs neither Postgres nor Kafka: exit codes,
//! texts, and a service that waits.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use sagas_local::folder::Temporary;
use sagas_local::process::{Process, Signal};

/// Longer than anything here takes on a loaded machine.
const SOON: Duration = Duration::from_secs(60);

/// Nothing listens on port 1.
const NOWHERE: &str = "postgres://saga:hunter2@127.0.0.1:1/saga";

/// The program without any setting of the surroundings.
pub(crate) fn saga() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_saga"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SAGA_") {
            command.env_remove(name);
        }
    }
    command
}

#[track_caller]
pub(crate) fn check(command: &mut Command, code: i32, said: &[&str]) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&stdout),
        String::from_utf8_lossy(&stderr)
    );
    assert_eq!(status.code(), Some(code), "{text}");
    for part in said {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
    assert!(!text.contains("hunter2"), "a secret was printed:\n{text}");
}

#[test]
fn help_shows_every_variable_and_no_secret() {
    let help = ["serve", "--help"];
    let said = [
        "Postgres:",
        "Kafka:",
        "HTTP:",
        "Engine:",
        "[default: 64]",
        "SAGA_DRAIN_DELAY",
        "SAGA_DRAIN_LIMIT",
    ];
    check(
        saga().args(help).env("SAGA_DATABASE_URL", NOWHERE),
        0,
        &said,
    );
}

#[test]
fn the_program_introduces_itself_as_the_orchestrator() {
    let version = concat!("orchestrator ", env!("CARGO_PKG_VERSION"), "\n");
    check(saga().arg("--version"), 0, &[version]);
    check(saga().arg("--help"), 0, &["Runs sagas: "]);
}

#[test]
fn wrong_usage_ends_with_2_and_says_what_is_wrong() {
    check(
        saga().args(["serve", "--shards", "0"]),
        2,
        &["--shards", "1..=4096"],
    );
    check(saga().args(["serve", "--no-migrte"]), 2, &["--no-migrate"]);
    let prefix = ["topics", "list", "--topic-prefix", "a b"];
    check(saga().args(prefix), 2, &["--topic-prefix", "' '"]);
    check(
        saga().args(["definitions", "show", "nope"]),
        2,
        &["there is: none"],
    );
    let graph = ["definitions", "graph", "nope", "--format", "dot"];
    check(saga().args(graph), 2, &["no definition \"nope\""]);
}

#[test]
fn an_unknown_key_of_the_file_ends_with_2_and_a_near_match() {
    let folder = Temporary::new("saga-program").unwrap();
    let file = folder.path().join("saga.toml");
    let text = format!("listn = \"127.0.0.1:1\"\ndatabase_url = \"{NOWHERE}\"\n");
    std::fs::write(&file, text).unwrap();
    let said = ["unknown key `listn`; did you mean `listen`?"];
    check(saga().arg("serve").env("SAGA_CONFIG", &file), 2, &said);
}

#[test]
fn an_address_in_use_ends_with_1_and_names_the_flag() {
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = held.local_addr().unwrap().to_string();
    let said = [&*format!("cannot listen on {address}: "), "--listen"];
    check(saga().args(["serve", "--listen", &address]), 1, &said);
}

#[test]
fn what_is_out_of_reach_ends_with_3_and_its_address() {
    let said = ["cannot reach Postgres at 127.0.0.1:1 (database saga)"];
    check(
        saga().arg("migrate").env("SAGA_DATABASE_URL", NOWHERE),
        3,
        &said,
    );
    let folder = Temporary::new("saga-program").unwrap();
    let file = folder.path().join("url");
    std::fs::write(&file, format!("{NOWHERE}\n")).unwrap();
    check(
        saga().arg("migrate").env("SAGA_DATABASE_URL_FILE", &file),
        3,
        &said,
    );
}

/// Mistakes with a secret in them: arguments, a variable, the exit code, and words that help.
type Slip = (
    &'static [&'static str],
    (&'static str, &'static str),
    i32,
    &'static [&'static str],
);

const NO_VARIABLE: (&str, &str) = ("SAGA_LOG_LEVEL", "debug");

const SLIPS: [Slip; 12] = [
    // A password that holds a `;`, after which something looks like an option or does not.
    (
        &["serve"],
        ("SAGA_KAFKA_OPTIONS", "sasl.password=a;hunter2"),
        2,
        &["--kafka-options", "option 2"],
    ),
    (
        &["serve", "--kafka-options=sasl.password=a;hunter2=b"],
        NO_VARIABLE,
        2,
        &["option 2", "--kafka-options-file"],
    ),
    // An option whose name is mistyped, ours and the libraries'.
    (
        &["serve", "--database-ulr", NOWHERE],
        NO_VARIABLE,
        2,
        &["'--database-ulr'", "'--database-url'"],
    ),
    (
        &["serve", "--database-url:postgres://saga:hunter2@db"],
        NO_VARIABLE,
        2,
        &["'--database-url***'"],
    ),
    (&["serve", NOWHERE], NO_VARIABLE, 2, &["'***'"]),
    (&[NOWHERE], NO_VARIABLE, 2, &["'***'"]),
    (
        &["topics", "list", "--kafka-options=sasl.pasword=hunter2"],
        NO_VARIABLE,
        2,
        &["there is no option", "sasl.pasword", "--kafka-options"],
    ),
    (
        &[
            "topics",
            "list",
            "--kafka-options=security.protocol=hunter2",
        ],
        NO_VARIABLE,
        2,
        &["security.protocol", "--kafka-options"],
    ),
    (
        &["migrate"],
        (
            "SAGA_DATABASE_URL",
            "postgres://saga@127.0.0.1:1/saga?pasword=hunter2",
        ),
        3,
        &["parameter pasword", "(database saga)"],
    ),
    // A password with a character that has a meaning in a URL.
    (
        &["migrate"],
        (
            "SAGA_DATABASE_URL",
            "postgres://saga:1/hunter2@127.0.0.1:1/saga",
        ),
        2,
        &["--database-url", "%2F"],
    ),
    (
        &["migrate"],
        (
            "SAGA_DATABASE_URL",
            "postgres://saga:1#hunter2@127.0.0.1:1/saga",
        ),
        2,
        &["--database-url", "%23"],
    ),
    (
        &[
            "migrate",
            "--database-url",
            "postgres://127.0.0.1:1/saga hunter2",
        ],
        NO_VARIABLE,
        2,
        &["a blank"],
    ),
];

#[test]
fn no_mistake_prints_the_secret_that_is_in_it() {
    for (arguments, (name, value), code, said) in SLIPS {
        check(saga().args(arguments).env(name, value), code, said);
    }
}

#[test]
fn no_file_with_a_mistake_has_its_secret_printed() {
    let folder = Temporary::new("saga-program").unwrap();
    let written = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let url = written("url", "postgres://127.0.0.1:1/saga\nhunter2\n");
    check(
        saga().arg("migrate").env("SAGA_DATABASE_URL_FILE", url),
        2,
        &["--database-url-file", "more than one line"],
    );
    let options = written("options", "security.protocol=SSL\nhunter2\n");
    check(
        saga()
            .args(["topics", "list"])
            .env("SAGA_KAFKA_OPTIONS_FILE", options),
        2,
        &["--kafka-options-file", "option 2"],
    );
    let key = written("key.toml", "\"postgres://saga:hunter2@db\" = 1\n");
    check(
        saga().arg("serve").env("SAGA_CONFIG", key),
        2,
        &["unknown key `***`"],
    );
}

/// A service whose database is away.
struct Waiting {
    process: Process,
    port: u16,
    log: PathBuf,
    _folder: Temporary,
}

impl Waiting {
    fn start() -> Self {
        let folder = Temporary::new("saga-program").unwrap();
        let log = folder.path().join("log");
        let port = sagas_local::port::free().unwrap();
        let mut command = saga();
        command.args(["serve", "--listen", &format!("127.0.0.1:{port}")]);
        command.env("SAGA_DATABASE_URL", NOWHERE);
        command.stderr(File::create(&log).unwrap());
        let process = Process::spawn(&mut command).unwrap();
        let waiting = Self {
            process,
            port,
            log,
            _folder: folder,
        };
        waiting.until("it answers", || waiting.get("/healthz").is_some());
        waiting
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    #[track_caller]
    fn until(&self, what: &str, is_true: impl Fn() -> bool) {
        let deadline = Instant::now() + SOON;
        while !is_true() {
            assert!(
                Instant::now() < deadline,
                "not in time: {what}; log:\n{}",
                self.log()
            );
            std::thread::yield_now();
        }
    }

    fn connect(&self, request: &str) -> Option<TcpStream> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(SOON)).ok()?;
        stream.write_all(request.as_bytes()).ok()?;
        Some(stream)
    }

    /// The whole answer.
    fn get(&self, path: &str) -> Option<String> {
        let request = format!("GET {path} HTTP/1.1\r\nhost: saga\r\nconnection: close\r\n\r\n");
        let mut text = String::new();
        self.connect(&request)?.read_to_string(&mut text).ok()?;
        (!text.is_empty()).then_some(text)
    }
}

#[test]
fn a_service_without_its_database_is_alive_says_what_it_waits_for_and_ends_in_order() {
    let mut waiting = Waiting::start();
    let is_told = || {
        waiting
            .log()
            .contains("cannot reach Postgres at 127.0.0.1:1")
    };
    waiting.until("the log names the database", is_told);
    assert!(waiting.get("/healthz").unwrap().starts_with("HTTP/1.1 200"));
    let ready = waiting.get("/readyz").unwrap();
    assert!(ready.starts_with("HTTP/1.1 503"), "{ready}");
    assert!(
        ready.contains("cannot reach Postgres at 127.0.0.1:1"),
        "{ready}"
    );
    let status = waiting.process.stop(Signal::Terminate, SOON).unwrap();
    let log = waiting.log();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(!log.contains("hunter2"), "{log}");
    for line in log.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(line["message"].is_string(), "{line}");
    }
    // Twice a minute, however often it tries.
    assert!(log.matches("cannot reach Postgres").count() <= 3, "{log}");
}

#[test]
fn a_second_signal_ends_the_process_at_once() {
    let mut waiting = Waiting::start();
    // A request whose body never comes holds up the end, up to its limit.
    let head = "POST /v1/sagas HTTP/1.1\r\nhost: saga\r\nexpect: 100-continue\r\n\
                content-length: 9\r\n\r\n";
    let mut held = waiting.connect(head).unwrap();
    let mut wanted = [0; 12];
    held.read_exact(&mut wanted).unwrap();
    assert_eq!(&wanted, b"HTTP/1.1 100", "the service waits for the body");
    waiting.process.signal(Signal::Terminate).unwrap();
    waiting.until("the log says that it stops", || {
        waiting.log().contains("stopping")
    });
    waiting.process.signal(Signal::Interrupt).unwrap();
    let asked = Instant::now();
    let status = waiting.process.wait(SOON).unwrap().unwrap();
    assert_eq!(status.code(), Some(130), "{}", waiting.log());
    assert!(
        asked.elapsed() < Duration::from_secs(8),
        "{:?}",
        asked.elapsed()
    );
    drop(held);
}
