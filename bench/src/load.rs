//! The client: submits sagas over REST and waits until each has ended.
//!
//! Closed loop: so many sagas are in flight, whatever the service does. Open loop: sagas come at
//! a rate, and a latency counts from the instant at which the saga was meant to come, so that a
//! stall of the service shows in every saga that it held up.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, header};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::workload::{End, Submission, Workload};

/// What a client that was refused waits for before it submits the next saga.
const REFUSED_WAIT: Duration = Duration::from_millis(100);

/// How sagas come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Shape {
    /// Closed loop: so many at any time.
    InFlight(usize),
    /// Open loop: so many a second.
    PerSecond(u32),
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::InFlight(sagas) => write!(f, "{sagas} in flight"),
            Self::PerSecond(sagas) => write!(f, "{sagas}/s offered"),
        }
    }
}

/// A client of the orchestrator's replicas, in turn: a connection for each saga in flight, without
/// what a general client would do for it.
#[derive(Debug, Clone)]
pub(crate) struct Client(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// `host:port` of each replica.
    addresses: Mutex<Vec<String>>,
    turn: AtomicUsize,
    idle: Mutex<Vec<Connection>>,
    totals: [AtomicU64; 4],
}

#[derive(Debug)]
struct Connection {
    address: String,
    requests: SendRequest<Full<Bytes>>,
}

/// What became of one submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The saga ended as it had to.
    Completed,
    /// The same, for a saga that had to turn back.
    Compensated,
    /// Accepted, but not ended within half a minute, or nobody asked.
    Unanswered,
    /// Not accepted: 429 or 503.
    Refused,
}

/// One submission. Times count from the start of the load.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// When it was meant to come.
    pub(crate) intended: Duration,
    /// From then to the answer.
    pub(crate) latency: Duration,
    pub(crate) answer: Answer,
}

/// Everything that a client ever submitted, by what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) completed: u64,
    pub(crate) compensated: u64,
    pub(crate) unanswered: u64,
}

/// The answer to a submission.
#[derive(Deserialize)]
struct Submitted<'a> {
    state: &'a str,
}

impl Client {
    /// Knows no replica yet.
    pub(crate) fn new() -> Self {
        Self(Arc::new(Inner {
            addresses: Mutex::default(),
            turn: AtomicUsize::new(0),
            idle: Mutex::default(),
            totals: Default::default(),
        }))
    }

    /// From now on connects to these replicas: `http://host:port` of each.
    pub(crate) fn talk_to(&self, replicas: &[String]) {
        let address = |url: &String| url.trim_start_matches("http://").to_owned();
        *lock(&self.0.addresses) = replicas.iter().map(address).collect();
        lock(&self.0.idle).clear();
    }

    /// What it submitted so far.
    pub(crate) fn totals(&self) -> Totals {
        let total = |answer: Answer| self.0.totals[answer as usize].load(Ordering::Relaxed);
        Totals {
            completed: total(Answer::Completed),
            compensated: total(Answer::Compensated),
            unanswered: total(Answer::Unanswered),
        }
    }

    /// Submits sagas for a while, then waits for the last ones.
    pub(crate) async fn drive(
        &self,
        shape: Shape,
        workload: &Arc<Workload>,
        during: Duration,
    ) -> anyhow::Result<Vec<Sample>> {
        match shape {
            Shape::InFlight(sagas) => self.closed_loop(sagas, workload, during).await,
            Shape::PerSecond(sagas) => self.open_loop(sagas, workload, during, true).await,
        }
    }

    async fn closed_loop(
        &self,
        in_flight: usize,
        workload: &Arc<Workload>,
        during: Duration,
    ) -> anyhow::Result<Vec<Sample>> {
        let start = Instant::now();
        let mut clients = JoinSet::new();
        for _ in 0..in_flight {
            let (client, workload) = (self.clone(), workload.clone());
            clients.spawn(async move {
                let mut samples = Vec::new();
                let mut connection = client.connect().await?;
                while start.elapsed() < during {
                    let now = Instant::now();
                    let sample = client.sample(&mut connection, start, now, workload.next(), true);
                    let sample = sample.await?;
                    samples.push(sample);
                    if sample.answer == Answer::Refused {
                        sleep(REFUSED_WAIT).await;
                    }
                }
                anyhow::Ok(samples)
            });
        }
        let mut samples = Vec::new();
        while let Some(ended) = clients.join_next().await {
            samples.extend(ended.context("a client task panicked")??);
        }
        Ok(samples)
    }

    async fn open_loop(
        &self,
        per_second: u32,
        workload: &Arc<Workload>,
        during: Duration,
        waits: bool,
    ) -> anyhow::Result<Vec<Sample>> {
        let start = Instant::now();
        let gap = Duration::from_secs(1) / per_second.max(1);
        let mut clients = JoinSet::new();
        let mut intended = start;
        while intended < start + during {
            sleep_until(intended).await;
            let (client, submission) = (self.clone(), workload.next());
            clients.spawn(async move {
                let mut connection = match client.idle() {
                    Some(connection) => connection,
                    None => client.connect().await?,
                };
                let sample = client.sample(&mut connection, start, intended, submission, waits);
                let sample = sample.await?;
                lock(&client.0.idle).push(connection);
                anyhow::Ok(sample)
            });
            intended += gap;
        }
        let mut samples = Vec::new();
        while let Some(ended) = clients.join_next().await {
            samples.push(ended.context("a client task panicked")??);
        }
        Ok(samples)
    }

