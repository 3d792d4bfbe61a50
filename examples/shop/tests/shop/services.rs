//! Every refusal comes from data, and what is undone leaves nothing.

use shop::commands::{
    AuthorizePayment, CancelOrder, CancelShipment, CapturePayment, ConfirmOrder, CreateOrder,
    CreateShipment, Line, ReleaseStock, ReserveStock, VoidPayment,
};
use shop::workload::{
    BULK_PIECES, CUSTOMER_BLOCKED, CUSTOMER_POOR, SKU_BULK, SKU_GONE, price_cents, sku,
};
use shop::{inventory, orders, payments, shipping};
use uuid::Uuid;

use crate::fixture::{Shop, ask, received};

fn line(sku: &str, quantity: u32) -> Line {
    Line {
        sku: sku.to_owned(),
        quantity,
    }
}

fn reserve(order: u128, lines: &[Line]) -> ReserveStock {
    ReserveStock {
        order: Uuid::from_u128(order),
        lines: lines.to_vec(),
    }
}

fn create(order: u128, lines: &[Line], cents: u32) -> CreateOrder {
    CreateOrder {
        order: Uuid::from_u128(order),
        customer: 1,
        lines: lines.to_vec(),
        cents,
    }
}

fn authorize(order: u128, customer: u32, cents: u32) -> AuthorizePayment {
    AuthorizePayment {
        order: Uuid::from_u128(order),
        customer,
        cents,
    }
}

fn capture(order: u128) -> CapturePayment {
    CapturePayment {
        order: Uuid::from_u128(order),
    }
}

fn ship(order: u128, pieces: i64) -> CreateShipment {
    CreateShipment {
        order: Uuid::from_u128(order),
        pieces,
    }
}

/// The code and the message of a refusal, or `ok`.
fn verdict<R>(answer: &Result<R, sagas_participant::Rejection>) -> String {
    match answer {
        Ok(_) => "ok".to_owned(),
        Err(refusal) => format!("{}: {}", refusal.code, refusal.message),
    }
}

async fn number(pool: &sqlx::PgPool, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(pool).await.unwrap()
}

#[tokio::test]
async fn one_batch_of_orders_is_judged_order_by_order() {
    let shop = Shop::open().await;
    let (one, two) = (sku(1), sku(2));
    let right = price_cents(1) * 2 + price_cents(2);
    let lines = [line(&one, 1), line(&two, 1), line(&one, 1)];
    let answers = ask(
        &shop.orders,
        orders::create_order,
        vec![
            create(1, &lines, right),
            create(2, &lines, right + 1),
            create(1, &lines, right),
            create(3, &[line("sku-none", 1)], 1),
            create(4, &[], 0),
            create(5, &lines, right),
        ],
    )
    .await;
    let verdicts: Vec<_> = answers.iter().map(verdict).collect();
    let told = right + 1;
    let expected = [
        "ok".to_owned(),
        format!("price-changed: the lines cost {right} cents, the customer was told {told}"),
        format!(
            "order-exists: there is an order {} already",
            Uuid::from_u128(1)
        ),
        "unknown-product: there is no product sku-none".to_owned(),
        "empty-order: there is no line, or a line without pieces".to_owned(),
        "ok".to_owned(),
    ];
    assert_eq!(verdicts, expected);
    let again = ask(
        &shop.orders,
        orders::create_order,
        vec![create(5, &lines, right)],
    )
    .await;
    assert_eq!(again[0].as_ref().unwrap_err().code, "order-exists");
    let lines = number(&shop.orders, "SELECT sum(quantity)::bigint FROM order_line").await;
    assert_eq!(lines, 6);
}

