//! The orchestrator with the shop's sagas: all that a user's `main` needs.

use std::process::ExitCode;

fn main() -> ExitCode {
    orchestrator::main(shop::registry())
}
