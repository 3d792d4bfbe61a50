//! The program of an orchestrator: command line, configuration, `dev` and `conformance`.
//!
//! ```text
//!   a user's `main` ─► cli ─┬─► config        flags, variables, file
//!                           ├─► conformance   the barrier's cases over Kafka
//!                           ├─► local         Postgres for `dev`
//!                           └─► orchestrator  store, bus, engine, REST
//! ```
//!
//! Invariant: only this crate knows `local`, so that the service in `orchestrator` cannot start a
//! server. Nothing here decides about a saga.

mod cli;
pub mod config;
mod conformance;
pub mod logging;
mod near;

pub use cli::main;
pub use sagas_core::Registry;
