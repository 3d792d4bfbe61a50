//! The program without definitions of its own: it migrates, shows, and serves what needs none.
//!
//! A business links the library into its own binary, whose `main` is the same line with its
//! definitions.

use std::process::ExitCode;

use sagas_program::Registry;

/// A lane allocates on one thread what others free: worth a quarter of the processor time.
#[global_allocator]
static ALLOCATOR: sagas_allocator::Mimalloc = sagas_allocator::Mimalloc;

fn main() -> ExitCode {
    sagas_program::main(Registry::new())
}
