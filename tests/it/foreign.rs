//! A participant in another language, written from `docs/wire.md` alone, takes the place of the
//! payments service: `tests/foreign/payments.py`.
//!
//! Its Python environment is made here, below the target folder, when it is missing or when what is
//! to be in it has changed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use shop::services::ServiceName;
use shop::workload::{Fate, Planned, Workload};
use sqlx::PgPool;
use uuid::Uuid;

use crate::process::{Program, target};
use crate::world::{SOON, World};

const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/foreign");
/// How it exits after the commits that it was told to crash after.
const CRASHED: i32 = 70;
/// A member of the group that was killed is missed after 6 s; with what is left to do, on a machine
/// that does other things, too.
const AFTER_A_CRASH: Duration = Duration::from_secs(90);

#[tokio::test(flavor = "multi_thread")]
async fn payments_in_python_refuse_crash_and_come_back_and_the_books_agree() {
    let world = World::without(ServiceName::Payments).await;
    let mut service = payments(&world, None).await;
    let orders = Workload::new(11, 40).take(40).collect();
    let sagas = place(&world, orders).await;
    assert_eq!(
        world.audited(SOON).await.exit_code(),
        0,
        "{}",
        service.tail()
    );
    for (saga, planned) in &sagas {
        ended_as_planned(&world, *saga, planned).await;
    }
    let status = tokio::task::block_in_place(|| service.terminate(SOON));
    assert!(status.success(), "{status}: {}", service.tail());

    // It crashes after commits whose replies have not left, and again before it has caught up.
    let mut service = payments(&world, Some(9)).await;
    let orders = Workload::new(12, 40).take(40).collect();
    let sagas = place(&world, orders).await;
    crashed(&mut service);
    crashed(&mut payments(&world, Some(5)).await);
    let _service = payments(&world, None).await;
    assert_eq!(world.audited(AFTER_A_CRASH).await.exit_code(), 0);
    for (saga, planned) in &sagas {
        ended_as_planned(&world, *saga, planned).await;
    }
}

/// Starts the service, on a database that has the shop's tables and its seed.
pub(crate) async fn payments(world: &World, crash_after_commits: Option<u32>) -> Program {
    // Made once, whichever test comes first.
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    let python = tokio::task::spawn_blocking(|| PYTHON.get_or_init(environment));
    let python = python.await.unwrap();
    let payments = ServiceName::Payments;
    let pool = PgPool::connect(world.database_of(payments)).await.unwrap();
    payments.migrate(&pool).await.unwrap();
    let mut connection = pool.acquire().await.unwrap();
    payments.seed(&mut connection).await.unwrap();
    let mut command = Command::new(python);
    command.arg(Path::new(SOURCES).join("payments.py"));
    let prefix = world.servers.prefix();
    command.args(["--brokers", &world.servers.brokers()]);
    command.args(["--prefix", prefix]);
    command.args(["--group", &sagas::wire::topics::group(prefix, "payments")]);
    command.args(["--database-url", world.database_of(ServiceName::Payments)]);
    if let Some(commits) = crash_after_commits {
        command.args(["--crash-after-commits", &commits.to_string()]);
    }
    // Its sources are not the place for what Python compiles.
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    Program::start(command, world.log("payments-py"))
}

async fn place(world: &World, orders: Vec<Planned>) -> Vec<(Uuid, Planned)> {
    let mut sagas = Vec::new();
    for planned in orders {
        sagas.push((world.submit(&planned.order).await, planned));
    }
    sagas
}

async fn ended_as_planned(world: &World, saga: Uuid, planned: &Planned) {
    let shown = world.saga(saga).await;
    if planned.fate == Fate::Confirmed {
        assert_eq!(shown["state"], "completed", "{shown}");
    } else {
        assert_eq!(shown["state"], "compensated", "{shown}");
        let step = shown["reason"]["step"].as_str().unwrap();
        assert!(planned.fate.refused_at().contains(&step), "{shown}");
    }
}

#[track_caller]
fn crashed(service: &mut Program) {
    let status = tokio::task::block_in_place(|| service.process.wait(AFTER_A_CRASH)).unwrap();
    let code = status.and_then(|status| status.code());
    assert_eq!(code, Some(CRASHED), "{status:?}: {}", service.tail());
}

/// The interpreter of an environment that has what the script needs.
fn environment() -> PathBuf {
    let requirements = Path::new(SOURCES).join("requirements.txt");
    let wanted = std::fs::read_to_string(&requirements).unwrap();
    let folder = target().join("foreign-venv");
    let python = folder.join("bin/python");
    // Written last: half an environment is none.
    let made_for = folder.join("made-for.txt");
    if std::fs::read_to_string(&made_for).is_ok_and(|made| made == wanted) && python.exists() {
        return python;
    }
    let mut create = Command::new("python3");
    create.args(["-m", "venv", "--clear"]).arg(&folder);
    run(&mut create);
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--disable-pip-version-check"]);
    install.args(["--only-binary", ":all:", "--quiet", "--requirement"]);
    run(install.arg(&requirements));
    std::fs::write(made_for, wanted).unwrap();
    python
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success(), "{command:?}: {said}");
}
