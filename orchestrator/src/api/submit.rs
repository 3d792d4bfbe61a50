//! `POST /v1/sagas`: takes a submission, and waits for its end where the client prefers that.
//!
//! Invariant: what was accepted under a key is answered as accepted, whatever would speak against it now.

use std::time::Duration;

use axum::Json as Answer;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sagas::machine::Status;
use sagas::{Json, SagaId};
use sagas_core::Submission;
use sagas_core::lane::End;
use sagas_core::loaded::Loaded;
use sagas_core::submission::Key;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::backend::Backend;
use super::depth::depth;
use super::problem::{Kind, Problem};
use super::summary::Reason;
use super::{body, key, prefer};
use crate::cause::chain;
use crate::engine::{self, Accepted, Ending, Waited};

/// Where sagas are submitted.
pub(super) const SUBMISSIONS: &str = "/v1/sagas";

/// Present in the answer to a submission whose saga was there before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Says that the answer waited as the client preferred.
const APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// The request's body. The input is taken byte for byte.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body<'a> {
    saga: String,
    #[serde(borrow)]
    input: &'a RawValue,
}

/// The saga that the submission names, as far as it is known now.
#[derive(Serialize)]
struct Submitted<'a> {
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
    // Before there is an engine, nothing here hears of an end.
    let wait = wait.filter(|_| backend.running().is_some());
    // By value: they are slices of what came from the socket, which is not kept while the saga runs.
    let asked = read(headers, bytes, backend.limits().json_depth_max)?;
    let (saga, key) = (asked.saga.clone(), asked.key);
    let is_keyed = key.is_some();
    let accepted = match start(&backend, asked).await {
        Ok(accepted) => accepted,
        Err(refusal) => repeated(&backend, key, refusal).await?,
    };
    let Accepted { id, is_new, .. } = accepted;
    tracing::debug!(saga = %id, definition = saga, is_new, is_keyed, "accepted");
    // A repeated submission may name a saga that has moved, or ended, long ago.
    let mut known = match look(&backend, id, !is_new).await {
        Look::Found(end) => Some(end),
        // Its key is stored with it and outlives it.
        Look::Absent => return Err(Problem::dropped(&id)),
        Look::InVain => None,
    };
    let mut honoured = wait;
    if let Some(wait) = wait
        && !known.as_ref().is_some_and(|end| end.status.is_terminal())
    {
        // A replica that stops answers at once; the client asks another one.
        let waited = tokio::select! {
            waited = accepted.ending.within(wait) => waited,
            () = backend.drained() => {
                honoured = None;
                Waited::InVain
            }
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
    Ok(answer(id, &saga, is_new, known.as_ref(), honoured))
}

/// What the client wants started, as far as its text says.
struct Asked {
    saga: String,
    input: Json,
    key: Option<Key>,
    /// What the checks of today find wrong with the text; a service that was set otherwise may have
    /// taken it.
    fault: Option<Problem>,
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "nobody is to hold on to them"
)]
fn read(headers: HeaderMap, bytes: Bytes, depth_max: u8) -> Result<Asked, Problem> {
    let key = key::read(&headers)?;
    let text = body::text(&headers, &bytes)?;
    let depth = depth(&bytes);
    // No setting allows more, so nothing like it was ever taken.
    body::check_depth(depth, u8::MAX)?;
    let Body { saga, input } = body::parse(text)?;
    let input = Json::parse(input.get().to_owned())
        .map_err(|error| Problem::new(Kind::Malformed, format!("the input: {error}")))?;
    let canonical = input.canonical();
    let checked = body::check_depth(depth, depth_max);
    Ok(Asked {
        key: key.map(|key| Key::new(&key, &saga, &canonical)),
        fault: checked
            .and_then(|()| body::check_keys("the input", &canonical))
            .err(),
        saga,
        input,
    })
}

/// Starts the saga, if nothing speaks against it.
async fn start(backend: &Backend, asked: Asked) -> Result<Accepted, Problem> {
    let Asked {
        saga,
        input,
        key,
        fault,
    } = asked;
    if let Some(fault) = fault {
        return Err(fault);
    }
    if let Some(refusal) = backend.refusal() {
        return Err(refusal.into());
    }
    let definition = backend.registry().newest(&saga);
    let definition = definition.ok_or_else(|| unknown(backend, &saga))?.clone();
    backend.inputs().check(&definition, &input)?;
    let submission = Submission {
        definition,
        input,
        key,
    };
    Ok(backend.engine()?.submit(submission).await?)
}

