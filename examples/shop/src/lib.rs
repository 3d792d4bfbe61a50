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

pub mod commands;
pub mod place_order;
