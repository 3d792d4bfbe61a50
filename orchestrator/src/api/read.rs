//! `GET /v1/sagas/{id}`: everything that is known of one saga.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use sagas::SagaId;
use sagas_core::loaded::SagaRow;
use sagas_core::registry::Pin;

use super::backend::Backend;
use super::detail::Detail;
use super::problem::{Kind, Problem};
use crate::cause::chain;
use crate::store::Error;
use crate::store::definition::Missing;

pub(super) async fn one(
    State(backend): State<Backend>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = saga_id(&id)?;
    let Some(loaded) = backend.store().show(id).await? else {
        return Err(absent(&backend, id).await);
    };
    let row = &loaded.row;
    let definition = backend
        .registry()
        .pinned(&row.definition, row.version, row.fingerprint);
    let missing = missing(&backend, [row]).await?;
    let detail = Detail::of(&loaded, definition.map(AsRef::as_ref), &missing);
    let text = serde_json::to_string(&detail).map_err(|error| {
        tracing::error!(saga = %id, error = chain(&error), "a saga cannot be shown");
        Problem::new(Kind::Internal, "the saga cannot be shown; the log says why")
    })?;
    let json = HeaderValue::from_static("application/json");
    let no_store = HeaderValue::from_static("no-store");
    let headers = [
        (header::CONTENT_TYPE, json),
        (header::CACHE_CONTROL, no_store),
    ];
    Ok((headers, Body::from(text)).into_response())
}

/// Why a saga is not there: it never was, or it has been dropped.
pub(super) async fn absent(backend: &Backend, id: SagaId) -> Problem {
    match backend.store().is_key_known(id).await {
        Ok(true) => Problem::dropped(&id),
        Ok(false) => Problem::no_saga(&id),
        Err(error) => error.into(),
    }
}

/// The definitions of these sagas that no live replica has. This one has its own, and needs not ask.
pub(super) async fn missing<'a>(
    backend: &Backend,
    rows: impl IntoIterator<Item = &'a SagaRow>,
) -> Result<Vec<Missing>, Error> {
    let registry = backend.registry();
    let is_foreign = |row: &&SagaRow| {
        let own = registry.pinned(&row.definition, row.version, row.fingerprint);
        own.is_none() && !row.status.is_terminal()
    };
    let foreign = rows.into_iter().filter(is_foreign);
    let mut pins: Vec<_> = foreign.map(Pin::of_row).collect();
    pins.sort_unstable();
    pins.dedup();
    if pins.is_empty() {
        return Ok(Vec::new());
    }
    backend.store().missing(&pins).await
}

/// Reads the id of a path.
pub(super) fn saga_id(text: &str) -> Result<SagaId, Problem> {
    text.parse().map_err(|_| {
        let shown: String = text.chars().take(60).collect();
        Problem::parameter(format!("{shown:?} is no saga id; an id is a UUID"))
    })
}
