//! The four services in every case of the barrier, on their own databases.

use std::sync::atomic::{AtomicU64, Ordering};

use chrono::NaiveDate;
use sagas_participant::testkit::Kit;
use shop::commands::{
    AuthorizePayment, CancelOrder, CancelShipment, CapturePayment, ConfirmOrder, CreateOrder,
    CreateShipment, Line, ReleaseStock, ReserveStock, VoidPayment,
};
use shop::services::ServiceName;
use shop::workload::{BULK_PIECES, CUSTOMER_POOR, SKU_GONE, price_cents, sku};
use shop::{orders, payments};
use uuid::Uuid;

use crate::fixture::{Shop, ask};

fn lines(sku: impl Into<String>) -> Vec<Line> {
    let (sku, quantity) = (sku.into(), 2);
    vec![Line { sku, quantity }]
}

fn create_order(cents: u32) -> CreateOrder {
    CreateOrder {
        order: Uuid::now_v7(),
        customer: 1,
        lines: lines(sku(1)),
        cents,
    }
}

#[tokio::test]
async fn orders_are_placed_and_cancelled_once_whatever_comes() {
    let service = |settings| ServiceName::Orders.service(settings);
    let right = price_cents(1) * 2;
    Kit::new(Shop::open().await.orders, service, move || {
        create_order(right)
    })
    .compensation(|create| CancelOrder {
        order: create.order,
    })
    .refused(move || create_order(right + 1))
    .effects("SELECT count(*) FROM orders WHERE state = 'pending'")
    .run()
    .await
    .assert_passed();
}

#[tokio::test]
async fn stock_is_taken_and_put_back_once_whatever_comes() {
    let service = |settings| ServiceName::Inventory.service(settings);
    let reserve = |sku: String| ReserveStock {
        order: Uuid::now_v7(),
        lines: lines(sku),
    };
    Kit::new(Shop::open().await.inventory, service, move || {
        reserve(sku(1))
    })
    .compensation(|reserve| ReleaseStock {
        order: reserve.order,
    })
    .refused(move || reserve(SKU_GONE.to_owned()))
    .effects("SELECT sum(on_hand) FROM stock")
    .effects("SELECT count(*) FROM reservation WHERE state = 'held'")
    .run()
    .await
    .assert_passed();
}

#[tokio::test]
async fn money_is_set_aside_and_given_back_once_whatever_comes() {
    let service = |settings| ServiceName::Payments.service(settings);
    let authorize = |customer| AuthorizePayment {
        order: Uuid::now_v7(),
        customer,
        cents: 500,
    };
    Kit::new(Shop::open().await.payments, service, move || authorize(1))
        .compensation(|authorize| VoidPayment {
            order: authorize.order,
        })
        .refused(move || authorize(CUSTOMER_POOR))
        .effects("SELECT sum(used_cents) FROM customer")
        .effects("SELECT count(*) FROM payment WHERE state = 'authorized'")
        .run()
        .await
        .assert_passed();
}

#[tokio::test]
async fn room_is_booked_and_given_back_once_whatever_comes() {
    let service = |settings| ServiceName::Shipping.service(settings);
    let ship = |pieces| CreateShipment {
        order: Uuid::now_v7(),
        pieces,
    };
    Kit::new(Shop::open().await.shipping, service, move || ship(3))
        .compensation(|ship| CancelShipment { order: ship.order })
        .refused(move || ship(BULK_PIECES.into()))
        .effects("SELECT sum(booked) FROM shipping_day")
        .effects("SELECT count(*) FROM shipment WHERE state = 'planned'")
        .run()
        .await
        .assert_passed();
}

/// More than the kit asks for.
const PREPARED: u128 = 100;

/// The ids of the prepared orders, one after the other.
fn prepared() -> impl Fn() -> Uuid + Send + Sync {
    let next = AtomicU64::new(1);
    move || Uuid::from_u128(next.fetch_add(1, Ordering::Relaxed).into())
}

#[tokio::test]
async fn the_money_is_taken_once_whatever_comes() {
    let pool = Shop::open().await.payments;
    let authorize = |order| AuthorizePayment {
        order: Uuid::from_u128(order),
        customer: 1,
        cents: 500,
    };
    let batch = (1..=PREPARED).map(authorize).collect();
    ask(&pool, payments::authorize_payment, batch).await;
    let service = |settings| ServiceName::Payments.service(settings);
    let order = prepared();
    Kit::new(pool, service, move || CapturePayment { order: order() })
        // Nothing is set aside for an order that nobody knows.
        .refused(|| CapturePayment {
            order: Uuid::now_v7(),
        })
        .effects("SELECT count(*) FROM payment WHERE state = 'captured'")
        .run()
        .await
        .assert_passed();
}

#[tokio::test]
async fn an_order_is_confirmed_once_whatever_comes() {
    let pool = Shop::open().await.orders;
    let create = |order| CreateOrder {
        order: Uuid::from_u128(order),
        ..create_order(price_cents(1) * 2)
    };
    let batch = (1..=PREPARED).map(create).collect();
    ask(&pool, orders::create_order, batch).await;
    let service = |settings| ServiceName::Orders.service(settings);
    let (order, ships_on) = (prepared(), NaiveDate::default());
    let confirm = move || ConfirmOrder {
        order: order(),
        ships_on,
    };
    Kit::new(pool, service, confirm)
        .effects("SELECT count(*) FROM orders WHERE state = 'confirmed'")
        .run()
        .await
        .assert_passed();
}
