//! Children are frozen, stopped and killed, and end when the process that started them is killed.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sagas_local::process::{Process, Signal, usage};

fn sh(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

#[track_caller]
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not within 20 s");
        std::thread::yield_now();
    }
}

/// A process that has ended but is not reaped yet counts as gone.
fn is_gone(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| {
        stat.rsplit_once(") ")
            .is_none_or(|(_, rest)| rest.starts_with('Z'))
    })
}

fn read_pid(file: &Path) -> Option<u32> {
    std::fs::read_to_string(file)
        .ok()?
        .strip_suffix('\n')?
        .parse()
        .ok()
}

#[test]
fn a_process_that_ends_when_asked_is_not_killed() {
    let folder = sagas_local::folder::Temporary::new("local-test").unwrap();
    let ready = folder.path().join("ready");
    let script = format!(
        "trap 'exit 7' TERM; : > {}; while :; do sleep 0.01; done",
        ready.display()
    );
    let mut process = Process::spawn(&mut sh(&script)).unwrap();
    wait_until("the trap is set", || ready.exists());
    let status = process
        .stop(Signal::Terminate, Duration::from_secs(20))
        .unwrap();
    assert_eq!(status.code(), Some(7));
    assert!(matches!(
        process.signal(Signal::Kill),
        Err(sagas_local::Error::NotRunning { .. })
    ));
}

#[test]
fn a_process_that_does_not_end_when_asked_is_killed() {
    let folder = sagas_local::folder::Temporary::new("local-test").unwrap();
    let ready = folder.path().join("ready");
    let script = format!(
        "trap '' TERM; : > {}; while :; do sleep 0.01; done",
        ready.display()
    );
    let mut process = Process::spawn(&mut sh(&script)).unwrap();
    wait_until("the trap is set", || ready.exists());
    let status = process
        .stop(Signal::Terminate, Duration::from_millis(50))
        .unwrap();
    assert_eq!(status.code(), None, "{status}");
}

#[test]
fn a_frozen_process_uses_no_time_and_goes_on_when_told() {
    let mut process = Process::spawn(&mut sh("while :; do :; done")).unwrap();
    let pid = process.pid();
    wait_until("it works", || usage(pid).unwrap().cpu > Duration::ZERO);
    process.signal(Signal::Stop).unwrap();
    let state = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    wait_until("it is frozen", || state().contains(") T "));
    assert_eq!(process.exited().unwrap(), None);
    let frozen = usage(pid).unwrap().cpu;
    process.signal(Signal::Continue).unwrap();
    wait_until("it works again", || usage(pid).unwrap().cpu > frozen);
}

#[test]
fn a_dropped_process_takes_its_children_with_it() {
    let folder = sagas_local::folder::Temporary::new("local-test").unwrap();
    let file = folder.path().join("pid");
    let script = format!("sleep 600 & echo $! > {}; wait", file.display());
    let process = Process::spawn(&mut sh(&script)).unwrap();
    wait_until("the child has started", || read_pid(&file).is_some());
    let child = read_pid(&file).unwrap();
    assert!(!is_gone(child));
    drop(process);
    wait_until("the child is gone", || is_gone(child));
}

/// Not a test of its own: [`a_killed_owner_leaves_neither_process_nor_folder`] runs this binary
/// again with a file to report to, and kills it.
#[test]
fn an_owner_reports_and_waits_for_its_end() {
    let Some(report) = std::env::var_os("LOCAL_TEST_OWNER_REPORT") else {
        return;
    };
    let folder = sagas_local::folder::Temporary::new("local-test").unwrap();
    std::fs::write(folder.path().join("file"), "content").unwrap();
    let process = Process::spawn(&mut sh("sleep 600 & wait")).unwrap();
    let text = format!("{}\n{}\n", process.pid(), folder.path().display());
    let draft = Path::new(&report).with_extension("draft");
    std::fs::write(&draft, text).unwrap();
    std::fs::rename(&draft, &report).unwrap();
    loop {
        std::thread::park();
    }
}

#[test]
fn a_killed_owner_leaves_neither_process_nor_folder() {
    let folder = sagas_local::folder::Temporary::new("local-test").unwrap();
    let report = folder.path().join("report");
    let mut owner = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "an_owner_reports_and_waits_for_its_end"])
        .env("LOCAL_TEST_OWNER_REPORT", &report)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wait_until("the owner has reported", || report.exists());
    let text = std::fs::read_to_string(&report).unwrap();
    let (pid, path) = text.trim().split_once('\n').unwrap();
    let (pid, path) = (pid.parse().unwrap(), Path::new(path));
    assert!(!is_gone(pid) && path.exists());

    owner.kill().unwrap();
    owner.wait().unwrap();
    wait_until("its process is gone", || is_gone(pid));
    wait_until("its folder is gone", || !path.exists());
}
