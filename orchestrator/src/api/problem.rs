//! Failures as RFC 9457 problem details. The only file that knows their status codes.
//!
//! A kind's slug is stable and for programs, the detail is for people and says what to do. What
//! Postgres or Kafka said goes to the log, never into an answer.

mod page;

use std::fmt::Display;

use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use sagas_core::readiness::Part;
use sagas_log::trouble;
use serde::Serialize;
use uuid::Uuid;

pub(super) use page::page;

use crate::cause::{self, Cause};
use crate::{engine, store};

/// What went wrong, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Malformed,
    BadParameter,
    BadPath,
    BadIdempotencyKey,
    TooDeep,
    NotFound,
    UnknownSaga,
    NoSuchMethod,
    RequestTooSlow,
    KeyUsedOtherwise,
    OrderRefused,
    OrderUsedOtherwise,
    Dropped,
    TooLarge,
    NotJson,
    Encoded,
    InvalidInput,
    CommandTooLarge,
    Overloaded,
    Internal,
    Unavailable,
    Stopping,
    AnswerTooSlow,
}

impl Kind {
    /// How many there are.
    const COUNT: usize = 23;

    #[cfg(test)]
    pub(super) const ALL: [Self; Self::COUNT] = [
        Self::Malformed,
        Self::BadParameter,
        Self::BadPath,
        Self::BadIdempotencyKey,
        Self::TooDeep,
        Self::NotFound,
        Self::UnknownSaga,
        Self::NoSuchMethod,
        Self::RequestTooSlow,
        Self::KeyUsedOtherwise,
        Self::OrderRefused,
        Self::OrderUsedOtherwise,
        Self::Dropped,
        Self::TooLarge,
        Self::NotJson,
        Self::Encoded,
        Self::InvalidInput,
        Self::CommandTooLarge,
        Self::Overloaded,
        Self::Internal,
        Self::Unavailable,
        Self::Stopping,
        Self::AnswerTooSlow,
    ];

    /// Status, slug and title.
    fn parts(self) -> (StatusCode, &'static str, &'static str) {
        let (slug, title) = self.words();
        (self.status(), slug, title)
    }

    fn status(self) -> StatusCode {
        use StatusCode as S;
        match self {
            Self::Malformed
            | Self::BadParameter
            | Self::BadPath
            | Self::BadIdempotencyKey
            | Self::TooDeep => S::BAD_REQUEST,
            Self::NotFound | Self::UnknownSaga => S::NOT_FOUND,
            Self::NoSuchMethod => S::METHOD_NOT_ALLOWED,
            Self::RequestTooSlow => S::REQUEST_TIMEOUT,
            Self::OrderRefused => S::CONFLICT,
            Self::KeyUsedOtherwise
            | Self::OrderUsedOtherwise
            | Self::InvalidInput
            | Self::CommandTooLarge => S::UNPROCESSABLE_ENTITY,
            Self::Dropped => S::GONE,
            Self::TooLarge => S::PAYLOAD_TOO_LARGE,
            Self::NotJson | Self::Encoded => S::UNSUPPORTED_MEDIA_TYPE,
            Self::Overloaded => S::TOO_MANY_REQUESTS,
            Self::Internal => S::INTERNAL_SERVER_ERROR,
            Self::Unavailable | Self::Stopping | Self::AnswerTooSlow => S::SERVICE_UNAVAILABLE,
        }
    }

    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Malformed => ("malformed", "The body cannot be read"),
            Self::BadParameter => ("bad-parameter", "A parameter does not fit"),
            Self::BadPath => ("bad-path", "The path cannot be read"),
            Self::BadIdempotencyKey => ("bad-idempotency-key", "The Idempotency-Key does not fit"),
            Self::TooDeep => ("too-deep", "The body is nested too deep"),
            Self::NotFound => ("not-found", "There is nothing here"),
            Self::UnknownSaga => ("unknown-saga", "No such definition"),
            Self::NoSuchMethod => ("no-such-method", "The path does not take this method"),
            Self::RequestTooSlow => ("request-too-slow", "The request came too slowly"),
            Self::KeyUsedOtherwise => (
                "key-used-otherwise",
                "The Idempotency-Key was used for another submission",
            ),
            Self::OrderUsedOtherwise => (
                "order-used-otherwise",
                "The order_id was used for another order",
            ),
            Self::OrderRefused => ("order-refused", "The order makes no sense now"),
            Self::Dropped => ("dropped", "The saga has ended and was dropped since"),
            Self::TooLarge => ("too-large", "The body is too large"),
            Self::NotJson => ("not-json", "The body is not declared as JSON in UTF-8"),
            Self::Encoded => ("encoded", "The body is encoded"),
            Self::InvalidInput => ("invalid-input", "The input does not fit the definition"),
            Self::CommandTooLarge => ("command-too-large", "A command would be too large to send"),
            Self::Overloaded => ("overloaded", "Too much at once"),
            Self::Internal => ("internal", "The service failed"),
            Self::Unavailable => ("unavailable", "The service cannot do this now"),
            Self::Stopping => ("stopping", "This replica is stopping"),
            Self::AnswerTooSlow => ("answer-too-slow", "The answer took too long"),
        }
    }

    /// Seconds after which trying again makes sense.
    fn retry_after(self) -> Option<&'static str> {
        match self {
            Self::Overloaded | Self::Stopping | Self::AnswerTooSlow => Some("1"),
            Self::Unavailable => Some("2"),
            _ => None,
        }
    }
}

