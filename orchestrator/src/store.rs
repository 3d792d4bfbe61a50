//! Postgres: the only place where a saga's state is kept.

pub mod batch;
pub mod loaded;
