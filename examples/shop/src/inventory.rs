//! The inventory service: what lies on the shelves, and for whom it is held.
//!
//! Invariant: per product, received = on hand + held. Stock rows are always locked in the order of
//! their product, so that two transactions never wait for each other.
//!
//! Commands come in batches: one statement locks what the batch needs to know, plain code decides
//! command by command, one statement writes what was decided.

use std::collections::HashMap;

use sagas_participant::{Received, Rejection};
use sqlx::{Postgres, Transaction};
use uuid::Uuid;

use crate::commands::{ReleaseStock, ReserveStock, StockReserved, pieces_by_sku};
use crate::services::{Answers, commands};

/// Takes each order's lines out of stock, all or none of them.
///
/// # Errors
///
/// When the database fails; a refusal is a value in the answer.
pub async fn reserve_stock(
    tx: &mut Transaction<'_, Postgres>,
    batch: Vec<Received<ReserveStock>>,
) -> Answers<StockReserved> {
    let commands = commands(batch);
    let mut left = lock_stock(tx, &commands).await?;
    let mut taken = Taken::default();
    let answers = commands
        .iter()
        .map(|command| take(&mut left, &mut taken, command))
        .collect();
    if taken.orders.is_empty() {
        return Ok(answers);
    }
    sqlx::query(
        "WITH held AS (
             INSERT INTO reservation (order_id, sku, quantity)
             SELECT * FROM unnest($1::uuid[], $2::text[], $3::bigint[])
             RETURNING sku, quantity
         )
         UPDATE stock SET on_hand = on_hand - taken.quantity
         FROM (SELECT sku, sum(quantity)::bigint AS quantity FROM held GROUP BY sku) AS taken
         WHERE stock.sku = taken.sku",
    )
    .bind(&taken.orders)
    .bind(&taken.skus)
    .bind(&taken.quantities)
    .execute(&mut **tx)
    .await?;
    Ok(answers)
}

/// Puts what is held for these orders back on the shelf.
///
/// # Errors
///
/// When the database fails.
pub async fn release_stock(
    tx: &mut Transaction<'_, Postgres>,
    batch: Vec<Received<ReleaseStock>>,
) -> Answers<()> {
    let commands = commands(batch);
    let orders: Vec<Uuid> = commands.iter().map(|command| command.order).collect();
    sqlx::query(
        "WITH released AS (
             UPDATE reservation SET state = 'released'
             WHERE order_id = ANY($1) AND state = 'held'
             RETURNING sku, quantity
         ), back AS MATERIALIZED (
             SELECT sku, quantity
             FROM (SELECT sku, sum(quantity)::bigint AS quantity FROM released GROUP BY sku) AS sums
             JOIN (SELECT sku FROM stock WHERE sku IN (SELECT sku FROM released)
                   ORDER BY sku FOR NO KEY UPDATE) AS locked USING (sku)
         )
         UPDATE stock SET on_hand = on_hand + back.quantity FROM back WHERE stock.sku = back.sku",
    )
    .bind(orders)
    .execute(&mut **tx)
    .await?;
    Ok(vec![Ok(()); commands.len()])
}

/// The rows that the batch takes from, as columns.
#[derive(Default)]
struct Taken {
    orders: Vec<Uuid>,
    skus: Vec<String>,
    quantities: Vec<i64>,
}

async fn lock_stock(
    tx: &mut Transaction<'_, Postgres>,
    commands: &[ReserveStock],
) -> Result<HashMap<String, i64>, sqlx::Error> {
    let mut skus: Vec<&str> = commands
        .iter()
        .flat_map(|command| command.lines.iter().map(|line| line.sku.as_str()))
        .collect();
    skus.sort_unstable();
    skus.dedup();
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "SELECT sku, on_hand FROM stock WHERE sku = ANY($1) ORDER BY sku FOR NO KEY UPDATE",
    )
    .bind(skus)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows.into_iter().collect())
}

fn take(
    left: &mut HashMap<String, i64>,
    taken: &mut Taken,
    command: &ReserveStock,
) -> Result<StockReserved, Rejection> {
    let wanted = pieces_by_sku(&command.lines);
    for (sku, quantity) in &wanted {
        let on_hand = left.get(*sku).copied().unwrap_or(0);
        if on_hand < *quantity {
            let message = format!("{quantity} pieces of {sku} are wanted, {on_hand} are on hand");
            return Err(Rejection::new("out-of-stock", message));
        }
    }
    let pieces = wanted.values().sum();
    for (sku, quantity) in wanted {
        *left.entry(sku.to_owned()).or_default() -= quantity;
        taken.orders.push(command.order);
        taken.skus.push(sku.to_owned());
        taken.quantities.push(quantity);
    }
    Ok(StockReserved { pieces })
}