/// What was accepted under the key before, if it is the same submission; otherwise `refusal`.
async fn repeated(
    backend: &Backend,
    key: Option<Key>,
    refusal: Problem,
) -> Result<Accepted, Problem> {
    let Some(key) = key.filter(|_| refusal.kind() != Kind::KeyUsedOtherwise) else {
        return Err(refusal);
    };
    let engine = backend.running();
    // What is known to be away is not asked, or each refusal would wait for it.
    let is_away = engine.map_or_else(
        || backend.startup().postgres.is_some(),
        |engine| !engine.health().answers_reads,
    );
    if is_away {
        let is_temporary = matches!(refusal.kind(), Kind::Unavailable | Kind::Stopping);
        return Err(if is_temporary {
            refusal
        } else {
            Problem::key_unread()
        });
    }
    let id = key.id;
    match backend.keys().digest(id).await? {
        None => Err(refusal),
        Some(stored) if key.digest.is_same_as(&stored) => Ok(Accepted {
            id,
            is_new: false,
            ending: engine.map_or_else(Ending::untold, |engine| engine.ending(id)),
        }),
        Some(_) => Err(engine::Error::KeyUsedOtherwise { id }.into()),
    }
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
    match stored.map(|stored| stored.loaded.into_iter().next()) {
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

/// 201 for a saga that this submission made. Otherwise 200 when it has ended, and 202 as long as it goes on.
fn answer(
    id: SagaId,
    saga: &str,
    is_new: bool,
    known: Option<&End>,
    honoured: Option<Duration>,
) -> Response {
    let location = format!("/v1/sagas/{id}");
    let state = known.map_or(Status::Running, |end| end.status);
    let status = match (is_new, state.is_terminal()) {
        (true, _) => StatusCode::CREATED,
        (false, true) => StatusCode::OK,
        (false, false) => StatusCode::ACCEPTED,
    };
    let body = Answer(Submitted {
        id,
        saga,
        state,
        output: known.and_then(|end| end.output.as_ref()),
        reason: known.and_then(|end| end.reason.as_ref()).map(Reason::of),
        location: &location,
    });
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    let location = HeaderValue::from_str(&location).expect("a UUID is visible ASCII");
    headers.insert(header::LOCATION, location);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if !is_new {
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
    if let Some(wait) = honoured {
        let applied = HeaderValue::from_str(&format!("wait={}", wait.as_secs()));
        headers.insert(APPLIED, applied.expect("digits are visible ASCII"));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(body: &'static str, depth_max: u8) -> Result<Asked, Problem> {
        let mut headers = HeaderMap::new();
        let json = HeaderValue::from_static("application/json");
        headers.insert(header::CONTENT_TYPE, json);
        headers.insert(key::HEADER, HeaderValue::from_static("order-7"));
        read(headers, Bytes::from_static(body.as_bytes()), depth_max)
    }

    #[test]
    fn what_is_refused_today_has_the_key_under_which_it_was_accepted() {
        for (body, kind) in [
            (r#"{"saga":"book-trip","input":[[[1]]]}"#, Kind::TooDeep),
            (r#"{"saga":"b","input":{"a":1,"a":2}}"#, Kind::Malformed),
        ] {
            let refused = asked(body, 2).unwrap();
            assert_eq!(refused.fault.map(|fault| fault.kind()), Some(kind));
            assert_eq!(refused.key, asked(body, 8).unwrap().key);
        }
    }

    #[test]
    fn the_status_says_whether_the_saga_is_new_and_whether_it_has_ended() {
        let end = |status| {
            let output = Some(Json::parse("7".to_owned()).unwrap());
            Some(End {
                status,
                output,
                reason: None,
            })
        };
        let wait = Some(Duration::from_secs(3));
        for (is_new, known, wait, expected) in [
            (true, None, None, (201, "", "")),
            (true, None, wait, (201, "", "wait=3")),
            (true, end(Status::Completed), wait, (201, "", "wait=3")),
            (false, end(Status::Completed), None, (200, "true", "")),
            (false, end(Status::Compensating), None, (202, "true", "")),
            (false, end(Status::Stuck), wait, (202, "true", "wait=3")),
            (false, None, None, (202, "true", "")),
        ] {
            let answer = answer(SagaId(uuid::Uuid::nil()), "b", is_new, known.as_ref(), wait);
            let header = |name| {
                let value: Option<&HeaderValue> = answer.headers().get(name);
                value.map_or("", |value| value.to_str().unwrap())
            };
            let found = (answer.status().as_u16(), header(REPLAYED), header(APPLIED));
            assert_eq!(found, expected);
            let location = "/v1/sagas/00000000-0000-0000-0000-000000000000";
            assert_eq!(header(header::LOCATION), location);
        }
    }

    #[test]
    fn what_no_setting_allows_is_refused_without_a_look() {
        let deep = format!(
            r#"{{"saga":"b","input":{}{}}}"#,
            "[".repeat(255),
            "]".repeat(255)
        );
        let refused = asked(Box::leak(deep.into_boxed_str()), 120);
        assert_eq!(
            refused.err().map(|problem| problem.kind()),
            Some(Kind::TooDeep)
        );
    }
}
