//! The bounds around every request: how many at once, how large, how slow.
//!
//! The server drops a handler when its client disconnects. A dropped database call poisons its
//! connection, and a dropped submission would be half done; so every handler runs in a task of its
//! own, which ends by itself, and only the answer is lost.

use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use http_body_util::{BodyExt as _, Limited};
use sagas::SagaId;
use tracing::{Instrument as _, Span};
use uuid::Uuid;

use super::backend::{Backend, Limits};
use super::problem::{self, Kind, Problem};
use super::submit::SUBMISSIONS;
use super::{key, prefer};
use crate::cause::chain;

/// So many times the largest body are thrown away of one that is larger.
const THROWN_AWAY_TIMES: usize = 16;

pub(super) async fn guard(
    State(backend): State<Backend>,
    request: Request,
    next: Next,
) -> Response {
    let id = Uuid::now_v7();
    let response = match refused_at_once(&backend, request).await {
        Ok(request) => answer(&backend, id, request, next).await,
        Err(response) => {
            let status = response.status().as_u16();
            tracing::debug!(request = %id, status, "refused at once");
            response
        }
    };
    problem::with_instance(response, id)
}

/// What is refused before anything is made of it: there are many of these when there is no time for them.
async fn refused_at_once(backend: &Backend, request: Request) -> Result<Request, Response> {
    let limits = backend.limits();
    if declared(&request).is_some_and(|bytes| bytes > limits.body_bytes_max as u64) {
        return Err(too_large(request, *limits));
    }
    if is_new_submission(&request)
        && let Some(refusal) = backend.refusal()
    {
        discard(request.into_body(), limits.body_bytes_max, limits.request).await;
        return Err(Problem::from(refusal).into_response());
    }
    Ok(request)
}

async fn answer(backend: &Backend, id: Uuid, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let span = span(id, &request);
    let response = bounded(backend, request, next)
        .instrument(span.clone())
        .await
        .unwrap_or_else(IntoResponse::into_response);
    let status = response.status().as_u16();
    let millis = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    span.in_scope(|| tracing::debug!(status, millis, "answered"));
    response
}

/// Whether it starts a saga if it does anything. One with a key may be a repetition, which `submit` finds.
fn is_new_submission(request: &Request) -> bool {
    request.method() == Method::POST
        && request.uri().path() == SUBMISSIONS
        && !request.headers().contains_key(key::HEADER)
}

/// How many bytes the client says that its body has.
fn declared(request: &Request) -> Option<u64> {
    let length = request.headers().get(header::CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}

/// The answer to a body that is said to be too large, before it comes. What comes nevertheless is thrown
/// away beside it, up to a bound: a connection that ended with bytes unread would take the answer along.
fn too_large(request: Request, limits: Limits) -> Response {
    let max = limits.body_bytes_max;
    // Whoever asks whether to send has sent nothing yet; to read would be to say yes.
    if !request.headers().contains_key(header::EXPECT) {
        let thrown_away = max.saturating_mul(THROWN_AWAY_TIMES);
        tokio::spawn(discard(request.into_body(), thrown_away, limits.request));
    }
    Problem::too_large(max).into_response()
}

/// Reads a body to its end and keeps nothing, so that the connection can go on. One that is too large,
/// or too slow, is left: then the server ends the connection.
async fn discard(body: Body, bytes_max: usize, within: Duration) {
    let mut body = Limited::new(body, bytes_max);
    let read = async { while let Some(Ok(_)) = body.frame().await {} };
    // Answered all the same.
    let _ = tokio::time::timeout(within, read).await;
}

/// Every line that a request logs says which request, and which saga it is about.
fn span(request_id: Uuid, request: &Request) -> Span {
    let (method, path) = (request.method(), request.uri().path());
    let id = path
        .strip_prefix("/v1/sagas/")
        .map(|rest| rest.split('/').next());
    let id = id.flatten().and_then(|id| id.parse::<SagaId>().ok());
    let saga = id.map(tracing::field::display);
    tracing::info_span!("request", id = %request_id, %method, path, saga)
}

async fn bounded(backend: &Backend, request: Request, next: Next) -> Result<Response, Problem> {
    let Ok(permit) = backend.requests().clone().try_acquire_owned() else {
        let detail = format!(
            "{} requests are in progress, which is all that this replica takes on",
            backend.limits().requests_max
        );
        return Err(Problem::new(Kind::Overloaded, detail));
    };
    let limits = backend.limits();
    let (parts, body) = request.into_parts();
    let body = read(body, limits).await?;
    let wait = prefer::wait(&parts.headers, limits.wait_max).unwrap_or(Duration::ZERO);
    let request = Request::from_parts(parts, Body::from(body));
    let run = async move {
        let _permit = permit;
        next.run(request).await
    };
    let task = tokio::spawn(run.in_current_span());
    match tokio::time::timeout(limits.request + wait, task).await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(ended)) => {
            tracing::error!(error = chain(&ended), "a handler panicked; answered 500");
            let detail = "this is a defect; the service's log has the cause under this instance";
            Err(Problem::new(Kind::Internal, detail))
        }
        Err(_) => {
            let limit = limits.request;
            let detail = format!(
                "no answer within {limit:?}; a submission may or may not be accepted: send it \
                 again with the same Idempotency-Key"
            );
            Err(Problem::new(Kind::AnswerTooSlow, detail))
        }
    }
}

