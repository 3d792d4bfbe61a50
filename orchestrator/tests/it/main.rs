//! The store on a real Postgres and the bus on a real Kafka. One binary: one server of each.

#![allow(
    clippy::unwrap_used,
    reason = "clippy sees tests only inside `#[cfg(test)]`"
)]

mod broker;
mod bus;
mod commit;
mod database;
mod outbox;
mod overview;
mod reading;
mod sample;
mod schema;
mod trouble;