/// One fault of a request's body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct PathError {
    /// JSON Pointer into the request's body; empty for the whole.
    pub(super) path: String,
    /// What is wrong there.
    pub(super) message: String,
}

/// A failed request, as its answer.
#[derive(Debug, Clone)]
pub struct Problem {
    kind: Kind,
    detail: String,
    errors: Vec<PathError>,
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    /// The request's id, under which the log has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [PathError],
}

impl Problem {
    pub(super) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let (detail, errors) = (detail.into(), Vec::new());
        Self {
            kind,
            detail,
            errors,
        }
    }

    pub(super) fn invalid(detail: String, errors: Vec<PathError>) -> Self {
        Self::new(Kind::InvalidInput, detail).with_errors(errors)
    }

    pub(super) fn with_errors(self, errors: Vec<PathError>) -> Self {
        Self { errors, ..self }
    }

    /// The limit is a setting.
    pub(super) fn too_large(bytes_max: usize) -> Self {
        let detail = format!("a body has at most {bytes_max} bytes (--body-bytes-max)");
        Self::new(Kind::TooLarge, detail)
    }

    pub(super) fn parameter(detail: impl Into<String>) -> Self {
        Self::new(Kind::BadParameter, detail)
    }

    pub(super) fn no_saga(id: &dyn Display) -> Self {
        Self::new(
            Kind::NotFound,
            format!("no saga {id}; ids come from `POST /v1/sagas`"),
        )
    }

    /// What is left of the saga is that its key is refused.
    pub(super) fn dropped(id: &dyn Display) -> Self {
        let detail = format!(
            "saga {id} has ended and was dropped after its time (`--retention-finished`); its \
             Idempotency-Key stays refused; a new submission needs a new key"
        );
        Self::new(Kind::Dropped, detail)
    }

    pub(super) fn stopping() -> Self {
        let detail = "this replica is stopping and took nothing; send it again, to any replica";
        Self::new(Kind::Stopping, detail)
    }

    /// The client learns which part it is, and its code; the log has the rest.
    fn unavailable(part: Part, cause: &Cause) -> Self {
        let what = match part {
            Part::Postgres | Part::Kafka => format!("{part} cannot be used now: {cause}"),
            Part::Replica => cause.to_string(),
        };
        let detail =
            format!("{what}; GET /readyz says more; send it again, with the same Idempotency-Key");
        Self::new(Kind::Unavailable, detail)
    }

    /// A refusal would be final, and the submission may be one that was accepted.
    pub(super) fn key_unread() -> Self {
        let detail = "Postgres cannot be used now, so nobody can tell whether the Idempotency-Key names \
                      a saga; GET /readyz says more; send it again, with the same Idempotency-Key";
        Self::new(Kind::Unavailable, detail)
    }

    fn text(&self, request: Option<Uuid>) -> String {
        let (status, slug, title) = self.kind.parts();
        let body = Body {
            r#type: format!("/problems/{slug}"),
            title,
            status: status.as_u16(),
            detail: &self.detail,
            instance: request.map(|id| id.urn().to_string()),
            errors: &self.errors,
        };
        serde_json::to_string(&body).expect("texts and numbers serialize")
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    #[cfg(test)]
    pub(super) fn errors(&self) -> &[PathError] {
        &self.errors
    }

    #[cfg(test)]
    pub(super) fn detail(&self) -> &str {
        &self.detail
    }
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        let cause = cause::of(&error);
        if let store::Error::Unavailable(_) = error {
            trouble!(warn, "reads are answered 503", error = cause.chain());
            return Self::unavailable(Part::Postgres, &cause);
        }
        trouble!(error, "reads are answered 500", error = cause.chain());
        let detail = format!("{cause}; the service's log has the reason");
        Self::new(Kind::Internal, detail)
    }
}

