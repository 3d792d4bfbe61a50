//! Reads the books of the five databases, each in one snapshot.
//!
//! The sagas are read first: whatever a saga that has ended did to the services was committed
//! before, and is seen. An order whose saga is not among them was submitted meanwhile; the sagas
//! are then read once more, and those orders count as open.

use std::collections::{HashMap, HashSet};

use chrono::NaiveDate;
use serde::Deserialize;
use sqlx::{Connection as _, PgConnection, Postgres, Transaction};
use uuid::Uuid;

use super::{Error, Urls};

/// All that the auditor looks at.
#[derive(Debug, Default)]
pub(super) struct Books {
    pub(super) sagas: Vec<SagaRow>,
    /// Sagas that were submitted while the services were read.
    pub(super) newcomers: Vec<SagaRow>,
    pub(super) orders: HashMap<Uuid, OrderRow>,
    /// Stock that is held, by order.
    pub(super) held: HashMap<Uuid, Goods>,
    /// Payments that are not voided, by order.
    pub(super) payments: HashMap<Uuid, Vec<PaymentRow>>,
    /// Shipments that are planned, by order.
    pub(super) shipments: HashMap<Uuid, Vec<i64>>,
    pub(super) stock: Vec<StockRow>,
    pub(super) customers: Vec<CustomerRow>,
    pub(super) days: Vec<DayRow>,
}

#[derive(Debug, Clone)]
pub(super) struct SagaRow {
    pub(super) id: Uuid,
    pub(super) state: String,
    /// From the input; `None` when it has none.
    pub(super) order: Option<Uuid>,
    /// `create-order` was refused: the saga never had an order, even if there is one of that id.
    pub(super) has_no_order: bool,
}

impl SagaRow {
    pub(super) fn is_open(&self) -> bool {
        !matches!(self.state.as_str(), "completed" | "compensated")
    }
}

#[derive(Debug, sqlx::FromRow)]
pub(super) struct OrderRow {
    pub(super) id: Uuid,
    pub(super) state: String,
    pub(super) customer: i64,
    pub(super) cents: i64,
    #[sqlx(flatten)]
    pub(super) ordered: Goods,
}

/// Products and pieces, as text: `2 sku-001, 1 sku-007`.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub(super) struct Goods {
    pub(super) text: String,
    pub(super) pieces: i64,
}

#[derive(Debug)]
pub(super) struct PaymentRow {
    pub(super) customer: i64,
    pub(super) cents: i64,
    pub(super) state: String,
}

#[derive(Debug, sqlx::FromRow)]
pub(super) struct StockRow {
    pub(super) sku: String,
    pub(super) received: i64,
    pub(super) on_hand: i64,
    pub(super) held: i64,
}

#[derive(Debug, sqlx::FromRow)]
pub(super) struct CustomerRow {
    pub(super) id: i64,
    pub(super) used: i64,
    pub(super) paid: i64,
}

#[derive(Debug, sqlx::FromRow)]
pub(super) struct DayRow {
    pub(super) day: NaiveDate,
    pub(super) booked: i64,
    pub(super) planned: i64,
}

pub(super) async fn read(urls: &Urls) -> Result<Books, Error> {
    let mut books = Books {
        sagas: sagas(urls).await?,
        ..Books::default()
    };
    orders(urls, &mut books).await.map_err(of("orders"))?;
    inventory(urls, &mut books).await.map_err(of("inventory"))?;
    payments(urls, &mut books).await.map_err(of("payments"))?;
    shipping(urls, &mut books).await.map_err(of("shipping"))?;
    let known: HashSet<Uuid> = books.sagas.iter().filter_map(|saga| saga.order).collect();
    if books
        .all_orders()
        .iter()
        .any(|order| !known.contains(order))
    {
        let before: HashSet<Uuid> = books.sagas.iter().map(|saga| saga.id).collect();
        books.newcomers = sagas(urls).await?;
        books.newcomers.retain(|saga| !before.contains(&saga.id));
    }
    Ok(books)
}

impl Books {
    /// Every order that a service knows or that a saga had at first.
    pub(super) fn all_orders(&self) -> HashSet<Uuid> {
        let services = self.orders.keys().chain(self.held.keys());
        let services = services
            .chain(self.payments.keys())
            .chain(self.shipments.keys());
        let sagas = self.sagas.iter().filter_map(|saga| saga.order);
        services.copied().chain(sagas).collect()
    }
}

fn of(database: &'static str) -> impl FnOnce(sqlx::Error) -> Error {
    move |source| Error { database, source }
}

/// All statements of one database see the same instant.
async fn snapshot(connection: &mut PgConnection) -> Result<Transaction<'_, Postgres>, sqlx::Error> {
    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
    connection.begin_with(begin).await
}

async fn sagas(urls: &Urls) -> Result<Vec<SagaRow>, Error> {
    let rows = saga_rows(&urls.orchestrator).await;
    let rows = rows.map_err(of("the orchestrator"))?;
    Ok(rows.into_iter().map(saga).collect())
}

