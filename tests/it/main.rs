//! End to end, over real Postgres and real Kafka, with every part a process of its own.
//!
//! One binary: the servers start once, when the first test needs them.

mod order;
mod process;
mod servers;
mod trouble;
mod wait;
mod world;
