//! Compares the books; pure.
//!
//! One function per question, each answering with what is wrong, in words.

use std::collections::HashMap;

use uuid::Uuid;

use super::books::{Books, OrderRow, PaymentRow, SagaRow};
use super::{About, Audit, OpenSaga, Sums, Wrong};

pub(super) fn check(books: &Books) -> Audit {
    let mut wrong = Vec::new();
    wrong_orders(books, &mut wrong);
    wrong_sums(books, &mut wrong);
    for saga in books.sagas.iter().filter(|saga| saga.order.is_none()) {
        let what = "its input names no order".to_owned();
        let about = About::Saga(saga.id);
        wrong.push(Wrong { about, what });
    }
    wrong.sort_by(|a, b| a.about.cmp(&b.about));
    let sagas = books.sagas.iter().chain(&books.newcomers);
    let mut open: Vec<_> = sagas.filter(|saga| saga.is_open()).map(open_saga).collect();
    open.sort_by_key(|saga| saga.saga);
    let sums = sums(books);
    Audit { wrong, open, sums }
}

fn open_saga(saga: &SagaRow) -> OpenSaga {
    OpenSaga {
        saga: saga.id,
        order: saga.order,
        state: saga.state.clone(),
    }
}

fn wrong_orders(books: &Books, wrong: &mut Vec<Wrong>) {
    let mut claims: HashMap<Uuid, Vec<&SagaRow>> = HashMap::new();
    for saga in books.sagas.iter().chain(&books.newcomers) {
        if let (Some(order), false) = (saga.order, saga.has_no_order) {
            claims.entry(order).or_default().push(saga);
        }
    }
    for order in books.all_orders() {
        let claims = claims.get(&order).map_or(&[][..], Vec::as_slice);
        let is_new = |saga: &&SagaRow| books.newcomers.iter().any(|new| new.id == saga.id);
        if claims.iter().any(|saga| saga.is_open() || is_new(saga)) {
            continue;
        }
        let mut found = Vec::new();
        found.extend(claims_and_state(claims, books.orders.get(&order)));
        found.extend(effects(books, order));
        let about = About::Order(order);
        wrong.extend(found.into_iter().map(|what| Wrong {
            about: about.clone(),
            what,
        }));
    }
}

/// Whether the one saga that placed the order agrees with the order's state.
fn claims_and_state(claims: &[&SagaRow], order: Option<&OrderRow>) -> Option<String> {
    let state = order.map(|order| order.state.as_str());
    let saga = match (claims, state) {
        ([saga], _) => saga,
        ([], None) => return None,
        ([], Some(state)) => return Some(format!("it is {state}, but no saga placed it")),
        (several, _) => return Some(format!("{} sagas placed it", several.len())),
    };
    let agrees = match saga.state.as_str() {
        "completed" => state == Some("confirmed"),
        _ => matches!(state, None | Some("cancelled")),
    };
    let state = state.map_or_else(
        || "there is no such order".to_owned(),
        |state| format!("the order is {state}"),
    );
    (!agrees).then(|| format!("saga {} is {}, but {state}", saga.id, saga.state))
}

/// Whether the services did what the order's state says.
fn effects(books: &Books, order: Uuid) -> Vec<String> {
    match books.orders.get(&order) {
        Some(row) if row.state == "confirmed" => [
            wrong_reservation(books, order, row),
            wrong_payment(books, order, row),
            wrong_shipment(books, order, row),
        ]
        .into_iter()
        .flatten()
        .collect(),
        // What is to be there depends on how far it is; that it should not be pending is said.
        Some(row) if row.state == "pending" => Vec::new(),
        Some(_) => left_over(books, order, "it is cancelled"),
        None => left_over(books, order, "there is no such order"),
    }
}

fn wrong_reservation(books: &Books, order: Uuid, row: &OrderRow) -> Option<String> {
    let ordered = &row.ordered;
    match books.held.get(&order) {
        Some(held) if held == ordered => None,
        Some(held) => Some(format!(
            "it is confirmed with {}, but {} is reserved",
            ordered.text, held.text
        )),
        None => Some("it is confirmed, but no stock is reserved".to_owned()),
    }
}

fn wrong_payment(books: &Books, order: Uuid, row: &OrderRow) -> Option<String> {
    let payments = books.payments.get(&order).map_or(&[][..], Vec::as_slice);
    let (cents, customer) = (row.cents, row.customer);
    let payment = match payments {
        [] => return Some("it is confirmed, but no payment is captured".to_owned()),
        [payment] => payment,
        several => {
            let count = several.len();
            return Some(format!("it is confirmed, but has {count} payments"));
        }
    };
    if payment.state != "captured" {
        let state = &payment.state;
        return Some(format!("it is confirmed, but its payment is {state}"));
    }
    if payment.cents != cents {
        let captured = payment.cents;
        return Some(format!(
            "it costs {cents} cents, but {captured} are captured"
        ));
    }
    let payer = payment.customer;
    (payer != customer).then(|| format!("customer {customer} ordered, but {payer} paid"))
}

