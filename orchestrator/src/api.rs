//! REST (`/v1`), health, and the dashboard's files; the socket that they are asked at.
//!
//! ```text
//!   request ─► guard (bounds, one task per request) ─► address ─► handler ─► engine (changes)
//!                                                                     └────► store  (reads)
//! ```
//!
//! Invariants: a handler is never dropped half-way, because it runs in a task of its own; what is
//! shown of a saga was read from the primary within the request; only `problem` knows status codes
//! of failures, and no database text leaves the process. Nothing here decides about a saga.

mod address;
mod applied;
mod backend;
mod body;
mod counts;
mod cursor;
mod dead_letters;
mod definitions;
mod depth;
mod detail;
mod guard;
mod health;
mod inputs;
mod key;
mod keys;
mod list;
mod orders;
mod page;
mod prefer;
mod problem;
mod query;
mod read;
#[cfg(test)]
mod sample;
mod server;
mod submit;
mod summary;
#[cfg(test)]
mod tests;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state, map_response};
use axum::routing::{get, post};

pub use backend::{Backend, Limits, Startup};
pub use inputs::SchemaError;
pub use problem::Problem;
pub use server::Server;

/// Every route of the service.
pub fn router(backend: Backend) -> Router {
    let methods = Router::new()
        .route(submit::SUBMISSIONS, post(submit::submit).get(list::list))
        .route("/v1/sagas/{id}", get(read::one))
        .route(
            "/v1/sagas/{id}/{order}",
            post(orders::give).fallback(orders::not_taken),
        )
        .route("/v1/definitions", get(definitions::list))
        .route("/v1/definitions/{name}", get(definitions::one))
        .route("/v1/summary", get(counts::summary))
        .route("/v1/dead-letters", get(dead_letters::list))
        .route("/problems/{slug}", get(problem::page))
        .route("/readyz", get(health::readyz))
        .route("/", get(page::index))
        .route("/assets/{*path}", get(page::asset))
        .fallback(problem::no_such_path)
        .method_not_allowed_fallback(problem::no_such_method)
        // The guard bounds bodies, by the setting; axum would cut them at 2 MiB besides.
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn(address::check))
        .layer(from_fn_with_state(backend.clone(), guard::guard));
    // Outside the guard: a process that is busy is alive.
    let alive = Router::new()
        .route("/healthz", get(health::healthz))
        .method_not_allowed_fallback(problem::no_such_method)
        .layer(from_fn(address::check));
    methods
        .merge(alive)
        .layer(map_response(page::secure))
        .with_state(backend)
}
