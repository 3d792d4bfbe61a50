//! The shop's program: its services, orders to submit, the audit, the demo.

use std::process::ExitCode;

fn main() -> ExitCode {
    shop::cli::main()
}
