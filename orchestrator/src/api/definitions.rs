//! `GET /v1/definitions`: what this binary can run.

use axum::Json as Answer;
use axum::extract::{Path, State};
use serde_json::{Value, json};

use super::backend::Backend;
use super::problem::{Kind, Problem};

pub(super) async fn list(State(backend): State<Backend>) -> Answer<Value> {
    let registry = backend.registry();
    let definitions: Vec<_> = registry
        .iter()
        .map(|definition| {
            json!({
                "name": definition.name(),
                "version": definition.version(),
                "fingerprint": definition.fingerprint(),
                "steps": definition.steps().len(),
                "retired": registry.is_retired(definition),
            })
        })
        .collect();
    Answer(json!({ "definitions": definitions }))
}

pub(super) async fn one(
    State(backend): State<Backend>,
    Path(name): Path<String>,
) -> Result<Answer<Value>, Problem> {
    let registry = backend.registry();
    let Some(definition) = registry.newest(&name) else {
        let known: Vec<_> = registry.names().collect();
        let detail = format!(
            "no definition {name:?} here; there is: {}",
            known.join(", ")
        );
        return Err(Problem::new(Kind::NotFound, detail));
    };
    Ok(Answer(json!(definition.describe())))
}
