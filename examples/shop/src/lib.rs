//! An order business on sagas: four services, each with its own database, and an audit of them all.
//!
//! ```text
//!   client ── REST ──> orchestrator ── Kafka ──> orders, inventory, payments, shipping
//!                          │                       │        │         │         │
//!                       Postgres                Postgres Postgres  Postgres  Postgres
//!                          └────────────── shop audit ──────────────────────────┘
//! ```
//!
//! Begin with [`place_order`], the saga; then [`commands`], what the services can be told; then one
//! service, for example [`inventory`]. [`audit`] says whether the books of all of them agree.

pub mod audit;
pub mod cli;
pub mod client;
pub mod commands;
pub mod demo;
pub mod inventory;
pub mod orders;
pub mod payments;
pub mod place_order;
mod registry;
pub mod seed;
pub mod services;
pub mod shipping;
pub mod stage;
pub mod workload;

pub use registry::registry;
