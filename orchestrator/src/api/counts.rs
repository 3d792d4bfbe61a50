//! `GET /v1/summary`: counts, replicas and definitions, for a page that asks every second.
//!
//! Counting reads much, so however many pages ask, at most one count runs at a time, and its
//! result serves for a second, or for twenty times as long as it took: counting never takes more
//! than a twentieth of one connection. Sagas themselves are never shown from here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant as Clock};

use axum::Json as Answer;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use sagas::Timestamp;
use sagas::machine::Status;
use sagas_core::membership::ReplicaSeen;
use sagas_core::rendezvous::{Share, owned_by};
use serde::Serialize;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::backend::Backend;
use super::problem::Problem;
use super::summary::{Instant, missing_text};
use crate::engine::{CommitFigures, Engine};
use crate::store::overview::Counts;
use crate::store::{Error, Store};

/// A count serves at least so long.
const SERVES: Duration = Duration::from_secs(1);

/// And at least so many times as long as it took.
const SERVES_TIMES: u32 = 20;

/// The last count; its lock is held while one runs, so that there is one.
#[derive(Debug, Default)]
pub(super) struct Counting(Mutex<Option<Counted>>);

#[derive(Debug, Clone)]
struct Counted {
    counts: Counts,
    replicas: Vec<ReplicaSeen>,
    serves_until: Clock,
}

#[derive(Serialize)]
struct Summary<'a> {
    states: States,
    attention: u64,
    /// Definitions that open sagas wait for.
    missing: Vec<MissingDefinition<'a>>,
    dead_letters: u64,
    dead_letters_left_out: u64,
    definitions: Vec<&'a str>,
    replicas: Vec<Replica<'a>>,
    now: Option<Instant>,
    /// The last commits of the replica that answers; `null` before it has started.
    commits: Option<Commits>,
    /// Topics that take nothing from the replica that answers, each with what is wrong.
    topics: BTreeMap<Arc<str>, String>,
}

#[derive(Serialize)]
struct Commits {
    count: usize,
    rows_median: usize,
    ms_median: f64,
    ms_p99: f64,
}

impl From<CommitFigures> for Commits {
    fn from(figures: CommitFigures) -> Self {
        Self {
            count: figures.commits,
            rows_median: figures.rows_median,
            ms_median: figures.time_median.as_secs_f64() * 1e3,
            ms_p99: figures.time_p99.as_secs_f64() * 1e3,
        }
    }
}

#[derive(Serialize)]
struct States {
    running: u64,
    compensating: u64,
    completed: u64,
    compensated: u64,
    stuck: u64,
}

#[derive(Serialize)]
struct MissingDefinition<'a> {
    name: &'a str,
    version: u32,
    fingerprint: Uuid,
    /// When a replica last had it; `null` when none is known to have had it.
    since: Option<Instant>,
    /// Open sagas that pin it.
    sagas: u64,
    text: String,
}

#[derive(Serialize)]
struct Replica<'a> {
    id: Uuid,
    name: &'a str,
    started_at: Instant,
    heartbeat_at: Instant,
    partitions: usize,
}

pub(super) async fn summary(State(backend): State<Backend>) -> Result<Response, Problem> {
    let counted = backend.counting().latest(backend.store()).await?;
    let names = backend.registry().names().collect();
    // A replica that has not started knows neither database time nor what Kafka has.
    let engine = backend.running();
    let partitions = engine.and_then(Engine::reply_partitions);
    let partitions = partitions.unwrap_or_else(|| backend.reply_partitions());
    let now = engine.map(Engine::now);
    let mut shown = shown(&counted, names, partitions, now);
    shown.commits = engine.map(|engine| engine.commit_figures().into());
    let health = engine.map(Engine::health);
    let topics = health.into_iter().flat_map(|health| health.topics);
    shown.topics = topics
        .map(|(topic, cause)| (topic, cause.to_string()))
        .collect();
    let body = Answer(shown).into_response();
    let no_store = HeaderValue::from_static("no-store");
    Ok(([(header::CACHE_CONTROL, no_store)], body).into_response())
}

