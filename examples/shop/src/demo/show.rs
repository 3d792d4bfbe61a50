//! Places orders and shows, order by order, what becomes of them.
//!
//! On a terminal a progress line stays at the bottom; elsewhere there are only the lines.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use anyhow::bail;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::cli::OrdersArguments;
use crate::cli::say;
use crate::client::{Client, SagaView};
use crate::workload::{Planned, Workload};

/// How often a saga is asked for until it has ended.
const POLL: Duration = Duration::from_millis(100);

/// How long an order may take before the demo gives up. The first ones wait until the services have
/// found their topics.
const ORDER_LIMIT: Duration = Duration::from_secs(90);

/// What became of the orders.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    confirmed: u32,
    refused: BTreeMap<String, u32>,
    surprises: Vec<String>,
}

impl Tally {
    /// Whether each order was confirmed, or refused where it was meant to be.
    pub(crate) fn is_as_planned(&self) -> bool {
        self.surprises.is_empty()
    }

    /// Prints how many orders ended where.
    pub(crate) fn print(&self) {
        say(format_args!("{:>5} confirmed", self.confirmed));
        for (place, count) in &self.refused {
            say(format_args!("{count:>5} cancelled, rejected by {place}"));
        }
        for surprise in &self.surprises {
            say(format_args!("NOT AS PLANNED: {surprise}"));
        }
    }

    fn add(&mut self, ended: &Ended) {
        let order = ended.planned.order.order;
        let places = ended.planned.fate.refused_at();
        let reason = ended.saga.reason.as_ref();
        let step = reason.and_then(|reason| reason.step.as_deref());
        match (ended.saga.state.as_str(), step) {
            ("completed", _) if places.is_empty() => self.confirmed += 1,
            ("compensated", Some(step)) if places.contains(&step) => {
                *self.refused.entry(step.to_owned()).or_default() += 1;
            }
            (state, step) => {
                let step = step.unwrap_or("no step");
                let meant = ended.planned.fate;
                let text = format!("order {order} is {state} ({step}), meant to be {meant:?}");
                self.surprises.push(text);
            }
        }
    }
}

/// An order whose saga has ended.
struct Ended {
    number: u32,
    planned: Planned,
    saga: SagaView,
    took: Duration,
}

/// One line: `  7  confirmed   as number 3, leaves on 2026-11-24      41 ms`.
impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, took) = (self.number, self.took.as_millis());
        match (&self.saga.output, &self.saga.reason) {
            (Some(placed), _) => {
                let what = format!("as number {}, leaves on {}", placed.number, placed.ships_on);
                write!(f, "{number:>5}  confirmed  {what}")?;
            }
            (None, Some(reason)) => {
                let step = reason.step.as_deref().unwrap_or("an operator");
                write!(f, "{number:>5}  cancelled  {step}: {}", reason.message)?;
            }
            (None, None) => write!(f, "{number:>5}  {}", self.saga.state)?,
        }
        write!(f, "  ({took} ms)")
    }
}

/// Places the orders at their rate, and returns when all have ended.
pub(crate) async fn orders(client: &Client, plan: &OrdersArguments) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    let mut bar = Bar::new(plan.orders);
    let mut running = JoinSet::new();
    let mut planned = (1..=plan.orders).zip(Workload::new(plan.seed, plan.refused_percent));
    let mut pace = tokio::time::interval(Duration::from_secs(1) / plan.rate);
    let mut is_placing = true;
    while is_placing || !running.is_empty() {
        tokio::select! {
            _ = pace.tick(), if is_placing => match planned.next() {
                Some((number, planned)) => {
                    running.spawn(follow(client.clone(), number, planned));
                    bar.placed += 1;
                    bar.draw();
                }
                None => is_placing = false,
            },
            Some(ended) = running.join_next() => {
                let ended = ended??;
                tally.add(&ended);
                bar.ended += 1;
                bar.line(&ended);
            }
        }
    }
    bar.clear();
    Ok(tally)
}

async fn follow(client: Client, number: u32, planned: Planned) -> anyhow::Result<Ended> {
    let began = Instant::now();
    let id: Uuid = client.submit(&planned.order).await?;
    loop {
        let saga = client.saga(id).await?;
        let took = began.elapsed();
        if saga.has_ended() {
            return Ok(Ended {
                number,
                planned,
                saga,
                took,
            });
        }
        if took > ORDER_LIMIT {
            bail!("saga {id} is still {} after {ORDER_LIMIT:?}", saga.state);
        }
        tokio::time::sleep(POLL).await;
    }
}

/// The progress line; silent where there is no terminal.
struct Bar {
    is_terminal: bool,
    all: u32,
    placed: u32,
    ended: u32,
}

impl Bar {
    /// Characters of the bar itself.
    const WIDTH: u32 = 30;

    fn new(all: u32) -> Self {
        let is_terminal = std::io::stdout().is_terminal();
        Self {
            is_terminal,
            all,
            placed: 0,
            ended: 0,
        }
    }

    fn line(&self, line: impl fmt::Display) {
        self.clear();
        say(line);
        self.draw();
    }

    fn draw(&self) {
        if !self.is_terminal {
            return;
        }
        let share = |count: u32| (count * Self::WIDTH).checked_div(self.all).unwrap_or(0) as usize;
        let (ended, placed) = (share(self.ended), share(self.placed));
        let bar = format!("{}{}", "█".repeat(ended), "░".repeat(placed - ended));
        let width = Self::WIDTH as usize;
        let open = self.placed - self.ended;
        let (done, all) = (self.ended, self.all);
        put(&format!(
            "\r\x1b[K[{bar:<width$}] {done} of {all} ended, {open} under way"
        ));
    }

    fn clear(&self) {
        if self.is_terminal {
            put("\r\x1b[K");
        }
    }
}

fn put(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = write!(out, "{text}").and_then(|()| out.flush());
}