    /// Submits one saga and waits for its end.
    pub(crate) async fn one(&self, workload: &Workload) -> anyhow::Result<()> {
        let mut connection = self.connect().await?;
        let submission = workload.next();
        let answer = self.submit(&mut connection, submission, true).await?;
        let has_ended = matches!(answer, Answer::Completed | Answer::Compensated);
        ensure!(has_ended, "the first saga had no end within half a minute");
        Ok(())
    }

    /// Submits so many sagas, `at_once` of them at a time, and waits for no end. All are accepted, or
    /// it is an error.
    pub(crate) async fn leave_open(
        &self,
        sagas: usize,
        at_once: usize,
        workload: &Arc<Workload>,
    ) -> anyhow::Result<()> {
        let left = Arc::new(AtomicUsize::new(sagas));
        let mut clients = JoinSet::new();
        for _ in 0..at_once {
            let (client, workload, left) = (self.clone(), workload.clone(), left.clone());
            clients.spawn(async move {
                let mut connection = client.connect().await?;
                let take = |left: usize| left.checked_sub(1);
                while left
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
                    .is_ok()
                {
                    let submission = workload.next();
                    let answer = client.submit(&mut connection, submission, false).await?;
                    ensure!(
                        answer == Answer::Unanswered,
                        "a saga was {answer:?} at once"
                    );
                }
                anyhow::Ok(())
            });
        }
        while let Some(ended) = clients.join_next().await {
            ended.context("a client task panicked")??;
        }
        Ok(())
    }

    /// Submits so many sagas a second for a while, and waits for no end.
    pub(crate) async fn leave_open_at(
        &self,
        per_second: u32,
        workload: &Arc<Workload>,
        during: Duration,
    ) -> anyhow::Result<Vec<Sample>> {
        self.open_loop(per_second, workload, during, false).await
    }

    /// The connection of an earlier saga. The orchestrator has ended those that were idle for long.
    fn idle(&self) -> Option<Connection> {
        let mut idle = lock(&self.0.idle);
        std::iter::from_fn(|| idle.pop()).find(|connection| !connection.requests.is_closed())
    }

    async fn connect(&self) -> anyhow::Result<Connection> {
        let turn = self.0.turn.fetch_add(1, Ordering::Relaxed);
        let address = {
            let addresses = lock(&self.0.addresses);
            let place = turn.checked_rem(addresses.len());
            place.map(|place| addresses[place].clone())
        };
        let address = address.context("there is no replica to talk to")?;
        let stream = TcpStream::connect(&address).await;
        let stream =
            stream.with_context(|| format!("cannot reach the orchestrator at {address}"))?;
        stream.set_nodelay(true)?;
        let (requests, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Connection { address, requests })
    }

    async fn sample(
        &self,
        connection: &mut Connection,
        start: Instant,
        intended: Instant,
        submission: Submission,
        waits: bool,
    ) -> anyhow::Result<Sample> {
        let answer = self.submit(connection, submission, waits).await?;
        Ok(Sample {
            intended: intended - start,
            latency: intended.elapsed(),
            answer,
        })
    }

    async fn submit(
        &self,
        connection: &mut Connection,
        submission: Submission,
        waits: bool,
    ) -> anyhow::Result<Answer> {
        let request = Request::post("/v1/sagas")
            .header(header::HOST, &connection.address)
            .header(header::CONTENT_TYPE, "application/json")
            .header("prefer", if waits { "wait=30" } else { "respond-async" })
            .body(Full::new(submission.body))?;
        let requests = &mut connection.requests;
        requests.ready().await.context("the orchestrator hung up")?;
        let response = requests.send_request(request).await;
        let response = response.context("cannot submit a saga")?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await?.to_bytes();
        let text = || String::from_utf8_lossy(&body).into_owned();
        let answer = match status {
            200..=202 => {
                let submitted = serde_json::from_slice::<Submitted<'_>>(&body);
                let submitted = submitted.with_context(|| format!("an answer is {}", text()))?;
                let answer = match submitted.state {
                    "completed" => Answer::Completed,
                    "compensated" => Answer::Compensated,
                    _ => Answer::Unanswered,
                };
                let expected = match submission.end {
                    End::Completed => Answer::Completed,
                    End::Compensated => Answer::Compensated,
                };
                let fits = answer == Answer::Unanswered || answer == expected;
                ensure!(fits, "a saga is not {expected:?}: {}", text());
                answer
            }
            429 | 503 => Answer::Refused,
            status => bail!("a submission was answered {status}: {}", text()),
        };
        self.0.totals[answer as usize].fetch_add(1, Ordering::Relaxed);
        Ok(answer)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
