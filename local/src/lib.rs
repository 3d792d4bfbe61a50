//! Real servers on this machine: Postgres and Kafka for tests, benchmarks, the demo and `saga dev`.
//!
//! ```text
//!   Postgres, Kafka        what they are: options, readiness, stop, kill, start again
//!        │
//!   process::Process       one supervised child in a process group of its own
//!        │
//!   Guard (`sh` on a pipe)  ends the child, and removes its folder, when this process dies first
//! ```
//!
//! Invariant: whatever ends this process, SIGKILL included, no server and no temporary folder that
//! it started outlives it. Servers listen on 127.0.0.1 alone.
//!
//! The API blocks: asynchronous callers wrap it in `spawn_blocking`. It starts no container, it
//! downloads nothing and it installs nothing; `cargo xtask` does.

mod account;
mod error;
pub mod folder;
mod guard;
pub mod kafka;
pub mod port;
pub mod postgres;
pub mod process;
pub mod program;

pub use error::Error;
pub use kafka::{Kafka, KafkaOptions};
pub use postgres::{Postgres, PostgresOptions};
