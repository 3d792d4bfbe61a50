//! The SDK of a service that takes part in sagas.
//!
//! A service registers a handler per command type. For each command the SDK opens a transaction of
//! the service's own database, asks the barrier whether the command may take effect
//! ([`sagas::barrier`]), runs the handler in it, stores the answer beside the effect, commits, and
//! replies. `docs/wire.md` is the contract that it keeps.
//!
//! ```text
//!  Kafka commands ──> poller ──> processor ──────────────> producer ──> Kafka replies
//!                       ^        one transaction per          │
//!                       │        batch: barrier, handlers     v
//!                       └──── offsets, once replies are acknowledged
//! ```
//!
//! Invariant: an effect is committed together with the answer to it, or not at all; an offset is
//! committed after the replies of everything below it. So a crash at any instant delivers commands
//! again, and none takes effect twice.
//!
//! Whether all of that can go on is told by [`Health`], for the health check of a container.
//!
//! Not here: calls that a handler makes outside the transaction that it is given. They happen as
//! often as the handler runs.
//!
//! ```no_run
//! use sagas_participant::{HandlerError, Received, Service, Settings};
//! use schemars::JsonSchema;
//! use serde::{Deserialize, Serialize};
//! use sqlx::{Postgres, Transaction};
//!
//! #[derive(Serialize, Deserialize, JsonSchema)]
//! struct ReserveStock {
//!     sku: String,
//! }
//!
//! impl sagas::Command for ReserveStock {
//!     const PARTICIPANT: &'static str = "inventory";
//!     const NAME: &'static str = "reserve-stock";
//!     const REJECTABLE: bool = true;
//!     type Reply = ();
//! }
//!
//! async fn reserve_stock(
//!     tx: &mut Transaction<'_, Postgres>,
//!     received: Received<ReserveStock>,
//! ) -> Result<(), HandlerError> {
//!     let taken = sqlx::query("UPDATE stock SET on_hand = on_hand - 1 WHERE sku = $1 AND on_hand > 0")
//!         .bind(&received.command.sku)
//!         .execute(&mut **tx)
//!         .await?;
//!     match taken.rows_affected() {
//!         0 => Err(HandlerError::rejected("out-of-stock", "nothing on hand")),
//!         _ => Ok(()),
//!     }
//! }
//!
//! # async fn run(pool: sqlx::PgPool) -> Result<(), sagas_participant::Error> {
//! let service = Service::new("inventory", Settings::new("localhost:9092", pool))
//!     .handle(reserve_stock);
//! service.migrate().await?;
//! service.run_until(async { tokio::signal::ctrl_c().await.unwrap_or_default() }).await
//! # }
//! ```

mod answering;
mod backoff;
mod batch;
mod clock;
mod connections;
mod error;
mod handler;
mod health;
mod inbox;
mod kafka;
mod outside;
mod processor;
mod purge;
mod running;
mod service;
mod settings;
#[cfg(feature = "testkit")]
pub mod testkit;
mod trouble;

pub use error::Error;
pub use handler::{BatchHandler, Handle, Handler, HandlerError, Received, Rejection};
pub use health::{Health, HealthReport, Trouble};
pub use running::Running;
pub use service::Service;
pub use settings::Settings;
