//! What tests of sagas share.

pub mod invariants;