#[tokio::test]
async fn an_order_is_confirmed_or_cancelled_once() {
    let shop = Shop::open().await;
    let (first, second) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let lines = [line(&sku(1), 1)];
    ask(
        &shop.orders,
        orders::create_order,
        vec![
            create(1, &lines, price_cents(1)),
            create(2, &lines, price_cents(1)),
        ],
    )
    .await;
    let ships_on = chrono::NaiveDate::from_ymd_opt(2026, 11, 24).unwrap();
    let confirm = |order| ConfirmOrder { order, ships_on };
    ask(&shop.orders, orders::confirm_order, vec![confirm(first)]).await;
    ask(
        &shop.orders,
        orders::cancel_order,
        vec![CancelOrder { order: first }, CancelOrder { order: second }],
    )
    .await;
    let mut tx = shop.orders.begin().await.unwrap();
    let again = vec![received(confirm(second))];
    let error = orders::confirm_order(&mut tx, again).await.unwrap_err();
    assert!(
        error.to_string().starts_with("failed: order-not-pending"),
        "{error}"
    );
    tx.rollback().await.unwrap();
    let query = "SELECT count(*) FROM orders WHERE state = CASE id
        WHEN '00000000-0000-0000-0000-000000000001' THEN 'confirmed' ELSE 'cancelled' END";
    assert_eq!(number(&shop.orders, query).await, 2);
}

#[tokio::test]
async fn stock_is_taken_for_all_lines_or_none_and_never_below_zero() {
    let shop = Shop::open().await;
    shop.tamper(
        "inventory",
        "UPDATE stock SET received = 5, on_hand = 5 WHERE sku = 'sku-001'",
    )
    .await;
    let (one, two) = (sku(1), sku(2));
    let answers = ask(
        &shop.inventory,
        inventory::reserve_stock,
        vec![
            reserve(1, &[line(&one, 2), line(&two, 1), line(&one, 1)]),
            reserve(2, &[line(&two, 1), line(&one, 3)]),
            reserve(3, &[line(&one, 2)]),
            reserve(4, &[line(SKU_GONE, 1)]),
            reserve(5, &[line("sku-none", 1)]),
        ],
    )
    .await;
    assert_eq!(answers[0].as_ref().unwrap().pieces, 4);
    let verdicts: Vec<_> = answers.iter().map(verdict).collect();
    let expected = [
        "ok",
        "out-of-stock: 3 pieces of sku-001 are wanted, 2 are on hand",
        "ok",
        "out-of-stock: 1 pieces of sku-gone are wanted, 0 are on hand",
        "out-of-stock: 1 pieces of sku-none are wanted, 0 are on hand",
    ];
    assert_eq!(verdicts, expected);
    let on_hand = "SELECT on_hand FROM stock WHERE sku = 'sku-001'";
    assert_eq!(number(&shop.inventory, on_hand).await, 0);

    let release = |order| ReleaseStock {
        order: Uuid::from_u128(order),
    };
    ask(
        &shop.inventory,
        inventory::release_stock,
        vec![release(1), release(3), release(9)],
    )
    .await;
    ask(&shop.inventory, inventory::release_stock, vec![release(1)]).await;
    assert_eq!(number(&shop.inventory, on_hand).await, 5);
    let held = "SELECT count(*) FROM reservation WHERE state = 'held'";
    assert_eq!(number(&shop.inventory, held).await, 0);
}

#[tokio::test]
async fn payments_never_exceed_the_credit_and_voids_give_it_back() {
    let shop = Shop::open().await;
    shop.tamper(
        "payments",
        "UPDATE customer SET credit_cents = 1000 WHERE id = 7",
    )
    .await;
    let answers = ask(
        &shop.payments,
        payments::authorize_payment,
        vec![
            authorize(1, 7, 600),
            authorize(2, 7, 500),
            authorize(3, 7, 400),
            authorize(4, CUSTOMER_POOR, 150),
            authorize(5, 999_999, 1),
        ],
    )
    .await;
    let verdicts: Vec<_> = answers.iter().map(verdict).collect();
    let expected = [
        "ok",
        "card-declined: 500 cents exceed the 400 cents of credit that are left",
        "ok",
        "card-declined: 150 cents exceed the 100 cents of credit that are left",
        "card-declined: customer 999999 has no card",
    ];
    assert_eq!(verdicts, expected);
    let captured = ask(&shop.payments, payments::capture_payment, vec![capture(1)]).await;
    assert_eq!(verdict(&captured[0]), "ok");

    let void = |order| VoidPayment {
        order: Uuid::from_u128(order),
    };
    ask(
        &shop.payments,
        payments::void_payment,
        vec![void(1), void(2), void(3)],
    )
    .await;
    ask(&shop.payments, payments::void_payment, vec![void(3)]).await;
    let used = "SELECT used_cents FROM customer WHERE id = 7";
    assert_eq!(number(&shop.payments, used).await, 600);
}