/// Id, state, what moves, and the first history row, which has the input.
///
/// Postgres opens no JSON that has the character U+0000 or half of a surrogate pair anywhere in it.
/// The auditor has no use for either.
async fn saga_rows(url: &str) -> Result<Vec<(Uuid, String, String, String)>, sqlx::Error> {
    let mut connection = PgConnection::connect(url).await?;
    let mut tx = snapshot(&mut connection).await?;
    sqlx::query_as(
        r"SELECT id, status, moving,
              (regexp_replace(history, '\\u(0000|[dD][89a-fA-F]..)', '\\ufffd', 'g')::json -> 0)::text
          FROM every_saga WHERE definition = 'place-order'",
    )
    .fetch_all(&mut *tx)
    .await
}

fn saga((id, state, moving, first): (Uuid, String, String, String)) -> SagaRow {
    #[derive(Deserialize)]
    struct Moving {
        reason: Option<Reason>,
    }
    #[derive(Deserialize)]
    struct Reason {
        kind: String,
        step: Option<String>,
    }
    #[derive(Deserialize)]
    struct First {
        input: Input,
    }
    #[derive(Deserialize)]
    struct Input {
        order: Uuid,
    }
    let reason = serde_json::from_str::<Moving>(&moving).ok();
    let reason = reason.and_then(|moving| moving.reason);
    let has_no_order = reason.is_some_and(|reason| {
        reason.kind == "rejected" && reason.step.as_deref() == Some("create-order")
    });
    let first = serde_json::from_str::<First>(&first).ok();
    SagaRow {
        id,
        state,
        order: first.map(|first| first.input.order),
        has_no_order,
    }
}

async fn orders(urls: &Urls, books: &mut Books) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect(&urls.orders).await?;
    let mut tx = snapshot(&mut connection).await?;
    let rows: Vec<OrderRow> = sqlx::query_as(
        "SELECT orders.id, orders.state, orders.customer, orders.cents,
             coalesce(lines.text, 'nothing') AS text, coalesce(lines.pieces, 0) AS pieces
         FROM orders
         LEFT JOIN (SELECT order_id, sum(quantity)::bigint AS pieces,
                        string_agg(quantity || ' ' || sku, ', ' ORDER BY sku) AS text
                    FROM order_line GROUP BY order_id) AS lines ON lines.order_id = orders.id",
    )
    .fetch_all(&mut *tx)
    .await?;
    books.orders = rows.into_iter().map(|row| (row.id, row)).collect();
    Ok(())
}

async fn inventory(urls: &Urls, books: &mut Books) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect(&urls.inventory).await?;
    let mut tx = snapshot(&mut connection).await?;
    let rows: Vec<(Uuid, String, i64)> = sqlx::query_as(
        "SELECT order_id, string_agg(quantity || ' ' || sku, ', ' ORDER BY sku),
             sum(quantity)::bigint
         FROM reservation WHERE state = 'held' GROUP BY order_id",
    )
    .fetch_all(&mut *tx)
    .await?;
    let goods = |(order, text, pieces)| (order, Goods { text, pieces });
    books.held = rows.into_iter().map(goods).collect();
    books.stock = sqlx::query_as(
        "SELECT stock.sku, stock.received, stock.on_hand, coalesce(sums.held, 0) AS held
         FROM stock
         LEFT JOIN (SELECT sku, sum(quantity)::bigint AS held
                    FROM reservation WHERE state = 'held' GROUP BY sku) AS sums USING (sku)
         ORDER BY stock.sku",
    )
    .fetch_all(&mut *tx)
    .await?;
    Ok(())
}

async fn payments(urls: &Urls, books: &mut Books) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect(&urls.payments).await?;
    let mut tx = snapshot(&mut connection).await?;
    let rows: Vec<(Uuid, i64, i64, String)> = sqlx::query_as(
        "SELECT order_id, customer, cents, state FROM payment WHERE state <> 'voided'",
    )
    .fetch_all(&mut *tx)
    .await?;
    for (order, customer, cents, state) in rows {
        let row = PaymentRow {
            customer,
            cents,
            state,
        };
        books.payments.entry(order).or_default().push(row);
    }
    books.customers = sqlx::query_as(
        "SELECT customer.id, customer.used_cents AS used, coalesce(sums.paid, 0) AS paid
         FROM customer
         LEFT JOIN (SELECT customer, sum(cents)::bigint AS paid
                    FROM payment WHERE state <> 'voided' GROUP BY customer) AS sums
             ON sums.customer = customer.id
         ORDER BY customer.id",
    )
    .fetch_all(&mut *tx)
    .await?;
    Ok(())
}

async fn shipping(urls: &Urls, books: &mut Books) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect(&urls.shipping).await?;
    let mut tx = snapshot(&mut connection).await?;
    let rows: Vec<(Uuid, i64)> =
        sqlx::query_as("SELECT order_id, pieces FROM shipment WHERE state = 'planned'")
            .fetch_all(&mut *tx)
            .await?;
    for (order, pieces) in rows {
        books.shipments.entry(order).or_default().push(pieces);
    }
    books.days = sqlx::query_as(
        "SELECT shipping_day.day, shipping_day.booked, coalesce(sums.planned, 0) AS planned
         FROM shipping_day
         LEFT JOIN (SELECT day, sum(pieces)::bigint AS planned
                    FROM shipment WHERE state = 'planned' GROUP BY day) AS sums USING (day)
         ORDER BY shipping_day.day",
    )
    .fetch_all(&mut *tx)
    .await?;
    Ok(())
}
