//! The start of the service: the schema, the topics, then the engine.
//!
//! What is away is waited for, without end and aloud, because the parts of a deployment start in
//! any order. What is wrong and stays wrong ends the start with a text that says what to do.

use super::Failure;
use super::failure::chain;
use super::patience::Patience;
use crate::api::{Backend, Startup};
use crate::bus;
use crate::engine::{Engine, Settings, StartError};
use crate::registry::Registry;
use crate::store::{self, Store};

/// What the start needs.
pub(super) struct Plan {
    pub(super) registry: Registry,
    pub(super) store: Store,
    /// `Postgres at host:port`, for people.
    pub(super) postgres: String,
    pub(super) engine: Settings,
    pub(super) is_migrating: bool,
    /// Whether topics are created and checked; somebody else has done it otherwise.
    pub(super) is_ensuring_topics: bool,
    pub(super) backend: Backend,
}

impl Plan {
    /// Brings everything up.
    pub(super) async fn engine(self) -> Result<Engine, Failure> {
        self.prepare_schema().await?;
        self.prepare_topics().await?;
        self.start_engine().await
    }

    async fn prepare_schema(&self) -> Result<(), Failure> {
        let mut patience = Patience::new();
        loop {
            let Err(error) = prepare(&self.store, self.is_migrating).await else {
                let kafka = Some("not asked yet".to_owned());
                let postgres = None;
                self.backend.waits_for(Startup { postgres, kafka });
                return Ok(());
            };
            let text = format!("cannot reach {}: {}", self.postgres, chain(&error));
            if !is_away(&error, &self.store).await {
                return Err(schema_failure(&self.postgres, &error));
            }
            let kafka = Some("not asked yet".to_owned());
            let postgres = Some(text.clone());
            self.backend.waits_for(Startup { postgres, kafka });
            patience.bear(&text).await;
        }
    }

    async fn prepare_topics(&self) -> Result<(), Failure> {
        if !self.is_ensuring_topics {
            return Ok(());
        }
        let mut patience = Patience::new();
        let participants = self.registry.participants();
        loop {
            match bus::topics::ensure(&self.engine.bus, &participants).await {
                Ok(warnings) => {
                    for warning in warnings {
                        tracing::warn!("{warning}");
                    }
                    return Ok(());
                }
                Err(error) => self.bear_kafka(&mut patience, &error).await?,
            }
        }
    }

    async fn bear_kafka(&self, patience: &mut Patience, error: &bus::Error) -> Result<(), Failure> {
        let brokers = &self.engine.bus.brokers;
        let text = format!("cannot prepare Kafka at {brokers}: {}", chain(error));
        let kafka = Some(text.clone());
        let postgres = None;
        self.backend.waits_for(Startup { postgres, kafka });
        patience.bear(&text).await;
        Ok(())
    }

    async fn start_engine(self) -> Result<Engine, Failure> {
        let mut patience = Patience::new();
        loop {
            let (registry, store) = (self.registry.clone(), self.store.clone());
            match Engine::start(registry, store, self.engine.clone()).await {
                Ok(engine) => return Ok(engine),
                Err(StartError::Store(error)) if is_away(&error, &self.store).await => {
                    let text = format!("cannot reach {}: {}", self.postgres, chain(&error));
                    let postgres = Some(text.clone());
                    let kafka = None;
                    self.backend.waits_for(Startup { postgres, kafka });
                    patience.bear(&text).await;
                }
                Err(error) => {
                    let text = format!("cannot start the engine: {}", chain(&error));
                    return Err(Failure::Failed(text));
                }
            }
        }
    }
}

/// Migrates, or checks that somebody has.
pub(super) async fn prepare(store: &Store, is_migrating: bool) -> Result<(), store::Error> {
    // The ping tells a database that is away from a migration that fails.
    store.ping().await?;
    if is_migrating {
        store.migrate().await
    } else {
        store.check_schema().await
    }
}

/// Whether waiting may help.
async fn is_away(error: &store::Error, store: &Store) -> bool {
    match error {
        store::Error::Unavailable(_) => true,
        // The database may have gone away in the middle of it.
        store::Error::Migration(_) => store.ping().await.is_err(),
        _ => false,
    }
}

/// Why the schema cannot be used, and what to do about it.
pub(super) fn schema_failure(postgres: &str, error: &store::Error) -> Failure {
    let text = chain(error);
    match error {
        store::Error::Unavailable(_) => Failure::Unreachable(format!(
            "cannot reach {postgres}: {text}; see --database-url"
        )),
        store::Error::NotMigrated { .. } => {
            Failure::Failed(format!("{postgres}: {text}, or start without --no-migrate"))
        }
        _ => Failure::Failed(format!("{postgres}: {text}")),
    }
}
