//! How a container's health check gets to know how a service is.
//!
//! ```text
//!  shop health ── GET /healthz ──> shop service --health-listen
//!   exit 0 or 1 <── 200 or 503 ──  sagas_participant::Health
//! ```
//!
//! The answer is made on the threads that the handlers run on, so a process that hangs gives none,
//! and `shop health` waits for none longer than [`ANSWER_WITHIN`]. No secret is in it.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use sagas_participant::{Health, HealthReport};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use super::arguments::HealthArguments;
use super::say;

/// The report is at hand: what takes longer hangs.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// A report as JSON: of each part, `ok` or what is the matter.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Answer {
    healthy: bool,
    database: String,
    broker: String,
    commands: String,
}

impl Answer {
    fn of(report: &HealthReport) -> Self {
        let word = |trouble: &Option<sagas_participant::Trouble>| {
            let trouble = trouble.as_ref();
            trouble.map_or_else(|| "ok".to_owned(), ToString::to_string)
        };
        Self {
            healthy: report.is_healthy(),
            database: word(&report.database),
            broker: word(&report.broker),
            commands: word(&report.commands),
        }
    }
}

/// Takes the address. Who asks from now on waits for [`serve`].
pub(super) async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).await;
    listener.with_context(|| format!("listen at {address} (--health-listen)"))
}

/// Answers until the process ends.
pub(super) async fn serve(listener: TcpListener, health: Health) {
    let router = Router::new()
        .route("/healthz", get(healthz))
        .with_state(health);
    if let Err(error) = axum::serve(listener, router).await {
        // The next check goes unanswered, and says so.
        // Of an I/O error, whose text is all that there is.
        tracing::error!(error = error.to_string(), "the health listener has ended");
    }
}

async fn healthz(State(health): State<Health>) -> (StatusCode, Json<Answer>) {
    let answer = Answer::of(&health.report());
    let status = if answer.healthy {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(answer))
}

/// `shop health`: prints the answer; 0 if the service is healthy.
pub(super) async fn ask(arguments: &HealthArguments) -> anyhow::Result<ExitCode> {
    let address = arguments.health_listen;
    let client = reqwest::Client::builder()
        .timeout(ANSWER_WITHIN)
        // The address is this machine's: nothing lies between.
        .no_proxy()
        .build()
        .context("make an HTTP client")?;
    let url = format!("http://{address}/healthz");
    let response = client.get(&url).send().await;
    let response = response.with_context(|| format!("no answer from the service at {address}"))?;
    let answer: Answer = response.json().await.context("read the answer")?;
    say(format_args!("database: {}", answer.database));
    say(format_args!("broker: {}", answer.broker));
    say(format_args!("commands: {}", answer.commands));
    Ok(if answer.healthy {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

#[cfg(test)]
mod tests {
    use sagas_participant::Trouble;

    use super::*;

    #[test]
    fn an_answer_says_of_each_part_what_is_the_matter() {
        let report = HealthReport {
            database: Some(Trouble {
                lasted: Duration::from_secs(12),
                what: "it does not answer".to_owned(),
            }),
            broker: None,
            commands: None,
        };
        let json = serde_json::to_string(&Answer::of(&report)).unwrap();
        let expected = r#"{"healthy":false,"database":"for 12 s: it does not answer","broker":"ok","commands":"ok"}"#;
        assert_eq!(json, expected);
    }
}
