//! What programs do while a server is away: how much they compute, and how much they say.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use reqwest::Response;
use sagas_local::process::usage;
use serde_json::{Value, json};
use shop::services::ServiceName;
use shop::workload::Workload;

use crate::process;
use crate::wait::until;
use crate::world::World;

/// How long an outage is.
pub(super) const OUTAGE: Duration = Duration::from_secs(10);
/// Processor time that a program may use in an outage of 10 s: a fifth of one core, in a build that
/// is not optimized, with all its sagas waiting.
const CPU_MAX: Duration = Duration::from_secs(2);
/// Warnings and errors that a program may log in an outage: a person reads them.
const COMPLAINTS_MAX: usize = 150;

/// Every program of a world, and what it had used at one instant.
pub(super) struct Watched {
    programs: Vec<Program>,
    since: Instant,
}

struct Program {
    name: &'static str,
    pid: u32,
    log: PathBuf,
    before: Used,
}

/// Processor time, and lines of warnings and errors, so far.
struct Used {
    cpu: Duration,
    complaints: usize,
}

impl Watched {
    /// Begins to watch the first replica and all services.
    pub(super) fn begin(world: &mut World) -> Self {
        let mut programs = vec![Program::new("orchestrator", world.orchestrator(0))];
        for name in ServiceName::ALL {
            programs.push(Program::new(name.as_str(), world.service(name)));
        }
        Self {
            programs,
            since: Instant::now(),
        }
    }

    /// Nobody has computed much since the beginning, or filled the log.
    pub(super) fn assert_idle(&self) {
        let elapsed = self.since.elapsed();
        let cpu_max = CPU_MAX.mul_f64(elapsed.div_duration_f64(OUTAGE).max(1.0));
        let mut busy = Vec::new();
        for program in &self.programs {
            let (used, before) = (Used::so_far(program.pid, &program.log), &program.before);
            let cpu = used.cpu - before.cpu;
            let complaints = used.complaints - before.complaints;
            let name = program.name;
            let what = format!("{name}: {cpu:?} of processor time, {complaints} complaints");
            println!("{what} in {elapsed:.1?}");
            if cpu > cpu_max || complaints > COMPLAINTS_MAX {
                busy.push(what);
            }
        }
        assert!(
            busy.is_empty(),
            "no rest in an outage of {elapsed:?}: {busy:?}"
        );
    }
}

impl Program {
    fn new(name: &'static str, program: &process::Program) -> Self {
        let (pid, log) = (program.pid(), program.log.clone());
        let before = Used::so_far(pid, &log);
        Self {
            name,
            pid,
            log,
            before,
        }
    }
}

impl Used {
    fn so_far(pid: u32, log: &Path) -> Self {
        let text = std::fs::read_to_string(log).unwrap();
        let complains = |line: &&str| line.contains("WARN") || line.contains("ERROR");
        Self {
            cpu: usage(pid).unwrap().cpu,
            complaints: text.lines().filter(complains).count(),
        }
    }
}

/// What `/readyz` says: the status and the body.
pub(super) async fn readiness(world: &World, number: usize) -> Result<(u16, Value), String> {
    let url = format!("{}/readyz", world.url_of(number));
    let answer = world.http.get(url).send().await;
    let answer = answer.map_err(|error| error.to_string())?;
    let status = answer.status().as_u16();
    let body = answer.json().await.map_err(|error| error.to_string())?;
    Ok((status, body))
}

/// Waits until `/readyz` of the first replica says that `part` is away and `other` is not.
pub(super) async fn noticed(world: &World, part: &str, other: &str) {
    until("the outage is noticed", OUTAGE, async || {
        let (status, body) = readiness(world, 0).await?;
        let is_named = body[part] != "ok" && body[other] == "ok";
        if status == 503 && is_named {
            Ok(())
        } else {
            Err(format!("{status} {body}"))
        }
    })
    .await;
}

/// Places an order that nobody places again; gives the answer, which came within `limit`.
pub(super) async fn order_once(world: &World, seed: u64, limit: Duration) -> Response {
    let planned = Workload::new(seed, 0).next().unwrap();
    let body = json!({ "saga": "place-order", "input": planned.order });
    let request = world.http.post(format!("{}/v1/sagas", world.url_of(0)));
    let sent = Instant::now();
    let answer = request.json(&body).send().await.unwrap();
    assert!(
        sent.elapsed() < limit,
        "answered after {:?}",
        sent.elapsed()
    );
    answer
}

/// The answer says 503, when to come back, and what it is about.
pub(super) async fn assert_come_back_later(answer: Response) {
    let status = answer.status();
    let comes_back = answer.headers().get("retry-after").cloned();
    let kind = answer.headers().get("content-type").cloned();
    let text = answer.text().await.unwrap();
    assert_eq!(status, 503, "{text}");
    assert!(comes_back.is_some(), "no Retry-After: {text}");
    assert_eq!(kind.unwrap(), "application/problem+json");
}
