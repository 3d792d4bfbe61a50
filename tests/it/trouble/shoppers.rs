//! Customers who place orders whatever happens, and remember what they were told.
//!
//! Invariant: a customer repeats an order under its own key until it is acknowledged, as a client
//! must; what counts as an answer is checked here, for every answer of every test.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use reqwest::{Client, Response};
use serde_json::{Value, json};
use shop::place_order::PlaceOrder;
use shop::workload::Workload;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// An order that is not taken for so long is lost to the test.
const TAKEN_WITHIN: Duration = Duration::from_secs(90);
/// What a customer asks the service to wait; less than [`PATIENCE`], or no answer would come.
const WAIT: &str = "wait=2";
/// A replica that says nothing for so long is left for another one.
const PATIENCE: Duration = Duration::from_secs(5);

/// Between two tries: less than a client that reads Retry-After, and not to measure the refusals.
const PAUSE: Duration = Duration::from_millis(500);

/// Beyond the seeds of customers, so that no two place one order.
const SEED_OF_MANY: u64 = 1_000_000;

/// An order that was acknowledged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placed {
    pub(super) order: Uuid,
    pub(super) saga: Uuid,
}

/// How often customers were sent away for a moment.
#[derive(Debug, Default)]
pub(super) struct Refusals(AtomicU64);

impl Refusals {
    pub(super) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Customers at work.
#[derive(Debug)]
pub(super) struct Shoppers {
    closing: CancellationToken,
    tasks: JoinSet<Vec<Placed>>,
    pub(super) refusals: Arc<Refusals>,
}

impl Shoppers {
    /// One customer for each seed; each waits a while for the end of an order before it places the next.
    pub(super) fn open(urls: &[&str], seeds: Range<u64>) -> Self {
        let closing = CancellationToken::new();
        let refusals = Arc::new(Refusals::default());
        let mut tasks = JoinSet::new();
        for seed in seeds {
            let desk = Desk::new(urls, Arc::clone(&refusals));
            let closing = closing.clone();
            tasks.spawn(async move {
                let mut placed = Vec::new();
                for planned in Workload::new(seed, 30) {
                    if closing.is_cancelled() {
                        break;
                    }
                    placed.push(desk.place(&planned.order, true).await);
                }
                placed
            });
        }
        Self {
            closing,
            tasks,
            refusals,
        }
    }

    /// Every customer places the order that he is about to, and no further one.
    pub(super) async fn close(self) -> Vec<Placed> {
        self.closing.cancel();
        self.tasks.join_all().await.concat()
    }
}

/// Places `count` orders, `at_once` at a time, and waits for the end of none.
pub(super) async fn place(url: &str, count: usize, at_once: usize) -> Vec<Placed> {
    let orders: Vec<_> = Workload::new(SEED_OF_MANY + count as u64, 30)
        .take(count)
        .collect();
    let mut tasks = JoinSet::new();
    for share in orders.chunks(count.div_ceil(at_once)) {
        let desk = Desk::new(&[url], Arc::default());
        let share = share.to_vec();
        tasks.spawn(async move {
            let mut placed = Vec::new();
            for planned in share {
                placed.push(desk.place(&planned.order, false).await);
            }
            placed
        });
    }
    tasks.join_all().await.concat()
}

/// Where one customer places orders.
struct Desk {
    http: Client,
    urls: Vec<String>,
    refusals: Arc<Refusals>,
}

impl Desk {
    fn new(urls: &[&str], refusals: Arc<Refusals>) -> Self {
        Self {
            http: Client::new(),
            urls: urls.iter().map(|url| (*url).to_owned()).collect(),
            refusals,
        }
    }

    async fn place(&self, order: &PlaceOrder, waits: bool) -> Placed {
        let body = json!({ "saga": "place-order", "input": order });
        let deadline = Instant::now() + TAKEN_WITHIN;
        // Customers do not all go to the same replica first.
        let start = order.order.as_u128() as usize;
        for attempt in 0.. {
            let url = &self.urls[start.wrapping_add(attempt) % self.urls.len()];
            let mut request = self.http.post(format!("{url}/v1/sagas"));
            if waits {
                request = request.header("prefer", WAIT);
            }
            let request = request.header("idempotency-key", order.order.to_string());
            let answer = request.json(&body).timeout(PATIENCE).send().await;
            // A connection that breaks says nothing: the order is placed again under its key.
            let taken = match answer {
                Ok(answer) => self.read(answer).await,
                Err(_) => None,
            };
            if let Some(saga) = taken {
                let order = order.order;
                return Placed { order, saga };
            }
            assert!(Instant::now() < deadline, "an order was not taken in time");
            tokio::time::sleep(PAUSE).await;
        }
        unreachable!("the deadline comes first")
    }

    /// The saga of an order that was taken; `None` where the customer is to try again.
    async fn read(&self, answer: Response) -> Option<Uuid> {
        let status = answer.status().as_u16();
        let may_come_back = answer.headers().contains_key("retry-after");
        let text = answer.text().await.ok()?;
        match status {
            200..300 => {
                let answer: Value = serde_json::from_str(&text).unwrap();
                Some(answer["id"].as_str().unwrap().parse().unwrap())
            }
            429 | 503 => {
                assert!(may_come_back, "{status} without Retry-After: {text}");
                self.refusals.0.fetch_add(1, Ordering::Relaxed);
                None
            }
            _ => panic!("an order was answered {status}: {text}"),
        }
    }
}
