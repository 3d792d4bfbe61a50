//! `GET /v1/sagas/{id}`: everything that is known of one saga.
//!
//! The answer is a function of what is stored and holds no relative time, so its digest is its `ETag`: whoever
//! asks again and again is sent a saga only when it has changed.

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sagas::SagaId;
use sagas_core::loaded::SagaRow;
use sagas_core::registry::Pin;
use sha2::{Digest as _, Sha256};

use super::backend::Backend;
use super::detail::Detail;
use super::page::is_known;
use super::problem::{Kind, Problem};
use super::query::Parameters;
use crate::cause::chain;
use crate::store::Error;
use crate::store::definition::Missing;

/// The parameters of one saga.
pub(super) const KNOWN: [&str; 1] = ["payloads"];

pub(super) async fn one(
    State(backend): State<Backend>,
    Path(id): Path<String>,
    Extension(parameters): Extension<Parameters>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = saga_id(&id)?;
    let with_payloads = with_payloads(parameters.get("payloads"))?;
    let Some(loaded) = backend.store().show(id).await? else {
        return Err(absent(&backend, id).await);
    };
    let row = &loaded.row;
    let definition = backend
        .registry()
        .pinned(&row.definition, row.version, row.fingerprint);
    let missing = missing(&backend, [row]).await?;
    let mut detail = Detail::of(&loaded, definition.map(AsRef::as_ref), &missing);
    if !with_payloads {
        detail = detail.without_payloads();
    }
    let text = serde_json::to_string(&detail).map_err(|error| {
        tracing::error!(saga = %id, error = chain(&error), "a saga cannot be shown");
        Problem::new(Kind::Internal, "the saga cannot be shown; the log says why")
    })?;
    Ok(answer(text, &headers))
}

fn with_payloads(word: Option<&str>) -> Result<bool, Problem> {
    match word {
        None | Some("true") => Ok(true),
        Some("false") => Ok(false),
        Some(other) => Err(Problem::parameter(format!(
            "payloads is \"true\" or \"false\", not {other:?}"
        ))),
    }
}

/// The saga, or that it is still the one that the client has.
fn answer(text: String, asked: &HeaderMap) -> Response {
    let digest = Sha256::digest(text.as_bytes());
    let digest: String = digest[..12]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let tag = format!("W/\"{digest}\"");
    let is_known = is_known(asked, &tag);
    let tag = HeaderValue::from_str(&tag).expect("digits are visible ASCII");
    let no_store = HeaderValue::from_static("no-store");
    let headers = [(header::ETAG, tag), (header::CACHE_CONTROL, no_store)];
    if is_known {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    let json = HeaderValue::from_static("application/json");
    (headers, [(header::CONTENT_TYPE, json)], Body::from(text)).into_response()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saga_that_the_client_has_is_not_sent_again_and_a_changed_one_is() {
        let mut asked = HeaderMap::new();
        let first = answer("{}".to_owned(), &asked);
        let tag = first.headers()[header::ETAG].clone();
        assert!(tag.to_str().unwrap().starts_with("W/\""), "{tag:?}");
        asked.insert(header::IF_NONE_MATCH, tag.clone());
        let again = answer("{}".to_owned(), &asked);
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(again.headers()[header::ETAG], tag);
        assert!(!again.headers().contains_key(header::CONTENT_TYPE));
        let changed = answer("{ }".to_owned(), &asked);
        assert_eq!(changed.status(), StatusCode::OK);
        assert_ne!(changed.headers()[header::ETAG], tag);
    }

    #[test]
    fn payloads_are_shown_unless_they_are_not_wanted() {
        assert!(with_payloads(None).unwrap());
        assert!(with_payloads(Some("true")).unwrap());
        assert!(!with_payloads(Some("false")).unwrap());
        assert!(with_payloads(Some("no")).is_err());
    }
}
