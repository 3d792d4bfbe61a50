//! The start of the service: the schema, what open sagas pin, the topics, then the engine.
//!
//! What is away is waited for, without end and aloud, because the parts of a deployment start in
//! any order. What is wrong and stays wrong ends the start with a text that says what to do.

use sagas_core::Registry;
use sagas_orchestrator::api::{Backend, Startup};
use sagas_orchestrator::bus;
use sagas_orchestrator::cause::{self, Cause, chain};
use sagas_orchestrator::engine::{Engine, Settings, StartError};
use sagas_orchestrator::store::{self, Store};

use super::patience::Patience;
use super::{Failure, pins, places, topics};
use crate::config::Postgres;

/// What the start needs.
pub(super) struct Plan {
    pub(super) registry: Registry,
    pub(super) store: Store,
    pub(super) postgres: Postgres,
    pub(super) engine: Settings,
    pub(super) is_migrating: bool,
    /// Whether definitions that were changed under their version are no reason to refuse the start.
    pub(super) is_change_allowed: bool,
    /// Whether topics are created and checked; somebody else has done it otherwise.
    pub(super) is_ensuring_topics: bool,
    pub(super) backend: Backend,
}

impl Plan {
    /// Brings everything up.
    pub(super) async fn engine(self) -> Result<Engine, Failure> {
        self.prepare_schema().await?;
        self.look_at_commits().await;
        self.compare_definitions().await?;
        self.prepare_topics().await?;
        self.start_engine().await
    }

    async fn prepare_schema(&self) -> Result<(), Failure> {
        let mut patience = Patience::new();
        let not_asked = || Some("not asked yet".to_owned());
        loop {
            let Err(error) = prepare(&self.store, &self.postgres, self.is_migrating).await else {
                let (postgres, kafka) = (None, not_asked());
                self.backend.waits_for(Startup { postgres, kafka });
                return Ok(());
            };
            let Failure::Unreachable(cause) = error else {
                return Err(error);
            };
            let (postgres, kafka) = (Some(cause.to_string()), not_asked());
            self.backend.waits_for(Startup { postgres, kafka });
            patience.bear(cause.chain()).await;
        }
    }

    /// Says aloud when acknowledgements of Postgres mean less than they are taken for.
    async fn look_at_commits(&self) {
        match self.store.lax_commits().await {
            Ok(None) => {}
            Ok(Some(lax)) => tracing::warn!("{lax}"),
            Err(error) => {
                let error = chain(&error);
                tracing::warn!(error, "whether commits wait for a standby is not known");
            }
        }
    }

    async fn compare_definitions(&self) -> Result<(), Failure> {
        let mut patience = Patience::new();
        loop {
            match pins::compare(&self.registry, &self.store).await {
                Ok(differences) => return pins::judge(&differences, self.is_change_allowed),
                Err(error) => self.bear(&error, &mut patience).await?,
            }
        }
    }

    /// Waits a little if the database is away; what is wrong and stays wrong is returned.
    async fn bear(&self, error: &store::Error, patience: &mut Patience) -> Result<(), Failure> {
        let name = places::postgres_name(&self.postgres);
        if !is_away(error, &self.store).await {
            let text = format!("{name}: {}", chain(error));
            return Err(Failure::Failed(text));
        }
        let cause = cause::of(error).within(&format!("cannot use {name}"));
        let kafka = Some("not asked yet".to_owned());
        let postgres = Some(cause.to_string());
        self.backend.waits_for(Startup { postgres, kafka });
        patience.bear(cause.chain()).await;
        Ok(())
    }

    async fn prepare_topics(&self) -> Result<(), Failure> {
        if !self.is_ensuring_topics {
            return Ok(());
        }
        let mut patience = Patience::new();
        let participants = self.registry.participants();
        loop {
            match bus::topics::ensure(&self.engine.bus, &participants).await {
                Ok(findings) => {
                    for finding in findings {
                        tracing::warn!("{finding}");
                    }
                    return Ok(());
                }
                Err(error) => {
                    let Failure::Unreachable(cause) = topics::failure(&self.engine.bus, &error)
                    else {
                        return Err(topics::failure(&self.engine.bus, &error));
                    };
                    let (postgres, kafka) = (None, Some(cause.to_string()));
                    self.backend.waits_for(Startup { postgres, kafka });
                    patience.bear(cause.chain()).await;
                }
            }
        }
    }

    async fn start_engine(self) -> Result<Engine, Failure> {
        let mut patience = Patience::new();
        loop {
            let (registry, store) = (self.registry.clone(), self.store.clone());
            match Engine::start(registry, store, self.engine.clone()).await {
                Ok(engine) => return Ok(engine),
                Err(StartError::Store(error)) if is_away(&error, &self.store).await => {
                    let name = places::postgres_name(&self.postgres);
                    let cause = cause::of(&error).within(&format!("cannot reach {name}"));
                    let (postgres, kafka) = (Some(cause.to_string()), None);
                    self.backend.waits_for(Startup { postgres, kafka });
                    patience.bear(cause.chain()).await;
                }
                Err(StartError::Bus(
                    error @ (bus::Error::Unreachable { .. } | bus::Error::Missing { .. }),
                )) => {
                    let brokers = &self.engine.bus.brokers;
                    let cause = cause::of(&error).within(&format!("cannot use Kafka at {brokers}"));
                    let (postgres, kafka) = (None, Some(cause.to_string()));
                    self.backend.waits_for(Startup { postgres, kafka });
                    patience.bear(cause.chain()).await;
                }
                Err(error) => {
                    let text = format!("cannot start the engine: {}", chain(&error));
                    return Err(Failure::Failed(text));
                }
            }
        }
    }
}

/// Migrates, or checks that somebody has. [`Failure::Unreachable`] is worth waiting for.
pub(super) async fn prepare(
    store: &Store,
    settings: &Postgres,
    is_migrating: bool,
) -> Result<(), Failure> {
    let name = places::postgres_name(settings);
    if let Some(trouble) = places::postgres_trouble(settings).await {
        let cause = Cause::ours(format!("cannot reach {name}: {trouble}"));
        return Err(Failure::Unreachable(cause));
    }
    let prepared = async {
        // The ping tells a database that is away from a migration that fails.
        store.ping().await?;
        if is_migrating {
            store.migrate().await
        } else {
            store.check_schema().await
        }
    };
    let Err(error) = prepared.await else {
        return Ok(());
    };
    let text = chain(&error);
    if is_away(&error, store).await {
        let cause = cause::of(&error).within(&format!("cannot use {name}"));
        return Err(Failure::Unreachable(cause));
    }
    Err(match error {
        store::Error::NotMigrated { .. } => {
            Failure::Failed(format!("{name}: {text}, or start without --no-migrate"))
        }
        // The settings name a database that this binary cannot use.
        store::Error::OtherSchema(_) => Failure::Usage(format!("{name}: {text}")),
        _ => Failure::Failed(format!("{name}: {text}")),
    })
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
