//! What clients may send wrong: each mistake is answered with its own problem, and starts nothing.

use reqwest::RequestBuilder;
use serde_json::{Value, json};
use shop::workload::Fate;

use super::{order, send, submission};
use crate::world::World;

/// `--body-bytes-max`, as it is by default.
const BODY_BYTES_MAX: usize = 1 << 20;

/// Addresses that lead nowhere: method, path, the status and the type of the answer, and words in it.
const ADDRESSES: &str = r#"
    GET   /v1/sagas/17                                    400 bad-parameter  "17"
    GET   /v1/sagas/00000000-0000-4000-8000-000000000000  404 not-found      no saga
    GET   /v1/sagas?cursor=17                             400 bad-parameter  cursor
    GET   /v1/sagas?state=done                            400 bad-parameter  compensated
    GET   /v1/sagas?limit=0                               400 bad-parameter  1 to 200
    GET   /v1/sagas?limit=201                             400 bad-parameter  1 to 200
    GET   /v1/sagas?stat=stuck                            400 bad-parameter  "stat"
    GET   /v1/sagas?limit=1&limit=2                       400 bad-parameter  twice
    GET   /v1/sagas?key=a%20b                             400 bad-parameter  without spaces
    GET   /v1/sagas?key=a&state=stuck                     400 bad-parameter  "state"
    GET   /v1/dead-letters?cursor=x                       400 bad-parameter  cursor
    GET   /v1/definitions/none                            404 not-found      place-order
    GET   /v1/sagas?definition=%00                        400 bad-parameter  U+0000
    GET   /v1/sagas?definition=place-order%00             400 bad-parameter  U+0000
    GET   /v1/sagas?definition=a%00&attention=true        400 bad-parameter  U+0000
    GET   /v1/sagas?state=%00                             400 bad-parameter  U+0000
    GET   /v1/sagas?limit=%00                             400 bad-parameter  U+0000
    GET   /v1/sagas?attention=%00                         400 bad-parameter  U+0000
    GET   /v1/sagas?cursor=%00                            400 bad-parameter  U+0000
    GET   /v1/sagas?%00=1                                 400 bad-parameter  unknown
    GET   /v1/dead-letters?limit=%00                      400 bad-parameter  U+0000
    GET   /v1/dead-letters?cursor=%00                     400 bad-parameter  U+0000
    GET   /v1/sagas/%00                                   400 bad-parameter  an id
    GET   /v1/definitions/%00                             404 not-found      place-order
    POST  /v1/sagas/00000000-0000-4000-8000-000000000000/%00 404 not-found   no order
    POST  /v1/sagas?dry=1                                 400 bad-parameter  this address takes none
    GET   /v1/sagas?state=                                400 bad-parameter  is empty
    GET   /v1/sagas?state=running,                        400 bad-parameter  compensated
    GET   /v1/summary?x=1                                 400 bad-parameter  "x"
    GET   /v1/sagas/%FF                                   400 bad-path       UTF-8
    GET   /%FF                                            400 bad-path       UTF-8
    GET   /v1/sagas/00000000-0000-4000-8000-000000000000/wipe 404 not-found  orders are
    GET   /v1/sagas/00000000-0000-4000-8000-000000000000/cancel 405 no-such-method GET
    GET   /v2/sagas                                       404 not-found      /v2/sagas
    GET   /assets/none.js                                 404 not-found      none.js
    PATCH /v1/sagas                                       405 no-such-method PATCH
"#;

/// A wrong request: what is wrong, the request, and the status, type and words of its answer.
type Mistake = (
    &'static str,
    RequestBuilder,
    u16,
    &'static str,
    &'static str,
);

#[tokio::test(flavor = "multi_thread")]
async fn each_mistake_is_answered_with_its_own_problem_and_starts_nothing() {
    let world = World::without_services().await;
    let mistakes = bodies(&world).into_iter().chain(headers(&world));
    let mistakes = mistakes.chain(keys(&world));
    for (what, request, status, slug, words) in mistakes {
        let answer = send(request).await;
        let problem = answer.problem(status, slug);
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(words), "{what}: {detail}");
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("default-src 'none'"), "{what}: {policy}");
    }
    assert_eq!(world.sagas().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_leads_nowhere_is_answered_with_what_is_wrong_with_it() {
    let world = World::without_services().await;
    for line in ADDRESSES.lines().filter(|line| !line.is_empty()) {
        let mut words = line.split_whitespace();
        let mut next = || words.next().unwrap();
        let (method, path) = (next().parse().unwrap(), next());
        let (status, slug) = (next().parse().unwrap(), next());
        let request = world.http.request(method, format!("{}{path}", world.url()));
        let problem = send(request).await.problem(status, slug);
        let expected = words.collect::<Vec<_>>().join(" ");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(&expected), "{line}: {detail}");
    }
}

