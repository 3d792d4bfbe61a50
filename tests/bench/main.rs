//! Every workload of the benchmark, for a second each, on real Postgres and real Kafka.
//!
//! Only that each runs, and that every saga ended as it had to, which the program checks itself.
//! Nothing here is about speed: the programs are debug builds, and other tests may run beside.

use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The workloads, in the order in which they run.
const WORKLOADS: [&str; 12] = [
    "steps3",
    "refused",
    "mixed",
    "payloads",
    "latency",
    "admission",
    "replicas",
    "recovery",
    "idle",
    "aging",
    "away",
    "shop",
];

/// The program as cargo built it: this test lies in `deps`, beside it.
fn bench() -> PathBuf {
    let test = std::env::current_exe().expect("a running program has a file");
    let folder = test.ancestors().nth(2);
    let program = folder.expect("it lies two folders deep").join("bench");
    let shown = program.display();
    assert!(
        program.is_file(),
        "{shown} is not built; run: cargo build --workspace --bins"
    );
    program
}

#[test]
fn every_workload_runs_and_leaves_no_saga_behind() {
    let mut command = Command::new(bench());
    command.args(["all", "--short", "--json"]);
    // What the workloads say while they run is shown when the test fails.
    let output = command.stdin(Stdio::null()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}:\n{told}", output.status);
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let reports = found["reports"].as_array().unwrap();
    let names: Vec<_> = reports
        .iter()
        .filter_map(|report| report["workload"].as_str())
        .collect();
    assert_eq!(names, WORKLOADS, "{told}");
    for report in reports {
        for load in report["loads"].as_array().unwrap() {
            let rounds = load["rounds"].as_array().unwrap();
            assert_eq!(rounds.len(), 1, "{load}");
        }
    }
    // Every goal has its figure; those beside another engine have none here.
    let goals = found["goals"].as_array().unwrap();
    let missing = goals.iter().filter(|goal| goal["measured"].is_null());
    let missing: Vec<_> = missing.filter_map(|goal| goal["what"].as_str()).collect();
    assert!(
        missing.len() == 2 && missing.iter().all(|what| what.contains("Restate")),
        "{missing:?}"
    );
}

#[test]
fn an_argument_that_is_unknown_ends_it_before_anything_starts() {
    let output = Command::new(bench()).args(["all", "--shrt"]).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("--shrt"), "{told}");
}
