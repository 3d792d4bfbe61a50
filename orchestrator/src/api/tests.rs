//! The router as clients see it, as far as it needs neither Postgres nor Kafka.

mod addresses;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use serde_json::Value;
use std::time::Duration;
use tower::ServiceExt as _;

use super::backend::{Backend, Limits, Startup};
use super::{router, sample};
use crate::store::{Settings, Store};

const LIMITS: Limits = Limits {
    body_bytes_max: 2048,
    json_depth_max: 8,
    request: Duration::from_secs(5),
    wait_max: Duration::from_secs(30),
    requests_max: 8,
};

fn backend(limits: Limits) -> Backend {
    let settings = Settings {
        // Nothing listens on port 1, and nothing here connects.
        url: "postgres://nobody@127.0.0.1:1/nothing".to_owned(),
        connections_max: 4,
        commits_max: 2,
        shards: 4,
    };
    let store = Store::connect(&settings).unwrap();
    Backend::new(sample::registry(), store, limits, 16).unwrap()
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    #[track_caller]
    fn is_problem(&self, status: u16, slug: &str) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        assert_eq!(self.header("content-type"), "application/problem+json");
        let body = self.json();
        assert_eq!(body["type"], format!("/problems/{slug}"));
        assert_eq!(body["status"], status);
        assert!(body["title"].is_string() && body["detail"].is_string());
        body
    }
}

async fn ask(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    Answer {
        status: parts.status,
        headers: parts.headers,
        text: String::from_utf8_lossy(&bytes).into_owned(),
    }
}

async fn get(path: &str) -> Answer {
    let request = Request::get(path).body(Body::empty()).unwrap();
    ask(&router(backend(LIMITS)), request).await
}

async fn post(body: impl Into<Body>, headers: &[(&str, &str)]) -> Answer {
    post_to(backend(LIMITS), body, headers).await
}

async fn post_to(backend: Backend, body: impl Into<Body>, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::post("/v1/sagas").header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    ask(&router(backend), request.body(body.into()).unwrap()).await
}

const GOOD: &str = r#"{"saga":"book-trip","input":{"guest":1,"legs":[]}}"#;

#[tokio::test]
async fn a_good_submission_to_a_service_that_starts_is_to_be_sent_again() {
    let answer = post(GOOD, &[("idempotency-key", "order-7")]).await;
    let body = answer.is_problem(503, "unavailable");
    assert_eq!(answer.header("retry-after"), "2");
    let detail = body["detail"].as_str().unwrap();
    assert!(detail.contains("waits for Postgres;"), "{detail}");

    let backend = backend(LIMITS);
    backend.waits_for(Startup {
        postgres: None,
        kafka: Some("no answer".to_owned()),
    });
    let answer = post_to(backend, GOOD, &[]).await;
    let body = answer.is_problem(503, "unavailable");
    let detail = body["detail"].as_str().unwrap();
    assert!(detail.contains("waits for Kafka;"), "{detail}");
}

#[tokio::test]
async fn a_body_that_is_no_submission_is_malformed() {
    for body in [
        "",
        "{",
        "[]",
        r#"{"saga":"book-trip"}"#,
        r#"{"saga":"book-trip","input":{},"extra":1}"#,
        r#"{"saga":"book-trip","input":{},"input":{}}"#,
        r#"{"saga":"book-trip","input":{"a":"\ud800"}}"#,
        r#"{"saga":"book-trip","input":{"a":1e999}}"#,
        r#"{"saga":7,"input":{}}"#,
    ] {
        post(body, &[]).await.is_problem(400, "malformed");
    }
}

