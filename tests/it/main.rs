//! End to end, over real Postgres and real Kafka, with every part a process of its own.
//!
//! One binary: the servers start once, when the first test needs them.

mod broker;
mod events;
mod order;
mod process;
mod replies;
mod rest;
mod servers;
mod trouble;
mod wait;
mod world;
