//! The orchestrator with the benchmark's saga.

use std::process::ExitCode;

fn main() -> ExitCode {
    orchestrator::main(bench::steps3::registry())
}
