//! The orchestrator with the benchmark's saga.

use std::process::ExitCode;

/// A lane allocates on one thread what others free: worth a quarter of the processor time.
#[global_allocator]
static ALLOCATOR: sagas_allocator::Mimalloc = sagas_allocator::Mimalloc;

fn main() -> ExitCode {
    sagas_program::main(bench::steps3::registry())
}
