//! The SDK over real Postgres and real Kafka: effects once, answers always.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    reason = "a test binary; nothing of it is an interface"
)]

mod answers;
mod assignment;
mod barrier;
mod connections;
mod crash;
mod gone;
mod health;
mod outside;
mod purge;
mod servers;
mod service;
mod sizes;
mod standby;
mod start;
mod testkit;
mod timeout;
mod trouble;
mod world;
