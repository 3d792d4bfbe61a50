//! `/healthz`: the process answers. `/readyz`: it can take work now, and if not, why.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::backend::Backend;

/// What `/readyz` answers.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Readiness {
    ready: bool,
    postgres: String,
    kafka: String,
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
            phase: Some(phase),
        };
    };
    let health = engine.health();
    let is_stopping = health.is_stopping || backend.is_leaving();
    Readiness {
        ready: !is_stopping && health.postgres.is_ok() && health.kafka.is_ok(),
        postgres: word(health.postgres.err()),
        kafka: word(health.kafka.err()),
        phase: is_stopping.then_some("stopping"),
    }
}
