//! The decisions of one orchestrator replica, without I/O.
//!
//! Invariant: nothing here can name Postgres, Kafka or a runtime, reads a clock, rolls a die or logs.
//! Time and identities are arguments, and what a person should read comes out as a fact.

pub mod cause;
pub mod commit_error;

pub use cause::Cause;
pub use commit_error::CommitError;
