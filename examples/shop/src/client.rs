//! A client of the orchestrator's REST interface, as far as the shop needs one.
//!
//! Invariant: an order is submitted under its own id as the idempotency key, so that submitting it
//! again, after whatever went wrong, gives the same saga.

use std::time::Duration;

use anyhow::{Context as _, bail};
use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use crate::place_order::{PlaceOrder, PlacedOrder};

/// How long one request may take, beside what it is asked to wait.
const REQUEST_LIMIT: Duration = Duration::from_secs(15);

/// How often a submission is tried while the orchestrator asks for patience.
const TRIES: u32 = 20;

/// The orchestrator.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
}

/// What `GET /v1/sagas/{id}` says, as far as the shop reads it.
#[derive(Debug, Clone, Deserialize)]
pub struct SagaView {
    /// The saga.
    pub id: Uuid,
    /// `running`, `compensating`, `completed`, `compensated` or `stuck`.
    pub state: String,
    /// Its result, once completed.
    pub output: Option<PlacedOrder>,
    /// Why it turned back.
    pub reason: Option<Reason>,
}

/// Why a saga turned back.
#[derive(Debug, Clone, Deserialize)]
pub struct Reason {
    /// The step that caused it.
    pub step: Option<String>,
    /// Short and stable.
    pub code: String,
    /// For people.
    pub message: String,
}

impl SagaView {
    /// Whether nothing moves it any more.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        matches!(self.state.as_str(), "completed" | "compensated" | "stuck")
    }
}

impl Client {
    /// A client of the orchestrator at `url`.
    ///
    /// # Errors
    ///
    /// When the HTTP client cannot be made.
    pub fn new(url: &str) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .build()
            .context("make an HTTP client")?;
        let url = url.trim_end_matches('/').to_owned();
        Ok(Self { http, url })
    }

    /// Whether the orchestrator says that it is ready.
    pub async fn is_ready(&self) -> bool {
        let answer = self.http.get(format!("{}/readyz", self.url));
        let answer = answer.timeout(Duration::from_secs(2)).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    /// Submits the order and gives its saga. Tries again while the orchestrator is out of reach or
    /// asks for patience.
    ///
    /// # Errors
    ///
    /// When the orchestrator refuses the order, or stays out of reach.
    pub async fn submit(&self, order: &PlaceOrder) -> anyhow::Result<Uuid> {
        #[derive(Deserialize)]
        struct Accepted {
            id: Uuid,
        }
        let body = json!({ "saga": "place-order", "input": order });
        for attempt in 1.. {
            let sent = self
                .http
                .post(format!("{}/v1/sagas", self.url))
                .header("Idempotency-Key", order.order.to_string())
                .json(&body)
                .timeout(REQUEST_LIMIT)
                .send()
                .await;
            let retry = match sent {
                Ok(answer) if answer.status().is_success() => {
                    let accepted: Accepted = answer.json().await.context("read the answer")?;
                    return Ok(accepted.id);
                }
                Ok(answer) if is_passing(answer.status()) => answer.status().to_string(),
                Ok(answer) => bail!("order {}: {}", order.order, problem(answer).await),
                Err(error) => error.to_string(),
            };
            if attempt == TRIES {
                bail!("order {} could not be submitted: {retry}", order.order);
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        unreachable!("the loop has no end but those above")
    }

    /// What is known of a saga.
    ///
    /// # Errors
    ///
    /// When the orchestrator is out of reach, or does not know it.
    pub async fn saga(&self, id: Uuid) -> anyhow::Result<SagaView> {
        let request = self.http.get(format!("{}/v1/sagas/{id}", self.url));
        let answer = request.timeout(REQUEST_LIMIT).send().await;
        let answer = answer.context("ask for a saga")?;
        if !answer.status().is_success() {
            bail!("saga {id}: {}", problem(answer).await);
        }
        answer.json().await.context("read a saga")
    }
}

fn is_passing(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::SERVICE_UNAVAILABLE
}

/// Status and body: a problem is a sentence for people.
async fn problem(answer: reqwest::Response) -> String {
    let status = answer.status();
    let body = answer.text().await.unwrap_or_default();
    format!("{status}: {body}")
}
