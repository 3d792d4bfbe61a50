//! Deterministic simulation of the whole service: one thread, one seed, virtual time.
//!
//! ```text
//!   seed ─► World ─► events in order of virtual time ─► Journal ─► check ─► Violations
//!            │
//!            ├ production: sagas_core, clock; sagas' barrier and wire
//!            └ doubles:    store, bus, participants, clients, what goes wrong between them
//! ```
//!
//! Invariant: production decides, only I/O is doubled; and a seed is a run, to the last line of its
//! trace. The doubles are calibrated: `tests/` runs one contract suite on them and on real servers.
//!
//! It proves nothing about SQL, sockets or threads; the end-to-end tests do.

pub mod agenda;
pub mod bus;
pub mod check;
pub mod commands;
pub mod faults;
pub mod journal;
pub mod layout;
pub mod recipe;
pub mod rng;
pub mod run;
pub mod seeded;
pub mod store;
pub mod trace;
pub mod world;

pub use run::{Outcome, SAGAS, run};
