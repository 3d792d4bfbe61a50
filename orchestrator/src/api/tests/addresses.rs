//! Addresses that lead nowhere, parameters that nobody reads, and where a problem's type leads.

use axum::response::IntoResponse as _;

use super::super::problem::{Kind, Problem};
use super::*;

#[tokio::test]
async fn unknown_paths_and_methods_are_problems() {
    let saga = "/v1/sagas/00000000-0000-0000-0000-000000000001";
    for path in [
        "/v2/sagas",
        "/assets/nope.js",
        "/v1/sagas/",
        "/v1/definitions/a/b",
        &format!("{saga}/wipe"),
        &format!("{saga}/cancel/now"),
    ] {
        get(path).await.is_problem(404, "not-found");
    }
    for path in [
        "/%FF",
        "/v1/sagas/%FF",
        "/v1/definitions/%C3",
        "/assets/%FF",
        "/healthz%FF",
    ] {
        get(path).await.is_problem(400, "bad-path");
    }
    for (path, allowed) in [
        ("/v1/sagas", "GET,HEAD,POST"),
        (saga, "GET,HEAD"),
        (&format!("{saga}/cancel"), "POST"),
        ("/v1/definitions", "GET,HEAD"),
        ("/v1/definitions/book-trip", "GET,HEAD"),
        ("/v1/summary", "GET,HEAD"),
        ("/v1/dead-letters", "GET,HEAD"),
        ("/readyz", "GET,HEAD"),
        ("/healthz", "GET,HEAD"),
        ("/", "GET,HEAD"),
    ] {
        let request = Request::builder().method(Method::DELETE).uri(path);
        let request = request.body(Body::empty()).unwrap();
        let answer = ask(&router(backend(LIMITS)), request).await;
        answer.is_problem(405, "no-such-method");
        let mut methods: Vec<_> = answer.header("allow").split(',').collect();
        methods.sort_unstable();
        assert_eq!(methods.join(","), allowed, "{path}");
    }
}

#[tokio::test]
async fn a_parameter_that_a_route_does_not_have_is_refused_on_every_route() {
    let saga = "/v1/sagas/00000000-0000-0000-0000-000000000001";
    for path in [
        "/v1/sagas",
        saga,
        "/v1/definitions",
        "/v1/definitions/book-trip",
        "/v1/summary",
        "/v1/dead-letters",
        "/readyz",
        "/healthz",
    ] {
        let answer = get(&format!("{path}?pretty=1")).await;
        let problem = answer.is_problem(400, "bad-parameter");
        let detail = problem["detail"].as_str().unwrap();
        assert!(
            detail.starts_with("unknown parameter \"pretty\"; th"),
            "{detail}"
        );
    }
    for path in ["/v1/sagas?limit=5", &format!("{saga}/cancel?dry_run=1")] {
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
        let request = request.body(Body::from(GOOD)).unwrap();
        let answer = ask(&router(backend(LIMITS)), request).await;
        answer.is_problem(400, "bad-parameter");
    }
    let answer = get(&format!("{saga}?payloads=no")).await;
    answer.is_problem(400, "bad-parameter");
    // What stands before this service may add to the address of the page.
    assert_eq!(get("/?from=login").await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_type_of_a_problem_leads_to_a_page_and_its_instance_names_the_request() {
    let request = || Request::get("/v2/sagas").body(Body::empty()).unwrap();
    let router = router(backend(LIMITS));
    let mut instances = Vec::new();
    for _ in 0..2 {
        let problem = ask(&router, request()).await.is_problem(404, "not-found");
        let instance = problem["instance"].as_str().unwrap().to_owned();
        assert!(instance.starts_with("urn:uuid:"), "{instance}");
        instances.push(instance);
        let page = get(problem["type"].as_str().unwrap()).await;
        assert_eq!(page.status, StatusCode::OK);
        assert_eq!(page.header("content-type"), "text/plain; charset=utf-8");
        assert!(
            page.text
                .starts_with("There is nothing here (not-found, 404"),
            "{}",
            page.text
        );
    }
    assert_ne!(instances[0], instances[1]);
    for kind in Kind::ALL {
        let problem = Problem::new(kind, "x").into_response();
        let bytes = axum::body::to_bytes(problem.into_body(), usize::MAX)
            .await
            .unwrap();
        let body: Value = serde_json::from_slice(&bytes).unwrap();
        let page = get(body["type"].as_str().unwrap()).await;
        assert_eq!(page.status, StatusCode::OK, "{kind:?}");
        assert!(
            page.text.contains(body["title"].as_str().unwrap()),
            "{kind:?}"
        );
    }
    let unknown = get("/problems/nothing").await;
    unknown.is_problem(404, "not-found");
}
