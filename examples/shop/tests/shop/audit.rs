//! The auditor finds each kind of error, and no error where there is none.

use sagas::Status;
use shop::audit::{Audit, Report};
use shop::commands::Line;
use shop::place_order::PlaceOrder;
use shop::workload::{self, Fate, Workload};
use uuid::Uuid;

use crate::fixture::{ORCHESTRATOR, Shop};
use crate::play::{Play, ending};

const CONFIRMED: &str = "00000000-0000-0000-0000-0000000000aa";
const CANCELLED: &str = "00000000-0000-0000-0000-0000000000bb";

/// Two pieces of the first product.
fn order(id: &str, customer: u32) -> PlaceOrder {
    PlaceOrder {
        order: Uuid::parse_str(id).unwrap(),
        customer,
        lines: vec![Line {
            sku: workload::sku(1),
            quantity: 2,
        }],
        cents: workload::price_cents(1) * 2,
    }
}

/// One order that is confirmed, and one that is cancelled after all of its steps but the last.
pub(crate) async fn two_orders(shop: &Shop) {
    let play = Play::new(shop);
    let confirmed = play.order(&order(CONFIRMED, 1)).await;
    assert_eq!(ending(&confirmed), (Status::Completed, None));
    let cancelled = play
        .order(&order(CANCELLED, workload::CUSTOMER_BLOCKED))
        .await;
    let expected = (Status::Compensated, Some("capture-payment"));
    assert_eq!(ending(&cancelled), expected);
}

/// One order whose saga waits for its third reply.
pub(crate) async fn one_running(shop: &Shop) {
    let running = Uuid::from_u128(1).to_string();
    Play::new(shop).steps(&order(&running, 1), 2).await;
}

fn findings(audit: &Audit) -> Vec<String> {
    let line = |one: &shop::audit::Wrong| format!("{}: {}", one.about, one.what);
    audit.wrong.iter().map(line).collect()
}

#[tokio::test]
async fn every_fate_leaves_books_that_agree() {
    let shop = Shop::open().await;
    let play = Play::new(&shop);
    let mut confirmed = 0;
    for planned in Workload::new(11, 60).take(30) {
        let saga = play.order(&planned.order).await;
        let (status, refused_at) = ending(&saga);
        let places = planned.fate.refused_at();
        assert_eq!(refused_at.is_some(), !places.is_empty(), "{planned:?}");
        assert!(
            refused_at.is_none_or(|step| places.contains(&step)),
            "{planned:?}"
        );
        let is_confirmed = planned.fate == Fate::Confirmed;
        assert_eq!(status == Status::Completed, is_confirmed, "{planned:?}");
        confirmed += u64::from(is_confirmed);
    }
    let audit = shop.audit().await;
    assert_eq!((findings(&audit), audit.exit_code()), (vec![], 0));
    let sums = &audit.sums;
    let counts = [
        sums.confirmed.count,
        sums.reserved.count,
        sums.captured.count,
        sums.shipped.count,
    ];
    assert_eq!(counts, [confirmed; 4]);
    assert_eq!(sums.captured.cents, sums.confirmed.cents);
    assert_eq!(sums.shipped.pieces, sums.confirmed.pieces);
    assert_eq!(sums.sagas["compensated"], 30 - confirmed);
}

#[tokio::test]
async fn a_second_saga_for_the_same_order_is_refused_and_no_error() {
    let shop = Shop::open().await;
    two_orders(&shop).await;
    let again = Play::new(&shop).order(&order(CONFIRMED, 1)).await;
    assert_eq!(ending(&again), (Status::Compensated, Some("create-order")));
    let audit = shop.audit().await;
    assert_eq!((findings(&audit), audit.exit_code()), (vec![], 0));
}

#[tokio::test]
async fn sagas_that_run_are_listed_and_their_orders_are_not_judged() {
    let shop = Shop::open().await;
    let play = Play::new(&shop);
    let mut open = Vec::new();
    for replies in 0..6_usize {
        let id = Uuid::from_u128(replies as u128 + 1).to_string();
        open.push(play.steps(&order(&id, 1), replies).await.id.0);
    }
    let audit = shop.audit().await;
    assert_eq!((findings(&audit), audit.exit_code()), (vec![], 2));
    let listed: Vec<_> = audit.open.iter().map(|one| one.saga).collect();
    assert_eq!(listed, open);
    let last = "The books agree; 6 sagas have not ended.";
    assert_eq!(Report(&audit).to_string().lines().last(), Some(last));
}

#[tokio::test]
async fn a_saga_that_waits_for_a_person_is_listed() {
    let shop = Shop::open().await;
    two_orders(&shop).await;
    shop.tamper(
        ORCHESTRATOR,
        "UPDATE saga SET status = 'stuck' WHERE status = 'completed'",
    )
    .await;
    let audit = shop.audit().await;
    assert_eq!(
        (audit.exit_code(), audit.open[0].state.as_str()),
        (2, "stuck")
    );
}

