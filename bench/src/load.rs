//! The client: submits orders over REST and waits until each has ended.
//!
//! Closed loop: so many orders are in flight, whatever the service does. Open loop: orders come at
//! a rate, and a latency counts from the instant at which the order was meant to come, so that a
//! stall of the service shows in every order that it held up.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use serde::Deserialize;
use shop::place_order::PlaceOrder;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::latencies::Latencies;

/// A client of one orchestrator.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    sagas: String,
    orders: Arc<Orders>,
}

/// The orders to submit, one after the other.
pub(crate) struct Orders(Box<dyn Fn() -> PlaceOrder + Send + Sync>);

/// What came of a run.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) completed: u64,
    pub(crate) compensated: u64,
    /// Orders that the service did not take (429, 503), or that had not ended after half a minute.
    pub(crate) unanswered: u64,
    pub(crate) latencies: Latencies,
    pub(crate) elapsed: Duration,
}

#[derive(Deserialize)]
struct Answer {
    state: String,
}

impl std::fmt::Debug for Orders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Orders").finish()
    }
}

impl Orders {
    pub(crate) fn new(next: impl Fn() -> PlaceOrder + Send + Sync + 'static) -> Self {
        Self(Box::new(next))
    }
}

impl Client {
    pub(crate) fn new(orchestrator: &str, orders: Orders) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .pool_max_idle_per_host(usize::MAX)
            .tcp_nodelay(true)
            .build()
            .context("cannot make an HTTP client")?;
        let sagas = format!("{orchestrator}/v1/sagas");
        Ok(Self {
            http,
            sagas,
            orders: Arc::new(orders),
        })
    }

    /// Keeps `in_flight` orders in flight for a while, then waits for the last ones.
    pub(crate) async fn closed_loop(
        &self,
        in_flight: usize,
        during: Duration,
    ) -> anyhow::Result<Outcome> {
        let start = Instant::now();
        let mut clients = JoinSet::new();
        for _ in 0..in_flight {
            let client = self.clone();
            clients.spawn(async move {
                let mut outcome = Outcome::default();
                while start.elapsed() < during {
                    client.order(Instant::now(), &mut outcome).await?;
                }
                anyhow::Ok(outcome)
            });
        }
        Self::together(start, clients).await
    }

    /// Submits orders at a rate for a while, then waits for the last ones.
    pub(crate) async fn open_loop(
        &self,
        per_second: u32,
        during: Duration,
    ) -> anyhow::Result<Outcome> {
        let start = Instant::now();
        let gap = Duration::from_secs(1) / per_second;
        let mut clients = JoinSet::new();
        let mut intended = start;
        while intended < start + during {
            sleep_until(intended).await;
            let client = self.clone();
            clients.spawn(async move {
                let mut outcome = Outcome::default();
                client.order(intended, &mut outcome).await?;
                anyhow::Ok(outcome)
            });
            intended += gap;
        }
        Self::together(start, clients).await
    }

    async fn together(
        start: Instant,
        mut clients: JoinSet<anyhow::Result<Outcome>>,
    ) -> anyhow::Result<Outcome> {
        let mut all = Outcome::default();
        while let Some(outcome) = clients.join_next().await {
            all.add(outcome.context("a client task panicked")??);
        }
        all.elapsed = start.elapsed();
        Ok(all)
    }

    /// Submits one order and waits for its end.
    async fn order(&self, intended: Instant, outcome: &mut Outcome) -> anyhow::Result<()> {
        let body = serde_json::json!({ "saga": "place-order", "input": (self.orders.0)() });
        let request = self
            .http
            .post(&self.sagas)
            .header("prefer", "wait=30")
            .json(&body);
        let response = request.send().await.context("cannot submit an order")?;
        match response.status().as_u16() {
            200 => match response.json::<Answer>().await?.state.as_str() {
                "completed" => outcome.completed += 1,
                "compensated" => outcome.compensated += 1,
                other => bail!("an order ended in the state {other}"),
            },
            202 | 429 | 503 => outcome.unanswered += 1,
            status => bail!("an order was answered {status}: {}", response.text().await?),
        }
        outcome.latencies.add(intended.elapsed());
        Ok(())
    }
}

impl Outcome {
    fn add(&mut self, other: Self) {
        self.completed += other.completed;
        self.compensated += other.compensated;
        self.unanswered += other.unanswered;
        self.latencies.merge(other.latencies);
    }

    /// Orders that ended, per second.
    pub(crate) fn per_second(&self) -> f64 {
        let ended = u32::try_from(self.completed + self.compensated).unwrap_or(u32::MAX);
        f64::from(ended) / self.elapsed.as_secs_f64().max(f64::EPSILON)
    }
}