#[tokio::test]
async fn a_key_that_an_input_repeats_is_named_with_its_place() {
    let body =
        r#"{"saga":"book-trip","input":{"guest":1,"legs":[{"to":"Oslo","\u0074o":"Rome"}]}}"#;
    let problem = post(body, &[]).await.is_problem(400, "malformed");
    let detail = problem["detail"].as_str().unwrap();
    assert!(
        detail.contains(r#"the object at /legs/0 repeats the key "to""#),
        "{detail}"
    );
}

#[tokio::test]
async fn an_unknown_field_is_named() {
    let body = post(r#"{"saga":"book-trip","input":{},"inptu":1}"#, &[]).await;
    let detail = body.is_problem(400, "malformed")["detail"].to_string();
    assert!(detail.contains("unknown field `inptu`"), "{detail}");
}

#[tokio::test]
async fn an_unknown_saga_is_answered_with_those_that_exist() {
    let answer = post(r#"{"saga":"book-tripp","input":{}}"#, &[]).await;
    let body = answer.is_problem(404, "unknown-saga");
    assert!(
        body["detail"]
            .as_str()
            .unwrap()
            .ends_with("there is: book-trip")
    );
}

#[tokio::test]
async fn an_input_that_does_not_fit_lists_its_faults() {
    let answer = post(r#"{"saga":"book-trip","input":{"legs":[{"to":1}]}}"#, &[]).await;
    let body = answer.is_problem(422, "invalid-input");
    let paths: Vec<_> = body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| &e["path"])
        .collect();
    assert_eq!(paths.len(), 2);
    assert!(
        paths.contains(&&Value::from("/input/legs/0/to"))
            && paths.contains(&&Value::from("/input"))
    );
}

#[tokio::test]
async fn bodies_are_bounded_in_bytes_and_depth() {
    let large = format!(r#"{{"saga":"book-trip","input":"{}"}}"#, "x".repeat(4096));
    post(large, &[]).await.is_problem(413, "too-large");
    let deep = format!(
        r#"{{"saga":"book-trip","input":{}{}}}"#,
        "[".repeat(8),
        "]".repeat(8)
    );
    let body = post(deep, &[]).await.is_problem(400, "too-deep");
    assert!(
        body["detail"]
            .as_str()
            .unwrap()
            .contains("nested 9 deep; at most 8")
    );
}

#[tokio::test]
async fn the_bound_of_a_body_is_the_setting_and_no_other() {
    let large = |bytes: usize| {
        let place = "x".repeat(bytes);
        let input = format!(r#"{{"guest":1,"legs":[{{"to":"{place}"}}]}}"#);
        let request = Request::post("/v1/sagas").header("content-type", "application/json");
        let body = format!(r#"{{"saga":"book-trip","input":{input}}}"#);
        request.body(Body::from(body)).unwrap()
    };
    let limits = Limits {
        body_bytes_max: 4 << 20,
        ..LIMITS
    };
    let router = router(backend(limits));
    // It is taken; only the engine is not there yet.
    let answer = ask(&router, large(3 << 20)).await;
    answer.is_problem(503, "unavailable");
    let answer = ask(&router, large(4 << 20)).await;
    answer.is_problem(413, "too-large");
}

#[tokio::test]
async fn a_refusal_of_a_key_that_cannot_be_looked_up_is_no_verdict() {
    let body = r#"{"saga":"book-tripp","input":{}}"#;
    let keyed = post(body, &[("idempotency-key", "order-7")]).await;
    keyed.is_problem(503, "unavailable");
    post(body, &[]).await.is_problem(404, "unknown-saga");
}

#[tokio::test]
async fn keys_that_do_not_fit_are_refused() {
    for key in ["", "a b", &"x".repeat(256)] {
        let answer = post(GOOD, &[("idempotency-key", key)]).await;
        answer.is_problem(400, "bad-idempotency-key");
    }
}

#[tokio::test]
async fn only_json_is_taken() {
    let request = Request::post("/v1/sagas").body(Body::from(GOOD)).unwrap();
    let answer = ask(&router(backend(LIMITS)), request).await;
    answer.is_problem(415, "not-json");
}

#[tokio::test]
async fn a_body_that_is_said_to_be_too_large_is_answered_before_it_comes() {
    let (sender, body) = http_body_util::channel::Channel::<Bytes>::new(1);
    let request = Request::post("/v1/sagas")
        .header(header::CONTENT_LENGTH, LIMITS.body_bytes_max + 1)
        .body(Body::new(body))
        .unwrap();
    let answer = ask(&router(backend(LIMITS)), request).await;
    drop(sender);
    answer.is_problem(413, "too-large");
    assert_eq!(answer.header("connection"), "close");
}

#[tokio::test]
async fn an_encoded_body_is_refused_with_what_is_taken() {
    let answer = post(GOOD, &[("content-encoding", "gzip")]).await;
    answer.is_problem(415, "encoded");
    assert_eq!(answer.header("accept-encoding"), "identity");
}

#[tokio::test]
async fn an_array_is_no_object_wherever_one_is_wanted() {
    let body = r#"["book-trip",{"guest":1,"legs":[]}]"#;
    let problem = post(body, &[]).await.is_problem(400, "malformed");
    assert_eq!(problem["errors"][0]["path"], "");
    let body = r#"{"saga":"book-trip","input":[1,[]]}"#;
    let problem = post(body, &[]).await.is_problem(422, "invalid-input");
    assert_eq!(problem["errors"][0]["path"], "/input");
    let message = problem["errors"][0]["message"].as_str().unwrap();
    assert!(message.contains("is not of type \"object\""), "{message}");
}

#[tokio::test]
async fn bad_ids_cursors_and_parameters_are_refused_before_the_database_is_asked() {
    get("/v1/sagas/7").await.is_problem(400, "bad-parameter");
    for query in [
        "cursor=x",
        "limit=0",
        "limit=201",
        "state=done",
        "stat=running",
        "state=",
        "limit=",
        "cursor",
        "definition=%FF",
    ] {
        get(&format!("/v1/sagas?{query}"))
            .await
            .is_problem(400, "bad-parameter");
    }
    get("/v1/dead-letters?cursor=x")
        .await
        .is_problem(400, "bad-parameter");
}

#[tokio::test]
async fn a_cancel_wants_an_actor_and_a_reason() {
    let id = "00000000-0000-0000-0000-000000000001";
    for (body, status, slug) in [
        (r#"{"actor":"operator"}"#, 400, "malformed"),
        (r#"{"actor":"","reason":"x"}"#, 422, "invalid-input"),
        (r#"{"actor":"operator","reason":"x"}"#, 503, "unavailable"),
    ] {
        let request = Request::post(format!("/v1/sagas/{id}/cancel"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body))
            .unwrap();
        ask(&router(backend(LIMITS)), request)
            .await
            .is_problem(status, slug);
    }
}

#[tokio::test]
async fn definitions_are_listed_and_shown() {
    let list = get("/v1/definitions").await.json();
    assert_eq!(list["definitions"][0]["name"], "book-trip");
    assert_eq!(list["definitions"][0]["steps"], 3);
    let one = get("/v1/definitions/book-trip").await.json();
    assert_eq!(one["steps"][0]["compensation"], "release-room");
    assert!(one["input_schema"]["properties"]["guest"].is_object());
    get("/v1/definitions/nope")
        .await
        .is_problem(404, "not-found");
}

#[tokio::test]
async fn a_service_that_starts_is_alive_and_says_what_it_waits_for() {
    let backend = backend(LIMITS);
    backend.waits_for(Startup {
        postgres: None,
        kafka: Some("cannot reach Kafka at 127.0.0.1:9092".to_owned()),
    });
    let router = router(backend.clone());
    let request = |path: &str| Request::get(path).body(Body::empty()).unwrap();
    let alive = ask(&router, request("/healthz")).await;
    assert_eq!((alive.status, alive.text.as_str()), (StatusCode::OK, "ok"));
    let ready = ask(&router, request("/readyz")).await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
    let body = ready.json();
    assert_eq!(
        (&body["ready"], &body["postgres"]),
        (&Value::from(false), &Value::from("ok"))
    );
    assert_eq!(body["kafka"], "cannot reach Kafka at 127.0.0.1:9092");
    backend.drain();
    assert_eq!(
        ask(&router, request("/readyz")).await.json()["phase"],
        "stopping"
    );
}

#[tokio::test]
async fn a_stopping_replica_takes_no_submission() {
    let backend = backend(LIMITS);
    backend.drain();
    let request = Request::post("/v1/sagas")
        .header("content-type", "application/json")
        .body(Body::from(GOOD))
        .unwrap();
    let answer = ask(&router(backend), request).await;
    answer.is_problem(503, "stopping");
    assert_eq!(answer.header("retry-after"), "1");
}

#[tokio::test]
async fn more_requests_than_the_bound_are_turned_away_and_health_is_not() {
    let backend = backend(Limits {
        requests_max: 0,
        ..LIMITS
    });
    let router = router(backend);
    let request = |path: &str| Request::get(path).body(Body::empty()).unwrap();
    let answer = ask(&router, request("/v1/definitions")).await;
    answer.is_problem(429, "overloaded");
    assert_eq!(
        ask(&router, request("/healthz")).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let (sender, body) = http_body_util::channel::Channel::<Bytes>::new(1);
    let request = Request::post("/v1/sagas")
        .header("content-type", "application/json")
        .body(Body::new(body))
        .unwrap();
    let impatient = Limits {
        request: Duration::from_millis(20),
        ..LIMITS
    };
    let answer = ask(&router(backend(impatient)), request).await;
    drop(sender);
    answer.is_problem(408, "request-too-slow");
}

#[tokio::test]
async fn the_page_and_every_answer_carry_strict_headers() {
    for path in ["/", "/v1/definitions", "/nope", "/healthz"] {
        let answer = get(path).await;
        let policy = answer.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none';") && !policy.contains("unsafe"),
            "{path}"
        );
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert!(!answer.header("cache-control").is_empty(), "{path}");
    }
    let page = get("/").await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(page.header("cache-control"), "no-cache");
}

#[cfg(dashboard)]
#[tokio::test]
async fn every_file_that_the_page_names_is_there_and_nothing_is_inline() {
    let page = get("/").await.text;
    assert!(
        !page.contains("style=") && !page.contains("<script>"),
        "the policy forbids both"
    );
    let named = page.split('"').filter(|part| part.starts_with("/assets/"));
    let mut count = 0;
    for path in named {
        let file = get(path).await;
        assert_eq!(file.status, StatusCode::OK, "{path}");
        assert_ne!(
            file.header("content-type"),
            "application/octet-stream",
            "{path}"
        );
        assert!(file.header("cache-control").contains("immutable"), "{path}");
        count += 1;
    }
    assert!(count >= 2, "the page names its script and its style");
}