#[tokio::test]
async fn an_error_outweighs_a_saga_that_runs() {
    let shop = Shop::open().await;
    two_orders(&shop).await;
    one_running(&shop).await;
    shop.tamper(
        "payments",
        "UPDATE payment SET cents = 1 WHERE state = 'captured'",
    )
    .await;
    assert_eq!(shop.audit().await.exit_code(), 1);
}

#[tokio::test]
async fn the_report_shows_equal_sums_side_by_side() {
    let shop = Shop::open().await;
    two_orders(&shop).await;
    let report = Report(&shop.audit().await).to_string();
    let lines: Vec<_> = report.lines().take(6).collect();
    let expected = [
        "                               count          pieces           cents",
        "sagas completed                    1               -               -",
        "orders confirmed                   1               2             374",
        "stock reserved                     1               2               -",
        "shipments planned                  1               2               -",
        "payments captured                  1               -             374",
    ];
    assert_eq!(lines, expected);
    let last = "The books agree, and every saga has ended.";
    assert_eq!(report.lines().last(), Some(last));
}

/// Tampers with a database of two orders; the auditor must find exactly this.
async fn finds(database: &str, statements: &str, expected: &[&str]) {
    let shop = Shop::open().await;
    two_orders(&shop).await;
    let saga = |state: &'static str| {
        let pool = shop.orchestrator();
        async move {
            let query = "SELECT id::text FROM saga WHERE status = $1";
            let id = sqlx::query_scalar::<_, String>(query).bind(state);
            id.fetch_one(&pool).await.unwrap()
        }
    };
    let (completed, compensated) = (saga("completed").await, saga("compensated").await);
    shop.tamper(database, statements).await;
    let audit = shop.audit().await;
    let expected: Vec<_> = expected
        .iter()
        .map(|line| {
            line.replace("CONFIRMED", CONFIRMED)
                .replace("CANCELLED", CANCELLED)
                .replace("COMPLETED", &completed)
                .replace("COMPENSATED", &compensated)
        })
        .collect();
    assert_eq!(findings(&audit), expected, "after {statements}");
    assert_eq!(audit.exit_code(), 1);
    let report = Report(&audit).to_string();
    assert!(
        report.contains(&format!("WRONG  {}", expected[0])),
        "{report}"
    );
}

/// One test per case: a name, the database, what is done to it, and what must be found.
macro_rules! finds {
    ($($name:ident: $database:expr, $statements:expr => [$($expected:expr),+];)+) => {$(
        #[tokio::test]
        async fn $name() {
            finds($database, $statements, &[$($expected),+]).await;
        }
    )+};
}

