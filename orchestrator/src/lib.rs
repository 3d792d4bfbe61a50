//! The saga orchestrator: stores sagas in Postgres, drives participants through Kafka, answers REST.
//!
//! What it is to do comes as settings; flags, variables and files are those of `sagas-program`.

pub mod api;
pub mod bus;
pub mod cause;
pub mod clock;
pub mod engine;
pub mod store;
