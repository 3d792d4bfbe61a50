//! The client: submits sagas over REST and waits until each has ended.
//!
//! Closed loop: so many sagas are in flight, whatever the service does. Open loop: sagas come at
//! a rate, and a latency counts from the instant at which the saga was meant to come, so that a
//! stall of the service shows in every saga that it held up.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, header};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::latencies::Latencies;

/// A client of one orchestrator: a connection for each saga in flight, without what a general client
/// would do for it.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    /// `host:port`.
    address: String,
    bodies: Arc<Bodies>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

/// The requests to send, one after the other.
pub(crate) struct Bodies(Box<dyn Fn() -> String + Send + Sync>);

type Connection = SendRequest<Full<Bytes>>;

/// What came of a run.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) completed: u64,
    pub(crate) compensated: u64,
    /// Sagas that the service did not take (429, 503), or that had not ended after half a minute.
    pub(crate) unanswered: u64,
    pub(crate) latencies: Latencies,
    pub(crate) elapsed: Duration,
}

#[derive(Deserialize)]
struct Answer<'a> {
    state: &'a str,
}

impl std::fmt::Debug for Bodies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Bodies").finish()
    }
}

impl Bodies {
    /// `next` gives the JSON of a submission.
    pub(crate) fn new(next: impl Fn() -> String + Send + Sync + 'static) -> Self {
        Self(Box::new(next))
    }
}

impl Client {
    /// `orchestrator`: `http://host:port`.
    pub(crate) fn new(orchestrator: &str, bodies: Bodies) -> Self {
        Self {
            address: orchestrator.trim_start_matches("http://").to_owned(),
            bodies: Arc::new(bodies),
            idle: Arc::default(),
        }
    }

    async fn connect(&self) -> anyhow::Result<Connection> {
        let stream = TcpStream::connect(&self.address).await;
        let stream = stream.context("cannot reach the orchestrator")?;
        stream.set_nodelay(true)?;
        let (requests, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(requests)
    }

    /// Keeps `in_flight` sagas in flight for a while, then waits for the last ones.
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
                let mut connection = client.connect().await?;
                while start.elapsed() < during {
                    client
                        .saga(&mut connection, Instant::now(), &mut outcome)
                        .await?;
                }
                anyhow::Ok(outcome)
            });
        }
        Self::together(start, clients).await
    }

    /// Submits sagas at a rate for a while, then waits for the last ones.
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
                // An idle connection of an earlier saga, or a new one.
                let idle = client
                    .idle
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .pop();
                let mut connection = match idle {
                    Some(connection) => connection,
                    None => client.connect().await?,
                };
                client.saga(&mut connection, intended, &mut outcome).await?;
                client
                    .idle
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(connection);
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

    /// Submits one saga and waits for its end.
    async fn saga(
        &self,
        connection: &mut Connection,
        intended: Instant,
        outcome: &mut Outcome,
    ) -> anyhow::Result<()> {
        let body = Full::new(Bytes::from((self.bodies.0)()));
        let request = Request::post("/v1/sagas")
            .header(header::HOST, &self.address)
            .header(header::CONTENT_TYPE, "application/json")
            .header("prefer", "wait=30")
            .body(body)?;
        connection
            .ready()
            .await
            .context("the orchestrator hung up")?;
        let response = connection.send_request(request).await;
        let response = response.context("cannot submit a saga")?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await?.to_bytes();
        match status {
            200 => match serde_json::from_slice::<Answer<'_>>(&body)?.state {
                "completed" => outcome.completed += 1,
                "compensated" => outcome.compensated += 1,
                other => bail!("a saga ended in the state {other}"),
            },
            202 | 429 | 503 => outcome.unanswered += 1,
            status => bail!(
                "a submission was answered {status}: {}",
                String::from_utf8_lossy(&body)
            ),
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

    /// Sagas that ended, per second.
    pub(crate) fn per_second(&self) -> f64 {
        let ended = u32::try_from(self.completed + self.compensated).unwrap_or(u32::MAX);
        f64::from(ended) / self.elapsed.as_secs_f64().max(f64::EPSILON)
    }
}