async fn read(body: Body, limits: &Limits) -> Result<Bytes, Problem> {
    let max = limits.body_bytes_max;
    let read = axum::body::to_bytes(body, max);
    let Ok(read) = tokio::time::timeout(limits.request, read).await else {
        let detail = format!("the body did not come within {:?}", limits.request);
        return Err(Problem::new(Kind::RequestTooSlow, detail));
    };
    read.map_err(|error| {
        let cause = std::error::Error::source(&error);
        if cause.is_some_and(|cause| cause.is::<http_body_util::LengthLimitError>()) {
            return Problem::too_large(max);
        }
        Problem::new(Kind::Malformed, "the body broke off")
    })
}

#[cfg(test)]
mod tests {
    use http_body_util::channel::Channel;

    use super::*;

    fn limits(request: Duration) -> Limits {
        Limits {
            body_bytes_max: 100,
            json_depth_max: 8,
            request,
            wait_max: Duration::ZERO,
            requests_max: 1,
        }
    }

    #[tokio::test]
    async fn what_is_refused_is_read_to_its_end() {
        let (mut sender, body) = Channel::<Bytes>::new(1);
        let refused = tokio::spawn(async move {
            discard(Body::new(body), 100, Duration::from_secs(60)).await;
        });
        for _ in 0..3 {
            sender.send_data(Bytes::from_static(b"[]")).await.unwrap();
        }
        assert!(!refused.is_finished(), "there is more to come");
        drop(sender);
        refused.await.unwrap();
    }

    #[tokio::test]
    async fn what_is_refused_and_does_not_come_is_not_waited_for() {
        let (_sender, body) = Channel::<Bytes>::new(1);
        discard(Body::new(body), 100, Duration::from_millis(10)).await;
    }

    #[tokio::test]
    async fn a_body_that_is_said_to_be_too_large_is_thrown_away_after_its_answer() {
        let (mut sender, body) = Channel::<Bytes>::new(1);
        let request = |expect: bool, body| {
            let request = Request::post("/v1/sagas").header("content-length", "101");
            let request = if expect {
                request.header("expect", "100-continue")
            } else {
                request
            };
            request.body(Body::new(body)).unwrap()
        };
        let sent = request(false, body);
        assert_eq!(declared(&sent), Some(101));
        let answer = too_large(sent, limits(Duration::from_secs(60)));
        assert_eq!(answer.status().as_u16(), 413);
        assert_eq!(answer.headers()["connection"], "close");
        for _ in 0..101 {
            sender.send_data(Bytes::from_static(b"x")).await.unwrap();
        }

        let (mut sender, body) = Channel::<Bytes>::new(1);
        let _answer = too_large(request(true, body), limits(Duration::from_secs(60)));
        let refused = sender.send_data(Bytes::from_static(b"x")).await;
        assert!(refused.is_err(), "nobody reads it");
    }
}
