//! Puts the world of [`crate::workload`] into the databases of the services.
//!
//! Invariant: seeding again adds what is missing and changes nothing that is there.

use sqlx::PgConnection;

use crate::workload::{
    BULK_PIECES, CENTS_FEW, CREDIT_CENTS, CUSTOMER_BLOCKED, CUSTOMER_POOR, CUSTOMERS, DAYS, PIECES,
    PIECES_PER_DAY, PRODUCTS, SKU_BULK, SKU_GONE, price_cents, sku,
};

/// The catalogue.
///
/// # Errors
///
/// When the database fails.
pub async fn orders(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let (mut skus, mut prices): (Vec<_>, Vec<_>) = (1..=PRODUCTS)
        .map(|product| (sku(product), i64::from(price_cents(product))))
        .unzip();
    skus.extend([SKU_GONE.to_owned(), SKU_BULK.to_owned()]);
    prices.extend([1, 1]);
    sqlx::query(
        "INSERT INTO product (sku, price_cents) SELECT * FROM unnest($1::text[], $2::bigint[])
         ON CONFLICT DO NOTHING",
    )
    .bind(skus)
    .bind(prices)
    .execute(connection)
    .await?;
    Ok(())
}

/// What is on the shelves.
///
/// # Errors
///
/// When the database fails.
pub async fn inventory(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let (mut skus, mut pieces): (Vec<_>, Vec<_>) =
        (1..=PRODUCTS).map(|product| (sku(product), PIECES)).unzip();
    skus.extend([SKU_GONE.to_owned(), SKU_BULK.to_owned()]);
    // Mass orders hold stock only until shipping refuses them; a thousand may do so at once.
    pieces.extend([0, i64::from(BULK_PIECES) * 1_000]);
    sqlx::query(
        "INSERT INTO stock (sku, received, on_hand)
         SELECT sku, pieces, pieces FROM unnest($1::text[], $2::bigint[]) AS new (sku, pieces)
         ON CONFLICT DO NOTHING",
    )
    .bind(skus)
    .bind(pieces)
    .execute(connection)
    .await?;
    Ok(())
}

/// Who may pay how much.
///
/// # Errors
///
/// When the database fails.
pub async fn payments(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO customer (id, credit_cents, settled_cents_max)
         SELECT id, $2, $2 FROM generate_series(1, $1::bigint) AS id
         UNION ALL VALUES ($3::bigint, $5::bigint, $2), ($4::bigint, $2, $5::bigint)
         ON CONFLICT DO NOTHING",
    )
    .bind(i64::from(CUSTOMERS))
    .bind(CREDIT_CENTS)
    .bind(i64::from(CUSTOMER_POOR))
    .bind(i64::from(CUSTOMER_BLOCKED))
    .bind(CENTS_FEW)
    .execute(connection)
    .await?;
    Ok(())
}

/// The days from today on.
///
/// # Errors
///
/// When the database fails.
pub async fn shipping(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO shipping_day (day, capacity)
         SELECT current_date + offset_days, $2 FROM generate_series(0, $1 - 1) AS offset_days
         ON CONFLICT DO NOTHING",
    )
    .bind(DAYS)
    .bind(PIECES_PER_DAY)
    .execute(connection)
    .await?;
    Ok(())
}