fn bodies(world: &World) -> Vec<Mistake> {
    let good = submission(&order(1, Fate::Confirmed));
    let unknown = json!({ "saga": "place-ordr", "input": {} });
    let with_more = json!({ "saga": "place-order", "input": {}, "prio": 1 });
    let large = format!("{good}{}", " ".repeat(BODY_BYTES_MAX));
    let deep = format!(
        r#"{{"saga":"place-order","input":{}1{}}}"#,
        "[".repeat(5_000),
        "]".repeat(5_000)
    );
    let not_utf8 = b"{\"saga\":\"place-order\",\"input\":\"\xff\"}".to_vec();
    let twice = r#"{"saga":"place-order","input":{},"input":{}}"#;
    let post = |body: &str| world.post_text(body.to_owned());
    vec![
        (
            "cut off",
            post(r#"{"saga":"place-order","input":{"#),
            400,
            "malformed",
            "EOF",
        ),
        ("empty", post(""), 400, "malformed", "EOF"),
        ("two values", post("{} {}"), 400, "malformed", "the body"),
        ("no object", post("[]"), 400, "malformed", "found an array"),
        (
            "no input",
            post(r#"{"saga":"place-order"}"#),
            400,
            "malformed",
            "`input`",
        ),
        ("twice", post(twice), 400, "malformed", "duplicate field"),
        (
            "one field more",
            post(&with_more.to_string()),
            400,
            "malformed",
            "`prio`",
        ),
        (
            "not UTF-8",
            world.post_text(not_utf8),
            400,
            "malformed",
            "UTF-8",
        ),
        (
            "a byte order mark",
            post("\u{feff}{}"),
            400,
            "malformed",
            "byte order mark",
        ),
        ("too deep", post(&deep), 400, "too-deep", "5001 deep"),
        ("too large", post(&large), 413, "too-large", "1048576 bytes"),
        (
            "unknown",
            post(&unknown.to_string()),
            404,
            "unknown-saga",
            "place-order",
        ),
    ]
}

fn headers(world: &World) -> Vec<Mistake> {
    let good = submission(&order(1, Fate::Confirmed)).to_string();
    let typed = |media: &'static str| {
        let request = world.post("/v1/sagas").body(good.clone());
        request.header("content-type", media)
    };
    vec![
        ("text", typed("text/plain"), 415, "not-json", "text/plain"),
        (
            "another charset",
            typed("application/json; charset=iso-8859-1"),
            415,
            "not-json",
            "UTF-8",
        ),
        (
            "compressed",
            world
                .post_text(good.clone())
                .header("content-encoding", "gzip"),
            415,
            "encoded",
            "gzip",
        ),
        (
            "a form",
            typed("application/x-www-form-urlencoded"),
            415,
            "not-json",
            "form",
        ),
        (
            "no type",
            world.post("/v1/sagas").body(good.clone()),
            415,
            "not-json",
            "none",
        ),
    ]
}

fn keys(world: &World) -> Vec<Mistake> {
    let good = submission(&order(1, Fate::Confirmed)).to_string();
    let keyed = |key: &str| world.post_text(good.clone()).header("idempotency-key", key);
    vec![
        (
            "an empty key",
            keyed(""),
            400,
            "bad-idempotency-key",
            "1 to 255",
        ),
        (
            "a space",
            keyed("order 7"),
            400,
            "bad-idempotency-key",
            "without spaces",
        ),
        (
            "a long key",
            keyed(&"k".repeat(256)),
            400,
            "bad-idempotency-key",
            "256",
        ),
        (
            "umlauts",
            keyed("größe"),
            400,
            "bad-idempotency-key",
            "ASCII",
        ),
        (
            "an open quotation",
            keyed("\"order-7"),
            400,
            "bad-idempotency-key",
            "no closing one",
        ),
        (
            "two keys",
            keyed("a").header("idempotency-key", "b"),
            400,
            "bad-idempotency-key",
            "more than one",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn an_input_that_does_not_fit_is_answered_with_the_paths_of_all_faults() {
    let world = World::without_services().await;
    let good = submission(&order(1, Fate::Confirmed));
    let faults = |change: fn(&mut Value)| {
        let mut body = good.clone();
        change(&mut body["input"]);
        let request = world.post_text(body.to_string());
        async {
            let problem = send(request).await.problem(422, "invalid-input");
            let detail = problem["detail"].as_str().unwrap().to_owned();
            assert!(detail.contains("/v1/definitions/place-order"), "{detail}");
            let errors = problem["errors"].as_array().unwrap().iter();
            let mut paths: Vec<_> = errors
                .map(|error| {
                    assert!(!error["message"].as_str().unwrap().is_empty(), "{error}");
                    error["path"].as_str().unwrap().to_owned()
                })
                .collect();
            paths.sort_unstable();
            paths
        }
    };
    let everywhere = faults(|input| {
        input["order"] = json!("order-7");
        input["customer"] = json!("one");
        input["cents"] = json!(-1);
        input["lines"] = json!([
            { "sku": "sku-001", "quantity": 0 },
            { "sku": "", "quantity": "two" },
            { "sku": "sku-003" },
        ]);
    });
    let expected = [
        "/input/cents",
        "/input/customer",
        "/input/lines/0/quantity",
        "/input/lines/1/quantity",
        "/input/lines/1/sku",
        "/input/lines/2",
        "/input/order",
    ];
    assert_eq!(everywhere.await, expected);
    let missing = faults(|input| *input = json!({}));
    assert_eq!(missing.await, ["/input"; 4]);
    let empty = faults(|input| input["lines"] = json!([]));
    assert_eq!(empty.await, ["/input/lines"]);
    let array = faults(|input| *input = json!([1, 2]));
    assert_eq!(array.await, ["/input"]);
    // JSON Schema has no largest integer; the Rust type does.
    let too_many = faults(|input| input["cents"] = json!(5_000_000_000_u64));
    assert_eq!(too_many.await.len(), 1);
    assert_eq!(world.sagas().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_exactly_the_largest_size_is_taken() {
    let world = World::without_services().await;
    let good = submission(&order(1, Fate::Confirmed)).to_string();
    let body = format!("{good}{}", " ".repeat(BODY_BYTES_MAX - good.len()));
    assert_eq!(send(world.post_text(body.clone())).await.status, 201);
    let larger = send(world.post_text(format!("{body} "))).await;
    larger.problem(413, "too-large");
    assert_eq!(world.sagas().await, 1);
}
