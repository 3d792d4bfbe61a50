//! The auditor: reads all five databases and says whether their books agree.
//!
//! ```text
//!   orchestrator ──┐
//!   orders ────────┤
//!   inventory ─────┼─> books ─> check ─> Audit ─> report (text or JSON, exit code)
//!   payments ──────┤
//!   shipping ──────┘
//! ```
//!
//! Invariant: it believes no service about another. What it calls wrong is wrong whenever it looks,
//! also while orders are being placed: an order is judged only when its saga had ended before the
//! services were read. It changes nothing.

mod books;
mod check;
mod report;

use chrono::NaiveDate;
use serde::Serialize;
use uuid::Uuid;

pub use report::Report;

/// Where the five databases are.
#[derive(Clone)]
pub struct Urls {
    /// The orchestrator's.
    pub orchestrator: String,
    /// The orders service's.
    pub orders: String,
    /// The inventory service's.
    pub inventory: String,
    /// The payments service's.
    pub payments: String,
    /// The shipping service's.
    pub shipping: String,
}

/// Connection strings carry passwords.
impl std::fmt::Debug for Urls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Urls").finish_non_exhaustive()
    }
}

/// Why there is no audit.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the books of {database}")]
pub struct Error {
    /// Which of the five.
    pub database: &'static str,
    /// Why not.
    pub source: sqlx::Error,
}

/// What the books say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// What is wrong; empty when the books agree.
    pub wrong: Vec<Wrong>,
    /// Sagas that have not ended: their orders were not judged.
    pub open: Vec<OpenSaga>,
    /// The sums.
    pub sums: Sums,
}

impl Audit {
    /// 0 when the books agree and every saga has ended, 1 when something is wrong, 2 when nothing is
    /// but sagas still run or wait for a person.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match (self.wrong.is_empty(), self.open.is_empty()) {
            (false, _) => 1,
            (true, false) => 2,
            (true, true) => 0,
        }
    }
}

/// One thing that is wrong: `{"order": "…", "what": "…"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Wrong {
    /// What it is about.
    #[serde(flatten)]
    pub about: About,
    /// What is wrong with it, in words.
    pub what: String,
}

/// What an error is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// An order.
    Order(Uuid),
    /// A saga.
    Saga(Uuid),
    /// A product in stock.
    Product(String),
    /// A customer's credit.
    Customer(i64),
    /// A shipping day.
    Day(NaiveDate),
}

/// A saga that has not ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OpenSaga {
    /// The saga.
    pub saga: Uuid,
    /// Its order.
    pub order: Option<Uuid>,
    /// `running`, `compensating` or `stuck`.
    pub state: String,
}

/// What the books add up to. Where the books agree, the lines of each block are equal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Sums {
    /// Sagas by state.
    pub sagas: std::collections::BTreeMap<String, u64>,
    /// Orders that are pending.
    pub pending: Sum,
    /// Orders that are cancelled.
    pub cancelled: Sum,
    /// Orders that are confirmed.
    pub confirmed: Sum,
    /// Orders with stock that is held for them.
    pub reserved: Sum,
    /// Payments that are authorized and not captured.
    pub authorized: Sum,
    /// Payments that are captured.
    pub captured: Sum,
    /// Shipments that are planned.
    pub shipped: Sum,
    /// Pieces that ever came in.
    pub stock_received: i64,
    /// Pieces that are on hand.
    pub stock_on_hand: i64,
    /// Cents of credit that are used.
    pub credit_used_cents: i64,
    /// Pieces that are booked on shipping days.
    pub days_booked: i64,
}

/// A sum of orders.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Sum {
    /// How many orders.
    pub count: u64,
    /// How many pieces; 0 where the service does not know.
    pub pieces: i64,
    /// How many cents; 0 where the service does not know.
    pub cents: i64,
}

impl Sum {
    fn add(&mut self, pieces: i64, cents: i64) {
        self.count += 1;
        self.pieces += pieces;
        self.cents += cents;
    }
}

/// Reads the five databases and compares them.
///
/// It holds all orders in memory: some 500 bytes each.
///
/// # Errors
///
/// When a database cannot be read.
pub async fn run(urls: &Urls) -> Result<Audit, Error> {
    Ok(check::check(&books::read(urls).await?))
}
