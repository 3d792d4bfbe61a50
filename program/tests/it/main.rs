//! The program as its users start it, some commands on a real Postgres.

#![allow(
    clippy::unwrap_used,
    reason = "clippy sees tests only inside `#[cfg(test)]`"
)]

mod database;
mod program;
mod retention;
mod schema;
