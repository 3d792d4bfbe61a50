//! The doubles, calibrated: one suite of contracts, run on each double and on the real server.
#![allow(
    clippy::unwrap_used,
    reason = "clippy sees tests only inside `#[cfg(test)]`"
)]

mod bus;
mod database;
mod random;
mod sample;
mod store;
