//! `serve`: the service from its first listening socket to its last answer.
//!
//! ```text
//!   listen ─► wait for Postgres, Kafka ─► ready ─► signal ─► not ready, ─► commit and publish,
//!     └── /healthz from here on, /readyz false               takes work    leave, finish requests
//!                                                                               └─► exit
//! ```

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sagas_core::Registry;
use sagas_core::lane::COMMITS_MAX;
use sagas_orchestrator::api::{self, Backend, Server};
use sagas_orchestrator::engine::{self, Engine};
use sagas_orchestrator::store::Store;
use tokio_util::sync::CancellationToken;

use super::arguments::ServeArguments;
use super::startup::Plan;
use super::{Failure, places, signals};

/// Events in one commit: beyond it, a commit takes longer without carrying much more per second.
const BATCH_MAX: usize = 500;

/// Events that wait in one lane: some commits' worth. Beyond it, replies wait in Kafka.
const INBOX_MAX: usize = 4_000;

/// Sagas in memory. One of six steps takes about 10 kB; all memory stays below 150 MB under full load,
/// and was 193 MB while a backlog of replies was read (`bench away`).
const CACHE_MAX: usize = 8_000;

/// Of the drain limit, the part that is kept for requests after the engine has ended.
const FOR_REQUESTS: u32 = 4;

/// How the service runs beside its settings.
#[derive(Debug)]
pub(super) struct Surroundings {
    /// Cancelled when the service is to end.
    pub(super) ending: CancellationToken,
    /// Whether topics are created and checked at the start.
    pub(super) is_ensuring_topics: bool,
}

pub(super) async fn run(registry: Registry, arguments: ServeArguments) -> Result<(), Failure> {
    let surroundings = Surroundings {
        ending: signals::ending()?,
        is_ensuring_topics: true,
    };
    serve(registry, arguments, surroundings).await
}

/// Serves until told to end.
pub(super) async fn serve(
    registry: Registry,
    settings: ServeArguments,
    surroundings: Surroundings,
) -> Result<(), Failure> {
    let Surroundings {
        ending,
        is_ensuring_topics,
    } = surroundings;
    let commits_max = COMMITS_MAX * usize::from(settings.engine.lanes);
    let store = places::store(&settings.postgres, commits_max)?;
    let engine = engine_settings(&registry, &settings)?;
    let limits = places::limits(&settings.http);
    let partitions = u32::try_from(settings.kafka.reply_partitions).unwrap_or(0);
    let backend = Backend::new(registry.clone(), store.for_readers(), limits, partitions)
        .map_err(|error| Failure::Failed(error.to_string()))?;
    let server = listen(settings.http.listen, &backend).await?;
    tracing::info!(address = %server.address, "listening; not ready yet");
    let plan = Plan {
        registry,
        store: store.clone(),
        postgres: settings.postgres.clone(),
        engine,
        is_migrating: !settings.only.no_migrate,
        is_change_allowed: settings.only.allow_changed_definitions,
        is_ensuring_topics,
        backend: backend.clone(),
    };
    let engine = tokio::select! {
        engine = Box::pin(plan.engine()) => Some(engine),
        () = ending.cancelled() => None,
    };
    let engine = engine.transpose()?;
    if let Some(engine) = &engine {
        backend.started(engine.clone());
        let store = store.clone();
        tokio::spawn(async move { store.open_readers().await });
        tracing::info!(url = format!("http://{}/", server.address), "ready");
        ending.cancelled().await;
        backend.leave();
        tokio::time::sleep(settings.engine.drain_delay.0).await;
    }
    let limit = settings.engine.drain_limit.0;
    let limit = limit.saturating_sub(settings.engine.drain_delay.0);
    drain(backend, server, engine, store, limit).await
}

async fn listen(address: SocketAddr, backend: &Backend) -> Result<Server, Failure> {
    let server = Server::start(address, api::router(backend.clone())).await;
    server.map_err(|error| {
        Failure::Failed(format!(
            "cannot listen on {address}: {error}; choose another address with --listen"
        ))
    })
}

fn engine_settings(
    registry: &Registry,
    settings: &ServeArguments,
) -> Result<engine::Settings, Failure> {
    let name = settings.engine.replica_name.clone();
    let (delay, limit) = (&settings.engine.drain_delay, &settings.engine.drain_limit);
    if delay.0 >= limit.0 {
        return Err(Failure::Usage(format!(
            "--drain-delay: {delay} is part of --drain-limit, which is {limit} and must be longer"
        )));
    }
    Ok(engine::Settings {
        lanes: usize::from(settings.engine.lanes),
        batch_max: BATCH_MAX,
        inbox_max: INBOX_MAX,
        cache_max: CACHE_MAX,
        bus: places::bus(&settings.kafka)?,
        replica_name: name.unwrap_or_else(host_name),
        retention: places::policy(registry, &settings.retention)?,
    })
}

/// What the machine is called; containers have their own.
fn host_name() -> String {
    let file = std::fs::read_to_string("/etc/hostname").ok();
    let name = file.or_else(|| std::env::var("HOSTNAME").ok());
    let name = name.map(|name| name.trim().to_owned());
    let name = name.filter(|name| !name.is_empty());
    name.unwrap_or_else(|| format!("process {}", std::process::id()))
}

/// Ends everything in order, within the limit.
///
/// The socket closes after the engine has ended: until then a probe is told that the replica is not
/// ready, and a client that it should go elsewhere, where a closed socket would tell them nothing.
/// What comes to the engine too late was not taken, and is answered so.
async fn drain(
    backend: Backend,
    server: Server,
    engine: Option<Engine>,
    store: Store,
    limit: Duration,
) -> Result<(), Failure> {
    let started = Instant::now();
    backend.drain();
    let mut is_clean = true;
    if let Some(engine) = engine {
        is_clean &= engine.stop(limit - limit / FOR_REQUESTS).await;
    }
    let rest = || limit.saturating_sub(started.elapsed());
    is_clean &= server.finish(rest()).await;
    is_clean &= tokio::time::timeout(rest(), store.close()).await.is_ok();
    let millis = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    if is_clean {
        tracing::info!(millis, "stopped");
        return Ok(());
    }
    Err(Failure::Failed(format!(
        "not everything ended within {limit:?} (--drain-limit); what was accepted is stored, and \
         goes on elsewhere or after the next start"
    )))
}
