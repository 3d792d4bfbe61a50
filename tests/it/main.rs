//! End to end, over real Postgres and real Kafka, with every part a process of its own.
//!
//! One binary: the servers start once, when the first test needs them.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on panics, and says where"
)]
#![allow(
    clippy::print_stdout,
    reason = "tests say what they measured; shown when they fail, or when asked for"
)]

mod broker;
mod conformance;
mod events;
mod foreign;
mod gates;
mod order;
mod outbox;
mod participants;
mod process;
mod replies;
mod rest;
mod said;
mod servers;
mod topics;
mod trouble;
mod wait;
mod world;
