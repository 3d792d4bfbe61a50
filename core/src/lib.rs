//! The decisions of one orchestrator replica, without I/O.
//!
//! ```text
//!   records, submissions, wakes ─► incoming, submission ─► lane ─► batch ─► the store
//!                                                           │  └─► notes  ─► the log
//!                                                           └─► outgoing ─► the broker
//! ```
//!
//! Invariant: nothing here can name Postgres, Kafka or a runtime, reads a clock, rolls a die or logs.
//! Time and identities are arguments, and what a person should read comes out as a fact. So a
//! simulator drives the code that runs in production.

pub mod admission;
pub mod batch;
pub mod cause;
pub mod clock;
pub mod commit_error;
pub mod digest;
pub mod incoming;
pub mod kind;
pub mod lane;
pub mod loaded;
pub mod look;
pub mod membership;
pub mod outgoing;
pub mod readiness;
pub mod record;
pub mod registry;
pub mod rendezvous;
pub mod route;
pub mod schedule;
pub mod submission;
pub mod sweep;
pub mod unsent;
pub mod waiters;

pub use cause::Cause;
pub use commit_error::CommitError;
pub use registry::Registry;
pub use submission::Submission;
