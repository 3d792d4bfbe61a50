//! The payments service: customers' credit, and the payments that use it.
//!
//! Invariant: per customer, what is used = what is authorized + what is captured, and never more
//! than the credit. Customers are always locked in the order of their id.

use std::collections::{HashMap, HashSet};

use sagas_participant::{Received, Rejection};
use sqlx::{Postgres, Transaction};
use uuid::Uuid;

use crate::commands::{AuthorizePayment, CapturePayment, VoidPayment};
use crate::services::{Answers, commands};

/// Sets money aside for each order whose customer has that much credit left.
///
/// # Errors
///
/// When the database fails; a refusal is a value in the answer.
pub async fn authorize_payment(
    tx: &mut Transaction<'_, Postgres>,
    batch: Vec<Received<AuthorizePayment>>,
) -> Answers<()> {
    let commands = commands(batch);
    let mut credit = lock_credit(tx, &commands).await?;
    let answers: Vec<_> = commands
        .iter()
        .map(|command| use_credit(&mut credit, command))
        .collect();
    let authorized = commands.iter().zip(&answers);
    let authorized: Vec<_> = authorized
        .filter(|(_, answer)| answer.is_ok())
        .map(|(command, _)| command)
        .collect();
    if authorized.is_empty() {
        return Ok(answers);
    }
    let orders: Vec<Uuid> = authorized.iter().map(|one| one.order).collect();
    let customers: Vec<i64> = authorized.iter().map(|one| one.customer.into()).collect();
    let cents: Vec<i64> = authorized.iter().map(|one| one.cents.into()).collect();
    sqlx::query(
        "WITH authorized AS (
             INSERT INTO payment (order_id, customer, cents)
             SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bigint[])
             RETURNING customer, cents
         )
         UPDATE customer SET used_cents = used_cents + sums.cents
         FROM (SELECT customer, sum(cents)::bigint AS cents FROM authorized GROUP BY customer) AS sums
         WHERE customer.id = sums.customer",
    )
    .bind(orders)
    .bind(customers)
    .bind(cents)
    .execute(&mut **tx)
    .await?;
    Ok(answers)
}

/// Gives money that is set aside for these orders back.
///
/// # Errors
///
/// When the database fails.
pub async fn void_payment(
    tx: &mut Transaction<'_, Postgres>,
    batch: Vec<Received<VoidPayment>>,
) -> Answers<()> {
    let commands = commands(batch);
    let orders: Vec<Uuid> = commands.iter().map(|command| command.order).collect();
    sqlx::query(
        "WITH voided AS (
             UPDATE payment SET state = 'voided'
             WHERE order_id = ANY($1) AND state = 'authorized'
             RETURNING customer, cents
         ), back AS MATERIALIZED (
             SELECT id, cents
             FROM (SELECT customer AS id, sum(cents)::bigint AS cents FROM voided GROUP BY id) AS sums
             JOIN (SELECT id FROM customer WHERE id IN (SELECT customer FROM voided)
                   ORDER BY id FOR NO KEY UPDATE) AS locked USING (id)
         )
         UPDATE customer SET used_cents = used_cents - back.cents
         FROM back WHERE customer.id = back.id",
    )
    .bind(orders)
    .execute(&mut **tx)
    .await?;
    Ok(vec![Ok(()); commands.len()])
}

/// Takes the money that is set aside for each order, if the customer's bank settles that much.
///
/// One statement; a second one asks for the reasons when a payment was declined.
///
/// # Errors
///
/// When the database fails; a refusal is a value in the answer.
pub async fn capture_payment(
    tx: &mut Transaction<'_, Postgres>,
    batch: Vec<Received<CapturePayment>>,
) -> Answers<()> {
    let commands = commands(batch);
    let orders: Vec<Uuid> = commands.iter().map(|command| command.order).collect();
    let captured: Vec<Uuid> = sqlx::query_scalar(
        "UPDATE payment SET state = 'captured'
         FROM customer
         WHERE payment.order_id = ANY($1) AND payment.state = 'authorized'
           AND customer.id = payment.customer AND payment.cents <= customer.settled_cents_max
         RETURNING payment.order_id",
    )
    .bind(&orders)
    .fetch_all(&mut **tx)
    .await?;
    if captured.len() == orders.len() {
        return Ok(orders.iter().map(|_| Ok(())).collect());
    }
    let captured: HashSet<Uuid> = captured.into_iter().collect();
    let declined = orders.iter().filter(|order| !captured.contains(order));
    let reasons = reasons(tx, declined.copied().collect()).await?;
    let answer = |order: &Uuid| match (captured.contains(order), reasons.get(order)) {
        (true, _) => Ok(()),
        (false, reason) => {
            let message = reason.map_or("no money is set aside for the order", String::as_str);
            Err(Rejection::new("capture-declined", message))
        }
    };
    Ok(orders.iter().map(answer).collect())
}

async fn lock_credit(
    tx: &mut Transaction<'_, Postgres>,
    commands: &[AuthorizePayment],
) -> Result<HashMap<i64, i64>, sqlx::Error> {
    let customers: Vec<i64> = commands.iter().map(|one| one.customer.into()).collect();
    let rows: Vec<(i64, i64)> = sqlx::query_as(
        "SELECT id, credit_cents - used_cents FROM customer WHERE id = ANY($1)
         ORDER BY id FOR NO KEY UPDATE",
    )
    .bind(customers)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows.into_iter().collect())
}

fn use_credit(credit: &mut HashMap<i64, i64>, command: &AuthorizePayment) -> Result<(), Rejection> {
    let AuthorizePayment {
        customer, cents, ..
    } = command;
    let Some(left) = credit.get_mut(&i64::from(*customer)) else {
        let message = format!("customer {customer} has no card");
        return Err(Rejection::new("card-declined", message));
    };
    if *left < i64::from(*cents) {
        let message = format!("{cents} cents exceed the {left} cents of credit that are left");
        return Err(Rejection::new("card-declined", message));
    }
    *left -= i64::from(*cents);
    Ok(())
}

async fn reasons(
    tx: &mut Transaction<'_, Postgres>,
    declined: Vec<Uuid>,
) -> Result<HashMap<Uuid, String>, sqlx::Error> {
    let rows: Vec<(Uuid, i64, i64)> = sqlx::query_as(
        "SELECT order_id, cents, settled_cents_max FROM payment
         JOIN customer ON customer.id = payment.customer
         WHERE order_id = ANY($1) AND state = 'authorized'",
    )
    .bind(declined)
    .fetch_all(&mut **tx)
    .await?;
    let reason = |(order, cents, max)| {
        let text =
            format!("the bank settles {max} cents at once, the payment is over {cents} cents");
        (order, text)
    };
    Ok(rows.into_iter().map(reason).collect())
}
