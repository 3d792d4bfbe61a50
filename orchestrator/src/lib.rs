//! The saga orchestrator: stores sagas in Postgres, drives participants through Kafka, answers REST.

pub mod bus;
pub mod clock;
pub mod engine;
pub mod registry;
pub mod store;

pub use registry::Registry;
