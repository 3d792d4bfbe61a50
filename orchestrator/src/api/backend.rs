//! What handlers share: definitions, store, limits, and the engine once it runs.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use sagas_core::Registry;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::counts::Counting;
use super::inputs::{Inputs, SchemaError};
use super::keys::Keys;
use super::problem::{Kind, Problem};
use crate::engine::{self, Engine};
use crate::store::Store;

/// The bounds of one request.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Largest body.
    pub body_bytes_max: usize,
    /// Deepest nesting of a JSON body.
    pub json_depth_max: u8,
    /// Longest time to read a request, and then to answer it, beside a wait that was asked for.
    pub request: Duration,
    /// Longest wait that can be asked for.
    pub wait_max: Duration,
    /// Most requests in progress.
    pub requests_max: usize,
}

/// What the service still waits for before it can take work.
#[derive(Debug, Clone, Default)]
pub struct Startup {
    /// `None`: it answers. Otherwise what is wrong, for operators.
    pub postgres: Option<String>,
    /// Likewise.
    pub kafka: Option<String>,
}

/// Shared by all handlers; cheap to clone.
#[derive(Clone)]
pub struct Backend(Arc<Inner>);

struct Inner {
    registry: Registry,
    inputs: Inputs,
    keys: Keys,
    store: Store,
    limits: Limits,
    requests: Arc<Semaphore>,
    counting: Counting,
    startup: RwLock<Startup>,
    engine: OnceLock<Engine>,
    leaving: AtomicBool,
    draining: CancellationToken,
    /// How many there are to be, until an engine knows how many there are.
    reply_partitions: u32,
}

impl Backend {
    /// A backend that answers health, definitions and the page; work, once [`Self::started`]. It reads
    /// from this store, and changes nothing by it. Must be called inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// When the schema of a definition's input cannot be compiled.
    pub fn new(
        registry: Registry,
        store: Store,
        limits: Limits,
        reply_partitions: u32,
    ) -> Result<Self, SchemaError> {
        let waits = || Some("has not answered yet".to_owned());
        let startup = Startup {
            postgres: waits(),
            kafka: waits(),
        };
        Ok(Self(Arc::new(Inner {
            inputs: Inputs::compile(&registry)?,
            registry,
            keys: Keys::of(store.clone()),
            store,
            limits,
            requests: Arc::new(Semaphore::new(limits.requests_max)),
            counting: Counting::default(),
            startup: RwLock::new(startup),
            engine: OnceLock::new(),
            leaving: AtomicBool::new(false),
            draining: CancellationToken::new(),
            reply_partitions,
        })))
    }

    /// From now on, sagas are taken. Only the first engine counts.
    pub fn started(&self, engine: Engine) {
        let _ = self.0.engine.set(engine);
    }

    /// What the start waits for; shown by `/readyz`.
    pub fn waits_for(&self, startup: Startup) {
        let mut held = self
            .0
            .startup
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *held = startup;
    }

    /// Not ready any more, so that load balancers send new work elsewhere. What still comes is taken.
    pub fn leave(&self) {
        self.0.leaving.store(true, Ordering::Relaxed);
    }

    /// Takes no new work any more.
    pub fn drain(&self) {
        self.leave();
        self.0.draining.cancel();
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.0.leaving.load(Ordering::Relaxed)
    }

    pub(super) fn is_draining(&self) -> bool {
        self.0.draining.is_cancelled()
    }

    /// Ends when the replica is to stop.
    pub(super) async fn drained(&self) {
        self.0.draining.cancelled().await;
    }

    pub(super) fn startup(&self) -> Startup {
        let held = self
            .0
            .startup
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        held.clone()
    }

    pub(super) fn running(&self) -> Option<&Engine> {
        self.0.engine.get()
    }

    /// The engine; a problem that says what the start waits for while there is none.
    pub(super) fn engine(&self) -> Result<&Engine, Problem> {
        if self.is_draining() {
            return Err(Problem::stopping());
        }
        self.running().ok_or_else(|| {
            let startup = self.startup();
            // One after the other: Kafka is not asked before Postgres has answered.
            let part = match (&startup.postgres, &startup.kafka) {
                (Some(_), _) => "Postgres",
                (None, Some(_)) => "Kafka",
                (None, None) => "its own parts",
            };
            let detail = format!("the service starts and waits for {part}; GET /readyz says more");
            Problem::new(Kind::Unavailable, detail)
        })
    }

    /// Why a new submission has no chance; what there is no engine for finds out later.
    pub(super) fn refusal(&self) -> Option<engine::Error> {
        self.running()?.refusal()
    }

    pub(super) fn registry(&self) -> &Registry {
        &self.0.registry
    }

    pub(super) fn inputs(&self) -> &Inputs {
        &self.0.inputs
    }

    pub(super) fn store(&self) -> &Store {
        &self.0.store
    }

    pub(super) fn keys(&self) -> &Keys {
        &self.0.keys
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.0.limits
    }

    pub(super) fn requests(&self) -> &Arc<Semaphore> {
        &self.0.requests
    }

    pub(super) fn reply_partitions(&self) -> u32 {
        self.0.reply_partitions
    }

    pub(super) fn counting(&self) -> &Counting {
        &self.0.counting
    }
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backend")
            .field("limits", &self.0.limits)
            .finish_non_exhaustive()
    }
}