finds! {
    notices_a_missing_reservation: "inventory",
        "UPDATE stock SET on_hand = on_hand + 2 WHERE sku = 'sku-001'; DELETE FROM reservation"
        => ["order CONFIRMED: it is confirmed, but no stock is reserved"];
    notices_a_reservation_of_something_else: "inventory",
        "UPDATE stock SET on_hand = on_hand - 1 WHERE sku = 'sku-001';
         UPDATE reservation SET quantity = 3 WHERE state = 'held'"
        => ["order CONFIRMED: it is confirmed with 2 sku-001, but 3 sku-001 is reserved"];
    notices_a_reservation_of_a_cancelled_order: "inventory",
        "UPDATE stock SET on_hand = on_hand - 2 WHERE sku = 'sku-001';
         UPDATE reservation SET state = 'held'"
        => ["order CANCELLED: it is cancelled, but 2 sku-001 is reserved"];
    notices_stock_that_does_not_add_up: "inventory",
        "UPDATE stock SET on_hand = on_hand - 1 WHERE sku = 'sku-007'"
        => ["product sku-007: 1000000000 came in, but 999999999 on hand + 0 reserved differ"];
    notices_a_missing_capture: "payments",
        "DELETE FROM payment WHERE state = 'captured'; UPDATE customer SET used_cents = 0"
        => ["order CONFIRMED: it is confirmed, but no payment is captured"];
    notices_a_payment_that_is_only_authorized: "payments",
        "UPDATE payment SET state = 'authorized' WHERE state = 'captured'"
        => ["order CONFIRMED: it is confirmed, but its payment is authorized"];
    notices_a_second_capture: "payments",
        "ALTER TABLE payment DROP CONSTRAINT payment_pkey;
         INSERT INTO payment SELECT * FROM payment WHERE state = 'captured';
         UPDATE customer SET used_cents = 2 * used_cents"
        => ["order CONFIRMED: it is confirmed, but has 2 payments"];
    notices_another_amount: "payments",
        "UPDATE payment SET cents = 375 WHERE state = 'captured';
         UPDATE customer SET used_cents = 375 WHERE used_cents > 0"
        => ["order CONFIRMED: it costs 374 cents, but 375 are captured"];
    notices_another_payer: "payments",
        "UPDATE payment SET customer = 2 WHERE state = 'captured';
         UPDATE customer SET used_cents = CASE id WHEN 2 THEN 374 ELSE 0 END"
        => ["order CONFIRMED: customer 1 ordered, but 2 paid"];
    notices_money_of_a_cancelled_order: "payments",
        "UPDATE payment SET state = 'authorized' WHERE state = 'voided';
         UPDATE customer SET used_cents = 374 WHERE id = 1002"
        => ["order CANCELLED: it is cancelled, but 374 cents are authorized"];
    notices_credit_that_does_not_add_up: "payments",
        "UPDATE customer SET used_cents = 5 WHERE id = 9"
        => ["customer 9: 5 cents of credit are used, but the payments are 0 cents"];
    notices_a_missing_shipment: "shipping",
        "DELETE FROM shipment WHERE state = 'planned'; UPDATE shipping_day SET booked = 0"
        => ["order CONFIRMED: it is confirmed, but no shipment is planned"];
    notices_a_second_shipment: "shipping",
        "ALTER TABLE shipment DROP CONSTRAINT shipment_pkey;
         INSERT INTO shipment SELECT * FROM shipment WHERE state = 'planned';
         UPDATE shipping_day SET booked = 2 * booked"
        => ["order CONFIRMED: it is confirmed, but has 2 shipments"];
    notices_a_shipment_of_fewer_pieces: "shipping",
        "UPDATE shipment SET pieces = 1 WHERE state = 'planned';
         UPDATE shipping_day SET booked = 1 WHERE booked > 0"
        => ["order CONFIRMED: it has 2 pieces, but its shipment has 1"];
    notices_a_shipment_of_a_cancelled_order: "shipping",
        "UPDATE shipment SET state = 'planned'; UPDATE shipping_day SET booked = 2 * booked"
        => ["order CANCELLED: it is cancelled, but a shipment of 2 pieces is planned"];
    notices_an_order_that_is_still_pending: "orders",
        "UPDATE orders SET state = 'pending', ships_on = NULL WHERE state = 'confirmed'"
        => ["order CONFIRMED: saga COMPLETED is completed, but the order is pending"];
    notices_a_cancelled_order_of_a_completed_saga: "orders",
        "UPDATE orders SET state = 'cancelled', ships_on = NULL WHERE state = 'confirmed'"
        => ["order CONFIRMED: saga COMPLETED is completed, but the order is cancelled",
            "order CONFIRMED: it is cancelled, but 2 sku-001 is reserved",
            "order CONFIRMED: it is cancelled, but 374 cents are captured",
            "order CONFIRMED: it is cancelled, but a shipment of 2 pieces is planned"];
    notices_a_confirmed_order_of_a_compensated_saga: "orders",
        "UPDATE orders SET state = 'confirmed', ships_on = placed_at WHERE state = 'cancelled'"
        => ["order CANCELLED: saga COMPENSATED is compensated, but the order is confirmed",
            "order CANCELLED: it is confirmed, but no stock is reserved",
            "order CANCELLED: it is confirmed, but no payment is captured",
            "order CANCELLED: it is confirmed, but no shipment is planned"];
    notices_an_order_that_is_gone: "orders",
        "DELETE FROM order_line; DELETE FROM orders"
        => ["order CONFIRMED: saga COMPLETED is completed, but there is no such order",
            "order CONFIRMED: there is no such order, but 2 sku-001 is reserved",
            "order CONFIRMED: there is no such order, but 374 cents are captured",
            "order CONFIRMED: there is no such order, but a shipment of 2 pieces is planned"];
    notices_a_line_that_is_gone: "orders",
        "DELETE FROM order_line"
        => ["order CONFIRMED: it is confirmed with nothing, but 2 sku-001 is reserved",
            "order CONFIRMED: it has 0 pieces, but its shipment has 2"];
    notices_an_order_that_no_saga_placed: ORCHESTRATOR,
        "DELETE FROM saga WHERE status = 'completed'"
        => ["order CONFIRMED: it is confirmed, but no saga placed it"];
    notices_two_sagas_of_one_order: ORCHESTRATOR,
        "UPDATE saga SET entries = replace(entries, '0000000000bb', '0000000000aa')"
        => ["order CONFIRMED: 2 sagas placed it",
            "order CANCELLED: it is cancelled, but no saga placed it"];
    notices_a_saga_without_an_order: ORCHESTRATOR,
        "UPDATE saga SET entries =
             '{}' || substr(entries, position(',{\"revision\":2,' IN entries))
             WHERE status = 'completed'"
        => ["order CONFIRMED: it is confirmed, but no saga placed it",
            "saga COMPLETED: its input names no order"];
}
