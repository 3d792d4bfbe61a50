//! The shipping service: days on which shipments leave, and what leaves on them.
//!
//! Invariant: per day, booked = the pieces of the planned shipments, and never more than fit. Days
//! are always locked in order.

use chrono::NaiveDate;
use sagas_participant::{Received, Rejection};
use sqlx::{Postgres, Transaction};
use uuid::Uuid;

use crate::commands::{CancelShipment, CreateShipment, ShipmentCreated};
use crate::services::{Answers, commands};

/// How many days with room are looked at; each of them is locked by each batch.
const DAYS_AHEAD: i64 = 7;

/// Plans each shipment for the first day, from today, with room for all its pieces.
///
/// # Errors
///
/// When the database fails; a refusal is a value in the answer.
pub async fn create_shipment(
    tx: &mut Transaction<'_, Postgres>,
    batch: Vec<Received<CreateShipment>>,
) -> Answers<ShipmentCreated> {
    let commands = commands(batch);
    let mut days: Vec<(NaiveDate, i64)> = sqlx::query_as(
        "SELECT day, capacity - booked FROM shipping_day
         WHERE day >= current_date AND booked < capacity
         ORDER BY day LIMIT $1 FOR NO KEY UPDATE",
    )
    .bind(DAYS_AHEAD)
    .fetch_all(&mut **tx)
    .await?;
    let answers: Vec<_> = commands
        .iter()
        .map(|command| first_fit(&mut days, command))
        .collect();
    let (mut orders, mut on, mut pieces) = (Vec::new(), Vec::new(), Vec::new());
    for (command, answer) in commands.iter().zip(&answers) {
        if let Ok(planned) = answer {
            orders.push(command.order);
            on.push(planned.ships_on);
            pieces.push(command.pieces);
        }
    }
    if orders.is_empty() {
        return Ok(answers);
    }
    sqlx::query(
        "WITH planned AS (
             INSERT INTO shipment (order_id, day, pieces)
             SELECT * FROM unnest($1::uuid[], $2::date[], $3::bigint[])
             RETURNING day, pieces
         )
         UPDATE shipping_day SET booked = booked + sums.pieces
         FROM (SELECT day, sum(pieces)::bigint AS pieces FROM planned GROUP BY day) AS sums
         WHERE shipping_day.day = sums.day",
    )
    .bind(orders)
    .bind(on)
    .bind(pieces)
    .execute(&mut **tx)
    .await?;
    Ok(answers)
}

/// Gives the room of these orders' shipments back.
///
/// # Errors
///
/// When the database fails.
pub async fn cancel_shipment(
    tx: &mut Transaction<'_, Postgres>,
    batch: Vec<Received<CancelShipment>>,
) -> Answers<()> {
    let commands = commands(batch);
    let orders: Vec<Uuid> = commands.iter().map(|command| command.order).collect();
    sqlx::query(
        "WITH cancelled AS (
             UPDATE shipment SET state = 'cancelled'
             WHERE order_id = ANY($1) AND state = 'planned'
             RETURNING day, pieces
         ), back AS MATERIALIZED (
             SELECT day, pieces
             FROM (SELECT day, sum(pieces)::bigint AS pieces FROM cancelled GROUP BY day) AS sums
             JOIN (SELECT day FROM shipping_day WHERE day IN (SELECT day FROM cancelled)
                   ORDER BY day FOR NO KEY UPDATE) AS locked USING (day)
         )
         UPDATE shipping_day SET booked = booked - back.pieces
         FROM back WHERE shipping_day.day = back.day",
    )
    .bind(orders)
    .execute(&mut **tx)
    .await?;
    Ok(vec![Ok(()); commands.len()])
}

fn first_fit(
    days: &mut [(NaiveDate, i64)],
    command: &CreateShipment,
) -> Result<ShipmentCreated, Rejection> {
    let pieces = command.pieces;
    let Some((day, room)) = days.iter_mut().find(|(_, room)| *room >= pieces) else {
        let most = days.iter().map(|(_, room)| *room).max().unwrap_or(0);
        let message = format!("no day has room for {pieces} pieces; the emptiest has {most}");
        return Err(Rejection::new("no-capacity", message));
    };
    *room -= pieces;
    Ok(ShipmentCreated { ships_on: *day })
}
