//! The orders service: what customers ordered, and what became of it.
//!
//! Invariant: an order is pending until it is confirmed or cancelled, and then never changes.

use std::collections::{HashMap, HashSet};

use chrono::NaiveDate;
use sagas_participant::{HandlerError, Received, Rejection};
use sqlx::{Postgres, Transaction};
use uuid::Uuid;

use crate::commands::{CancelOrder, ConfirmOrder, CreateOrder, OrderCreated, pieces_by_sku};
use crate::services::{Answers, commands};

/// Writes down each order that is new and whose total is what its lines cost.
///
/// # Errors
///
/// When the database fails; a refusal is a value in the answer.
pub async fn create_order(
    tx: &mut Transaction<'_, Postgres>,
    batch: Vec<Received<CreateOrder>>,
) -> Answers<OrderCreated> {
    let commands = commands(batch);
    let prices = prices(tx, &commands).await?;
    let mut seen = HashSet::new();
    let checked: Vec<Result<(), Rejection>> = commands
        .iter()
        .map(|command| {
            check_total(&prices, command)?;
            let is_first = seen.insert(command.order);
            is_first.then_some(()).ok_or_else(|| exists(command))
        })
        .collect();
    let accepted = commands.iter().zip(&checked);
    let accepted = accepted.filter(|(_, check)| check.is_ok());
    let mut numbers = insert(tx, accepted.map(|(command, _)| command).collect()).await?;
    let answers = commands.iter().zip(checked).map(|(command, check)| {
        check?;
        let number = numbers.remove(&command.order);
        let number = number.ok_or_else(|| exists(command))?;
        Ok(OrderCreated { number })
    });
    Ok(answers.collect())
}

/// Cancels these orders.
///
/// # Errors
///
/// When the database fails.
pub async fn cancel_order(
    tx: &mut Transaction<'_, Postgres>,
    batch: Vec<Received<CancelOrder>>,
) -> Answers<()> {
    let commands = commands(batch);
    let orders: Vec<Uuid> = commands.iter().map(|command| command.order).collect();
    sqlx::query("UPDATE orders SET state = 'cancelled' WHERE id = ANY($1) AND state = 'pending'")
        .bind(orders)
        .execute(&mut **tx)
        .await?;
    Ok(vec![Ok(()); commands.len()])
}

/// Confirms these orders, which are pending.
///
/// # Errors
///
/// When the database fails.
pub async fn confirm_order(
    tx: &mut Transaction<'_, Postgres>,
    batch: Vec<Received<ConfirmOrder>>,
) -> Answers<()> {
    let commands = commands(batch);
    let orders: Vec<Uuid> = commands.iter().map(|command| command.order).collect();
    let days: Vec<NaiveDate> = commands.iter().map(|command| command.ships_on).collect();
    let confirmed = sqlx::query(
        "UPDATE orders SET state = 'confirmed', ships_on = confirmed.ships_on
         FROM unnest($1::uuid[], $2::date[]) AS confirmed (id, ships_on)
         WHERE orders.id = confirmed.id AND orders.state = 'pending'",
    )
    .bind(orders)
    .bind(days)
    .execute(&mut **tx)
    .await?;
    let count = commands.len();
    if confirmed.rows_affected() != count as u64 {
        // A batch that fails is handed in again one by one, so that only the odd order is left.
        let message = format!(
            "of {count} orders, {} were pending",
            confirmed.rows_affected()
        );
        return Err(HandlerError::failed("order-not-pending", message));
    }
    Ok(vec![Ok(()); count])
}

async fn prices(
    tx: &mut Transaction<'_, Postgres>,
    commands: &[CreateOrder],
) -> Result<HashMap<String, i64>, sqlx::Error> {
    let lines = commands.iter().flat_map(|command| &command.lines);
    let skus: HashSet<&str> = lines.map(|line| line.sku.as_str()).collect();
    let rows: Vec<(String, i64)> =
        sqlx::query_as("SELECT sku, price_cents FROM product WHERE sku = ANY($1)")
            .bind(skus.into_iter().collect::<Vec<_>>())
            .fetch_all(&mut **tx)
            .await?;
    Ok(rows.into_iter().collect())
}

/// The customer pays what the order form said, or there is no order.
fn check_total(prices: &HashMap<String, i64>, command: &CreateOrder) -> Result<(), Rejection> {
    if command.lines.is_empty() || command.lines.iter().any(|line| line.quantity == 0) {
        return Err(Rejection::new(
            "empty-order",
            "there is no line, or a line without pieces",
        ));
    }
    let mut total: i64 = 0;
    for line in &command.lines {
        let Some(price) = prices.get(&line.sku) else {
            let message = format!("there is no product {}", line.sku);
            return Err(Rejection::new("unknown-product", message));
        };
        // A saturated sum differs from every total that a `u32` can name.
        total = total.saturating_add(price.saturating_mul(line.quantity.into()));
    }
    if total != i64::from(command.cents) {
        let said = command.cents;
        let message = format!("the lines cost {total} cents, the customer was told {said}");
        return Err(Rejection::new("price-changed", message));
    }
    Ok(())
}

fn exists(command: &CreateOrder) -> Rejection {
    let message = format!("there is an order {} already", command.order);
    Rejection::new("order-exists", message)
}

/// The numbers of those orders that did not exist.
async fn insert(
    tx: &mut Transaction<'_, Postgres>,
    accepted: Vec<&CreateOrder>,
) -> Result<HashMap<Uuid, i64>, sqlx::Error> {
    if accepted.is_empty() {
        return Ok(HashMap::new());
    }
    let orders: Vec<Uuid> = accepted.iter().map(|one| one.order).collect();
    let customers: Vec<i64> = accepted.iter().map(|one| one.customer.into()).collect();
    let cents: Vec<i64> = accepted.iter().map(|one| one.cents.into()).collect();
    let (mut line_orders, mut skus, mut quantities) = (Vec::new(), Vec::new(), Vec::new());
    for command in accepted {
        for (sku, quantity) in pieces_by_sku(&command.lines) {
            line_orders.push(command.order);
            skus.push(sku);
            quantities.push(quantity);
        }
    }
    let rows: Vec<(Uuid, i64)> = sqlx::query_as(
        "WITH created AS (
             INSERT INTO orders (id, customer, cents)
             SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bigint[])
             ON CONFLICT (id) DO NOTHING
             RETURNING id, number
         ), lines AS (
             INSERT INTO order_line (order_id, sku, quantity)
             SELECT id, sku, quantity
             FROM unnest($4::uuid[], $5::text[], $6::bigint[]) AS line (id, sku, quantity)
             JOIN created USING (id)
         )
         SELECT id, number FROM created",
    )
    .bind(orders)
    .bind(customers)
    .bind(cents)
    .bind(line_orders)
    .bind(skus)
    .bind(quantities)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows.into_iter().collect())
}
