//! `/healthz`: the process answers. `/readyz`: it can take work now, and if not, why.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::backend::Backend;
use crate::cause::Cause;

/// What `/readyz` answers.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Readiness {
    ready: bool,
    postgres: String,
    kafka: String,
    /// Topics in trouble through which not everybody's work goes: it is ready nevertheless.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    topics: BTreeMap<Arc<str>, String>,
    /// Present while it starts or stops.
    #[serde(skip_serializing_if = "Option::is_none")]
    phase: Option<&'static str>,
}

pub(super) async fn healthz() -> &'static str {
    "ok"
}

pub(super) async fn readyz(State(backend): State<Backend>) -> Response {
    let readiness = readiness(&backend);
    let status = if readiness.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let no_store = HeaderValue::from_static("no-store");
    let headers = [(header::CACHE_CONTROL, no_store)];
    (status, headers, Answer(readiness)).into_response()
}

fn readiness(backend: &Backend) -> Readiness {
    let word = |trouble: Option<String>| trouble.unwrap_or_else(|| "ok".to_owned());
    let Some(engine) = backend.running() else {
        let startup = backend.startup();
        let phase = if backend.is_leaving() {
            "stopping"
        } else {
            "starting"
        };
        return Readiness {
            ready: false,
            postgres: word(startup.postgres),
            kafka: word(startup.kafka),
            topics: BTreeMap::new(),
            phase: Some(phase),
        };
    };
    let health = engine.health();
    let is_stopping = health.is_stopping || backend.is_leaving();
    let told = |cause: Option<Cause>| word(cause.map(|cause| cause.to_string()));
    let topics = health.topics.into_iter();
    Readiness {
        ready: !is_stopping && health.postgres.is_none() && health.kafka.is_none(),
        postgres: told(health.postgres),
        kafka: told(health.kafka),
        topics: topics
            .map(|(topic, cause)| (topic, cause.to_string()))
            .collect(),
        phase: is_stopping.then_some("stopping"),
    }
}
