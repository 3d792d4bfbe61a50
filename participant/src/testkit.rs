//! The barrier's cases for your own handlers and your own database, without Kafka.
//!
//! ```text
//!   Kit ──► case ──► Bench ──► answering (as in production) ──► your handlers, your database
//!                      └─► what was sent, what came, how many effects stand ──► Report
//! ```
//!
//! Commands take the way that they take in production, from the decoded message to the committed
//! answer: the inbox, the transaction, the savepoints and the retries are the same code. What the
//! cases find is what the inbox cannot prevent: effects outside the transaction that a handler is
//! given, a compensation that leaves something behind or says no, a batch whose members spoil each
//! other.
//!
//! Invariant: a case is judged by answers and by effects, never by answers alone; the first case
//! proves that the probes see an effect, so that the others can fail.
//!
//! Not here: Kafka and the wire. `saga conformance` asks a running service, in any language.
//!
//! ```no_run
//! # use sagas_participant::{HandlerError, Received, Service, Settings, testkit::Kit};
//! # use sqlx::{Postgres, Transaction};
//! # #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
//! # struct ReserveStock { order: u32 }
//! # #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
//! # struct ReleaseStock { order: u32 }
//! # impl sagas::Command for ReserveStock {
//! #     const PARTICIPANT: &'static str = "inventory";
//! #     const NAME: &'static str = "reserve-stock";
//! #     const REJECTABLE: bool = true;
//! #     type Reply = ();
//! # }
//! # impl sagas::Command for ReleaseStock {
//! #     const PARTICIPANT: &'static str = "inventory";
//! #     const NAME: &'static str = "release-stock";
//! #     const REJECTABLE: bool = false;
//! #     type Reply = ();
//! # }
//! # fn inventory(settings: Settings) -> Service { Service::new("inventory", settings) }
//! # fn fresh() -> u32 { 1 }
//! # async fn test(pool: sqlx::PgPool) {
//! Kit::new(pool, inventory, || ReserveStock { order: fresh() })
//!     .compensation(|reserve| ReleaseStock { order: reserve.order })
//!     .effects("SELECT count(*) FROM reservation WHERE state = 'held'")
//!     .run().await.assert_passed();
//! # }
//! ```

use std::sync::Arc;

use sagas::Command;
pub use sagas::barrier::{CaseReport, Report, Verdict};
use sqlx::PgPool;

use crate::{Service, Settings};

mod bench;
mod case;
mod fault;
mod instance;
mod plan;
mod standby;

use plan::{Plan, Sample, json};

/// The cases, and what they are tried on.
#[must_use = "nothing is tried before it is run"]
pub struct Kit<F> {
    database: PgPool,
    superuser: Option<PgPool>,
    service: Box<dyn Fn(Settings) -> Service + Send + Sync>,
    forward: Box<dyn Fn() -> F + Send + Sync>,
    undo: Option<Undo<F>>,
    refused: Option<Box<dyn Fn() -> F + Send + Sync>>,
    effects: Vec<&'static str>,
}

struct Undo<F> {
    command: &'static str,
    payload: UndoPayload<F>,
}

type UndoPayload<F> = Box<dyn Fn(&F) -> Vec<u8> + Send + Sync>;

impl<F: Command> Kit<F> {
    /// The cases for a forward command `F`.
    ///
    /// `database` has the service's tables and whatever `F` needs to succeed; the inbox is made
    /// here. It belongs to the kit while it runs: what others write meanwhile would be taken for
    /// effects. `service` is called once for each instance that a case starts. `forward` gives a
    /// payload that the service does not refuse, with ids of its own each time; all of them have
    /// effects of the same size.
    pub fn new(
        database: PgPool,
        service: impl Fn(Settings) -> Service + Send + Sync + 'static,
        forward: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self {
        Self {
            database,
            superuser: None,
            service: Box::new(service),
            forward: Box::new(forward),
            undo: None,
            refused: None,
            effects: Vec::new(),
        }
    }

    /// The command that undoes `F`. Without it, the cases with a compensation are skipped.
    pub fn compensation<C: Command>(
        mut self,
        undo: impl Fn(&F) -> C + Send + Sync + 'static,
    ) -> Self {
        self.undo = Some(Undo {
            command: C::NAME,
            payload: Box::new(move |forward| json(&undo(forward))),
        });
        self
    }

    /// A payload that the service refuses for a business reason. Without it, the refused command
    /// is skipped, and bad neighbours are only unreadable or in trouble.
    pub fn refused(mut self, refused: impl Fn() -> F + Send + Sync + 'static) -> Self {
        self.refused = Some(Box::new(refused));
        self
    }

    /// A superuser of the database's server, which must be the kit's own: no commit there returns
    /// while the kit has sent its standby away (`synchronous_standby_names`). Without it, the case
    /// of answers that a failover would take back is skipped.
    pub fn superuser(mut self, superuser: PgPool) -> Self {
        self.superuser = Some(superuser);
        self
    }

    /// A query of one number that tells how much effect stands: a count, or a sum. Each call adds
    /// one; at least one of them has to change when `F` takes effect.
    ///
    /// A sum over what the business counts (pieces on hand) sees more than a count of rows: a
    /// compensation that takes effect twice moves it twice.
    pub fn effects(mut self, query: &'static str) -> Self {
        self.effects.push(query);
        self
    }

    /// Runs all cases, one after the other.
    pub async fn run(self) -> Report {
        let forward = Arc::from(self.forward);
        let compensation = self.undo.as_ref().map(|undo| undo.command);
        let refused = self
            .refused
            .map(|refused| -> plan::Payload { Box::new(move || json(&refused())) });
        let plan = Plan {
            database: self.database,
            superuser: self.superuser,
            service: self.service,
            participant: F::PARTICIPANT,
            forward: F::NAME,
            compensation,
            sample: Box::new(sample(forward, self.undo)),
            refused,
            effects: self.effects,
        };
        case::run_all(&plan).await
    }
}

fn sample<F: Command>(
    forward: Arc<dyn Fn() -> F + Send + Sync>,
    undo: Option<Undo<F>>,
) -> impl Fn() -> Sample + Send + Sync {
    move || {
        let forward = forward();
        Sample {
            undo: undo.as_ref().map(|undo| (undo.payload)(&forward)),
            forward: json(&forward),
        }
    }
}

impl<F> std::fmt::Debug for Kit<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kit")
            .field("effects", &self.effects)
            .finish_non_exhaustive()
    }
}
