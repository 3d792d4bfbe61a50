//! The store on a real Postgres and the bus on a real Kafka. One binary: one server of each.

#![allow(
    clippy::unwrap_used,
    reason = "clippy sees tests only inside `#[cfg(test)]`"
)]

mod address;
mod broker;
mod bus;
mod columns;
mod commit;
mod database;
mod durability;
mod foreign;
mod lacking;
mod letters;
mod log;
mod outbox;
mod overview;
mod plans;
mod reading;
mod refused;
mod retention;
mod sample;
mod schema;
mod sql;
mod standby;
mod texts;
mod topics;
mod trouble;