#[tokio::test]
async fn a_capture_is_declined_by_the_bank_alone() {
    let shop = Shop::open().await;
    ask(
        &shop.payments,
        payments::authorize_payment,
        vec![authorize(1, 1, 600), authorize(2, CUSTOMER_BLOCKED, 500)],
    )
    .await;
    let answers = ask(
        &shop.payments,
        payments::capture_payment,
        vec![capture(2), capture(1), capture(3)],
    )
    .await;
    let verdicts: Vec<_> = answers.iter().map(verdict).collect();
    let expected = [
        "capture-declined: the bank settles 100 cents at once, the payment is over 500 cents",
        "ok",
        "capture-declined: no money is set aside for the order",
    ];
    assert_eq!(verdicts, expected);
}

#[tokio::test]
async fn shipments_fill_the_first_day_with_room() {
    let shop = Shop::open().await;
    shop.tamper(
        "shipping",
        "DELETE FROM shipping_day WHERE day > current_date + 1;
         UPDATE shipping_day SET capacity = 10",
    )
    .await;
    let answers = ask(
        &shop.shipping,
        shipping::create_shipment,
        vec![
            ship(1, 8),
            ship(2, 4),
            ship(3, 2),
            ship(4, i64::from(BULK_PIECES)),
            ship(5, 7),
        ],
    )
    .await;
    let verdicts: Vec<_> = answers.iter().map(verdict).collect();
    let expected = [
        "ok",
        "ok",
        "ok",
        "no-capacity: no day has room for 1000000 pieces; the emptiest has 6",
        "no-capacity: no day has room for 7 pieces; the emptiest has 6",
    ];
    assert_eq!(verdicts, expected);
    let day = |answer: usize| answers[answer].as_ref().unwrap().ships_on;
    assert_eq!(day(0), day(2));
    assert_eq!(day(0).succ_opt(), Some(day(1)));

    let cancel = |order| CancelShipment {
        order: Uuid::from_u128(order),
    };
    ask(
        &shop.shipping,
        shipping::cancel_shipment,
        vec![cancel(1), cancel(2)],
    )
    .await;
    ask(&shop.shipping, shipping::cancel_shipment, vec![cancel(1)]).await;
    let booked = "SELECT sum(booked)::bigint FROM shipping_day";
    assert_eq!(number(&shop.shipping, booked).await, 2);
}

/// Opposite directions over the same rows: without an order of locking this deadlocks.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn reservations_and_releases_of_the_same_products_never_deadlock() {
    let shop = Shop::open().await;
    let lines: Vec<_> = (1..=20).map(|product| line(&sku(product), 1)).collect();
    let backwards: Vec<_> = lines.iter().rev().cloned().collect();
    let mut tasks = tokio::task::JoinSet::new();
    for lane in 0..8_u128 {
        let (pool, lines) = (shop.inventory.clone(), lines.clone());
        let lines = if lane % 2 == 0 {
            lines
        } else {
            backwards.clone()
        };
        tasks.spawn(async move {
            for round in 0..25 {
                let order = lane * 100 + round;
                let reserved = ask(
                    &pool,
                    inventory::reserve_stock,
                    vec![reserve(order, &lines)],
                )
                .await;
                assert_eq!(verdict(&reserved[0]), "ok");
                let order = Uuid::from_u128(order);
                ask(
                    &pool,
                    inventory::release_stock,
                    vec![ReleaseStock { order }],
                )
                .await;
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let missing = "SELECT sum(received - on_hand)::bigint FROM stock";
    assert_eq!(number(&shop.inventory, missing).await, 0);
    let written = "SELECT count(*) FROM reservation";
    assert_eq!(number(&shop.inventory, written).await, 8 * 25 * 20);
}

#[tokio::test]
async fn a_mass_order_fits_in_stock_and_on_no_day() {
    let shop = Shop::open().await;
    let reserved = ask(
        &shop.inventory,
        inventory::reserve_stock,
        vec![reserve(1, &[line(SKU_BULK, BULK_PIECES)])],
    )
    .await;
    let pieces = reserved[0].as_ref().unwrap().pieces;
    let shipped = ask(
        &shop.shipping,
        shipping::create_shipment,
        vec![ship(1, pieces)],
    )
    .await;
    assert_eq!(shipped[0].as_ref().unwrap_err().code, "no-capacity");
}