impl Counting {
    async fn latest(&self, store: &Store) -> Result<Counted, Error> {
        let mut held = self.0.lock().await;
        if let Some(counted) = &*held
            && Clock::now() < counted.serves_until
        {
            return Ok(counted.clone());
        }
        let started = Clock::now();
        let counts = store.counts().await?;
        let took = started.elapsed();
        let counted = Counted {
            counts,
            replicas: store.replicas().await?,
            serves_until: Clock::now() + serves(took),
        };
        *held = Some(counted.clone());
        Ok(counted)
    }
}

fn serves(took: Duration) -> Duration {
    SERVES.max(took.saturating_mul(SERVES_TIMES))
}

fn shown<'a>(
    counted: &'a Counted,
    definitions: Vec<&'a str>,
    partitions: u32,
    now: Option<Timestamp>,
) -> Summary<'a> {
    let Counted {
        counts, replicas, ..
    } = counted;
    let count = |status| counts.by_status.get(&status).copied().unwrap_or(0);
    let ids: Vec<_> = replicas.iter().map(|replica| replica.id).collect();
    let replicas = replicas.iter().map(|replica| Replica {
        id: replica.id,
        name: &replica.name,
        started_at: Instant(replica.started_at),
        heartbeat_at: Instant(replica.heartbeat_at),
        partitions: owned_by(replica.id, &ids, Share::Partitions, partitions).count(),
    });
    let missing = counts
        .missing
        .iter()
        .map(|(missing, sagas)| MissingDefinition {
            name: &missing.pin.name,
            version: missing.pin.version,
            fingerprint: missing.pin.fingerprint,
            since: missing.since.map(Instant),
            sagas: *sagas,
            text: missing_text(&missing.pin),
        });
    Summary {
        states: States {
            running: count(Status::Running),
            compensating: count(Status::Compensating),
            completed: count(Status::Completed),
            compensated: count(Status::Compensated),
            stuck: count(Status::Stuck),
        },
        attention: counts.attention,
        missing: missing.collect(),
        dead_letters: counts.dead_letters,
        dead_letters_left_out: counts.dead_letters_left_out,
        definitions,
        replicas: replicas.collect(),
        now: now.map(Instant),
        commits: None,
        topics: BTreeMap::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::store::definition::Missing;
    use sagas_core::registry::Pin;

    #[test]
    fn a_count_serves_a_second_or_twenty_times_as_long_as_it_took() {
        assert_eq!(serves(Duration::from_millis(2)), Duration::from_secs(1));
        assert_eq!(serves(Duration::from_millis(300)), Duration::from_secs(6));
    }

    #[test]
    fn every_state_has_a_number_and_partitions_are_shared_out() {
        let seen = |number: u128| ReplicaSeen {
            id: Uuid::from_u128(number << 64 | number),
            name: format!("replica-{number}"),
            started_at: Timestamp::from_micros(0),
            heartbeat_at: Timestamp::from_micros(1_000_000),
        };
        let pin = Pin {
            name: "book-trip".to_owned(),
            version: 2,
            fingerprint: Uuid::nil(),
        };
        let missing = Missing { pin, since: None };
        let counted = Counted {
            counts: Counts {
                by_status: [(Status::Running, 3)].into(),
                attention: 1,
                missing: vec![(missing, 3)],
                dead_letters: 2,
                dead_letters_left_out: 7,
            },
            replicas: vec![seen(1), seen(2), seen(3)],
            serves_until: Clock::now(),
        };
        let shown = json!(shown(&counted, vec!["book-trip"], 16, None));
        assert_eq!(shown["states"]["running"], 3);
        assert_eq!(shown["states"]["stuck"], 0);
        let text = "no live replica has definition book-trip version 2 (fingerprint \
                    00000000-0000-0000-0000-000000000000); deploy a binary that has it";
        assert_eq!(shown["missing"][0]["text"], text);
        assert_eq!(shown["missing"][0]["sagas"], 3);
        assert_eq!(
            shown["replicas"][0]["heartbeat_at"],
            "1970-01-01T00:00:01.000Z"
        );
        let replicas = shown["replicas"].as_array().unwrap().iter();
        let shared: u64 = replicas.filter_map(|one| one["partitions"].as_u64()).sum();
        assert_eq!(shared, 16);
    }
}