impl From<engine::Error> for Problem {
    fn from(error: engine::Error) -> Self {
        use engine::Error;
        match error {
            Error::KeyUsedOtherwise { id } => Self::new(
                Kind::KeyUsedOtherwise,
                format!(
                    "the key belongs to saga {id}, which has another definition or input; a new \
                     submission needs a new key"
                ),
            ),
            Error::NotFound => Self::new(Kind::NotFound, "no saga with this id"),
            Error::Refused(refusal) => Self::new(Kind::OrderRefused, refusal.to_string()),
            Error::NotRunnable(why) => Self::new(Kind::Unavailable, why.to_string()),
            Error::Unavailable { part, cause } => {
                trouble!(warn, "requests are answered 503", error = cause.chain());
                Self::unavailable(part, &cause)
            }
            Error::Unstorable(cause) => {
                // The lane has logged it with its saga.
                let detail = format!(
                    "the database cannot store it: {cause}; the service's log has the reason"
                );
                Self::new(Kind::InvalidInput, detail)
            }
            Error::CommandTooLarge(too_large) => Self::new(
                Kind::CommandTooLarge,
                format!("{too_large}; nothing was accepted"),
            ),
            Error::Overloaded => {
                let detail = "more work waits than this replica takes on; nothing was accepted";
                Self::new(Kind::Overloaded, detail)
            }
            Error::Stopping => Self::stopping(),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, text) = (self.kind.status(), self.text(None));
        let media = HeaderValue::from_static("application/problem+json");
        let mut response = (status, [(header::CONTENT_TYPE, media)], text).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.kind.retry_after() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(seconds));
        }
        // What is left of the body is in the way of the next request.
        if matches!(self.kind, Kind::TooLarge | Kind::RequestTooSlow) {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if self.kind == Kind::Encoded {
            let plain = HeaderValue::from_static("identity");
            headers.insert(header::ACCEPT_ENCODING, plain);
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// The answer, in which a problem names the request.
pub(super) fn with_instance(mut response: Response, request: Uuid) -> Response {
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        *response.body_mut() = axum::body::Body::from(problem.text(Some(request)));
        // It is another text now, and the server counts it.
        response.headers_mut().remove(header::CONTENT_LENGTH);
    }
    response
}

pub(super) async fn no_such_path(uri: Uri) -> Problem {
    let path = uri.path();
    Problem::new(Kind::NotFound, format!("no {path}; sagas are at /v1/sagas"))
}

pub(super) async fn no_such_method(method: Method, uri: Uri) -> Problem {
    let path = uri.path();
    Problem::new(Kind::NoSuchMethod, format!("{path} does not take {method}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sagas::SagaId;
    use uuid::Uuid;

    #[test]
    fn slugs_are_unique_and_every_kind_is_a_failure() {
        let mut slugs: Vec<_> = Kind::ALL.iter().map(|kind| kind.parts().1).collect();
        slugs.sort_unstable();
        slugs.dedup();
        assert_eq!(slugs.len(), Kind::ALL.len());
        for kind in Kind::ALL {
            let (status, slug, _) = kind.parts();
            assert!(
                status.is_client_error() || status.is_server_error(),
                "{slug}"
            );
        }
    }

    #[test]
    fn what_passes_by_itself_says_when_to_try_again() {
        for kind in Kind::ALL {
            let passes = matches!(kind.parts().0.as_u16(), 429 | 503);
            let response = Problem::new(kind, "x").into_response();
            assert_eq!(response.headers().contains_key(header::RETRY_AFTER), passes);
        }
    }

    #[test]
    fn the_database_does_not_speak_to_clients() {
        let refused = sqlx::Error::Protocol("password of user saga is wrong".to_owned());
        let error = || store::Failure::Answered(sqlx::Error::Protocol(refused.to_string()));
        for problem in [
            Problem::from(store::Error::Unavailable(error())),
            Problem::from(store::Error::Refused(error())),
            Problem::from(engine::Error::Unavailable {
                part: Part::Postgres,
                cause: cause::of(&error()),
            }),
            Problem::from(engine::Error::Unstorable(cause::of(&error()))),
        ] {
            let detail = problem.detail();
            assert!(detail.contains("Postgres"), "{detail}");
            assert!(!detail.contains("password"), "{detail}");
        }
    }

    #[test]
    fn only_the_part_in_trouble_is_named() {
        let detail = |part| {
            let cause = Cause::ours("there was no answer");
            Problem::from(engine::Error::Unavailable { part, cause }).detail
        };
        let names = |part| {
            let detail = detail(part);
            ["Postgres", "Kafka"].map(|name| detail.contains(name))
        };
        assert_eq!(names(Part::Postgres), [true, false]);
        assert_eq!(names(Part::Kafka), [false, true]);
        assert_eq!(names(Part::Replica), [false, false]);
        assert!(detail(Part::Replica).starts_with("there was no answer; "));
    }

    #[test]
    fn a_used_key_names_the_saga_that_it_belongs_to() {
        let id = SagaId(Uuid::nil());
        let problem = Problem::from(engine::Error::KeyUsedOtherwise { id });
        assert_eq!(problem.kind(), Kind::KeyUsedOtherwise);
        assert!(problem.detail().contains(&id.to_string()));
    }
}
