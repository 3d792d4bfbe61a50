//! The shop on real Postgres: what its services do with data, and what the auditor sees.

mod audit;
mod fixture;
mod play;
mod services;
