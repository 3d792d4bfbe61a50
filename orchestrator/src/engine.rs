//! The engine: the only place where a transition is committed.
pub mod lane;
pub(crate) mod rendezvous;
pub mod submission;