fn wrong_shipment(books: &Books, order: Uuid, row: &OrderRow) -> Option<String> {
    let pieces = row.ordered.pieces;
    match books.shipments.get(&order).map_or(&[][..], Vec::as_slice) {
        [] => Some("it is confirmed, but no shipment is planned".to_owned()),
        [planned] if *planned == pieces => None,
        [planned] => Some(format!(
            "it has {pieces} pieces, but its shipment has {planned}"
        )),
        several => Some(format!(
            "it is confirmed, but has {} shipments",
            several.len()
        )),
    }
}

/// Whatever the services still have of an order that should have left nothing.
fn left_over(books: &Books, order: Uuid, because: &str) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(held) = books.held.get(&order) {
        found.push(format!("{because}, but {} is reserved", held.text));
    }
    for PaymentRow { cents, state, .. } in books.payments.get(&order).into_iter().flatten() {
        found.push(format!("{because}, but {cents} cents are {state}"));
    }
    for pieces in books.shipments.get(&order).into_iter().flatten() {
        found.push(format!(
            "{because}, but a shipment of {pieces} pieces is planned"
        ));
    }
    found
}

/// Whether each service's own sums agree with its rows.
fn wrong_sums(books: &Books, wrong: &mut Vec<Wrong>) {
    for row in &books.stock {
        let (received, on_hand, held) = (row.received, row.on_hand, row.held);
        if received != on_hand + held {
            let about = About::Product(row.sku.clone());
            let what =
                format!("{received} came in, but {on_hand} on hand + {held} reserved differ");
            wrong.push(Wrong { about, what });
        }
    }
    for row in &books.customers {
        let (used, paid) = (row.used, row.paid);
        if used != paid {
            let about = About::Customer(row.id);
            let what =
                format!("{used} cents of credit are used, but the payments are {paid} cents");
            wrong.push(Wrong { about, what });
        }
    }
    for row in &books.days {
        let (booked, planned) = (row.booked, row.planned);
        if booked != planned {
            let about = About::Day(row.day);
            let what = format!("{booked} pieces are booked, but the shipments have {planned}");
            wrong.push(Wrong { about, what });
        }
    }
}

fn sums(books: &Books) -> Sums {
    let mut sums = Sums::default();
    for saga in books.sagas.iter().chain(&books.newcomers) {
        *sums.sagas.entry(saga.state.clone()).or_default() += 1;
    }
    for order in books.orders.values() {
        let sum = match order.state.as_str() {
            "confirmed" => &mut sums.confirmed,
            "cancelled" => &mut sums.cancelled,
            _ => &mut sums.pending,
        };
        sum.add(order.ordered.pieces, order.cents);
    }
    for held in books.held.values() {
        sums.reserved.add(held.pieces, 0);
    }
    for payment in books.payments.values().flatten() {
        let is_captured = payment.state == "captured";
        let sum = if is_captured {
            &mut sums.captured
        } else {
            &mut sums.authorized
        };
        sum.add(0, payment.cents);
    }
    for pieces in books.shipments.values().flatten() {
        sums.shipped.add(*pieces, 0);
    }
    sums.stock_received = books.stock.iter().map(|row| row.received).sum();
    sums.stock_on_hand = books.stock.iter().map(|row| row.on_hand).sum();
    sums.credit_used_cents = books.customers.iter().map(|row| row.used).sum();
    sums.days_booked = books.days.iter().map(|row| row.booked).sum();
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::books::Goods;

    /// An order that came after the sagas were read, and whose saga ended before the services were.
    #[test]
    fn an_order_that_came_while_the_books_were_read_is_not_judged() {
        let order = Uuid::from_u128(1);
        let ordered = Goods {
            text: "1 sku-001".to_owned(),
            pieces: 1,
        };
        let row = OrderRow {
            id: order,
            state: "confirmed".to_owned(),
            customer: 1,
            cents: 150,
            ordered,
        };
        let saga = SagaRow {
            id: Uuid::from_u128(2),
            state: "completed".to_owned(),
            order: Some(order),
            has_no_order: false,
        };
        let mut books = Books::default();
        books.orders.insert(order, row);
        books.newcomers.push(saga);
        assert_eq!(check(&books).wrong, []);

        // The same books, had the saga been there from the start: now the order is judged.
        books.sagas.append(&mut books.newcomers);
        assert_eq!(check(&books).wrong.len(), 3);
    }
}
