//! `POST /v1/sagas`: takes a submission, and waits for its end where the client prefers that.

use std::time::Duration;

use axum::Json as Answer;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sagas::machine::Status;
use sagas::{Json, SagaId};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::backend::Backend;
use super::problem::{Kind, Problem};
use super::summary::Reason;
use super::{body, key, prefer};
use crate::cause::chain;
use crate::engine::lane::End;
use crate::engine::submission::Key;
use crate::engine::{Submission, Waited};
use crate::store::loaded::Loaded;

/// Where sagas are submitted.
pub(super) const SUBMISSIONS: &str = "/v1/sagas";

/// The request's body. The input is taken byte for byte.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body<'a> {
    saga: String,
    #[serde(borrow)]
    input: &'a RawValue,
}

#[derive(Serialize)]
struct Accepted<'a> {
    id: SagaId,
    saga: &'a str,
    state: Status,
    location: &'a str,
}

#[derive(Serialize)]
struct Ended<'a> {
    id: SagaId,
    saga: &'a str,
    state: Status,
    output: Option<&'a Json>,
    reason: Option<Reason<'a>>,
    location: &'a str,
}

pub(super) async fn submit(
    State(backend): State<Backend>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Response, Problem> {
    let wait = prefer::wait(&headers, backend.limits().wait_max);
    // By value: they are slices of what came from the socket, which is not kept while the saga runs.
    let submission = read(&backend, headers, bytes)?;
    let saga = submission.definition.name().to_owned();
    let is_keyed = submission.key.is_some();
    let engine = backend.engine()?;
    let accepted = engine.submit(submission).await?;
    let id = accepted.id;
    tracing::debug!(saga = %id, definition = saga, is_new = accepted.is_new, is_keyed, "accepted");
    // A repeated submission may name a saga that has moved, or ended, long ago.
    let mut known = match look(&backend, id, !accepted.is_new).await {
        Look::Found(end) => Some(end),
        // Its key is stored with it and outlives it.
        Look::Absent => return Err(Problem::dropped(&id)),
        Look::InVain => None,
    };
    if let Some(wait) = wait
        && !known.as_ref().is_some_and(|end| end.status.is_terminal())
    {
        // A replica that stops answers at once; the client asks another one.
        let waited = tokio::select! {
            waited = accepted.ending.within(wait) => waited,
            () = backend.drained() => Waited::InVain,
        };
        known = match waited {
            // What this replica has just committed is what a look would find.
            Waited::Here(end) => Some(end),
            Waited::Elsewhere => match look(&backend, id, true).await {
                Look::Found(end) => Some(end),
                Look::Absent | Look::InVain => known,
            },
            Waited::InVain => known,
        };
    }
    Ok(answer(id, &saga, known, wait))
}

/// What the client wants started.
#[expect(
    clippy::needless_pass_by_value,
    reason = "nobody is to hold on to them"
)]
fn read(backend: &Backend, headers: HeaderMap, bytes: Bytes) -> Result<Submission, Problem> {
    let key = key::read(&headers)?;
    let Body { saga, input } = body::read(&headers, &bytes, backend.limits().json_depth_max)?;
    let definition = backend
        .registry()
        .newest(&saga)
        .ok_or_else(|| unknown(backend, &saga))?;
    let input = Json::parse(input.get().to_owned())
        .map_err(|error| Problem::new(Kind::Malformed, format!("the input: {error}")))?;
    let canonical = body::canonical("the input", &input)?;
    backend.inputs().check(definition, &input)?;
    Ok(Submission {
        definition: definition.clone(),
        key: key.map(|key| Key::new(&key, &saga, &canonical)),
        input,
    })
}

/// What a look at the stored saga gave.
enum Look {
    Found(End),
    Absent,
    /// Nobody looked, or the database did not answer.
    InVain,
}

/// The saga as it is stored now, to answer with; it is accepted, so a failed look is no failure of the
/// submission.
async fn look(backend: &Backend, id: SagaId, is_wanted: bool) -> Look {
    if !is_wanted {
        return Look::InVain;
    }
    let stored = backend.store().load(&[id]).await;
    match stored.map(|stored| stored.into_iter().next()) {
        Ok(Some(Loaded { row, history })) => Look::Found(End {
            status: row.status,
            output: history.into_iter().rev().find_map(|entry| entry.output),
            reason: row.moving.reason,
        }),
        Ok(None) => Look::Absent,
        Err(error) => {
            let error = chain(&error);
            tracing::warn!(saga = %id, error, "accepted, but its state cannot be read");
            Look::InVain
        }
    }
}

fn answer(id: SagaId, saga: &str, known: Option<End>, wait: Option<Duration>) -> Response {
    let location = format!("/v1/sagas/{id}");
    let location_header = HeaderValue::from_str(&location).expect("a UUID is visible ASCII");
    let state = known.as_ref().map_or(Status::Running, |end| end.status);
    let ended = known.filter(|end| wait.is_some() && end.status.is_terminal());
    let mut response = match ended {
        Some(end) => Answer(Ended {
            id,
            saga,
            state,
            output: end.output.as_ref(),
            reason: end.reason.as_ref().map(Reason::of),
            location: &location,
        })
        .into_response(),
        None => {
            let location = &location;
            let body = Answer(Accepted {
                id,
                saga,
                state,
                location,
            });
            (StatusCode::ACCEPTED, body).into_response()
        }
    };
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, location_header);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(wait) = wait {
        let applied = HeaderValue::from_str(&format!("wait={}", wait.as_secs()));
        let name = HeaderName::from_static("preference-applied");
        headers.insert(name, applied.expect("digits are visible ASCII"));
    }
    response
}

fn unknown(backend: &Backend, saga: &str) -> Problem {
    let known: Vec<_> = backend.registry().names().collect();
    let known = if known.is_empty() {
        "none".to_owned()
    } else {
        known.join(", ")
    };
    let detail = format!("no definition {saga:?} here; there is: {known}");
    Problem::new(Kind::UnknownSaga, detail)
}
