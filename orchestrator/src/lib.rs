//! The saga orchestrator: stores sagas in Postgres, drives participants through Kafka, answers REST.

pub mod api;
pub mod bus;
pub mod cause;
pub mod cli;
pub mod clock;
pub mod config;
mod conformance;
pub mod engine;
pub mod logging;
mod near;
pub mod store;

pub use cli::main;
pub use saga_core::Registry;
