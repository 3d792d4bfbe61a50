//! The definitions that the scripts run: an order business, and shapes that it does not have.
//!
//! Every command has one shape and every reply is a [`Receipt`], so that scripts can leave payloads
//! out. [`Order::broken`] names the closure that panics.

use std::time::Duration;

use sagas::{Command, Definition, RetryPolicy};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Three attempts, ten seconds of silence each; short enough to read in a script.
pub(crate) const POLICY: RetryPolicy = RetryPolicy {
    reply_timeout: Duration::from_secs(10),
    initial_interval: Duration::from_secs(1),
    backoff_coefficient: 2,
    max_interval: Duration::from_secs(4),
    max_attempts: 3,
};

#[derive(Serialize, Deserialize, JsonSchema)]
pub(crate) struct Order {
    pub(crate) order: u32,
    /// The closure that panics, if any: a step's name, `undo <step>` or `output`.
    #[serde(default)]
    pub(crate) broken: Option<String>,
}

impl Order {
    fn command<C: From<Payload>>(&self, closure: &str, receipts: Vec<u32>) -> C {
        self.may_break(closure);
        C::from(Payload {
            order: self.order,
            receipts,
        })
    }

    fn may_break(&self, closure: &str) {
        assert!(
            self.broken.as_deref() != Some(closure),
            "the closure {closure:?} is broken"
        );
    }
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(from = "Wire")]
pub(crate) struct Receipt {
    pub(crate) number: u32,
}

/// What a [`Receipt`] is read from; the conversion has a bug with the number 13.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Wire {
    number: u32,
}

impl From<Wire> for Receipt {
    fn from(Wire { number }: Wire) -> Self {
        assert!(number != 13, "nobody tried the number 13");
        Self { number }
    }
}

#[derive(Serialize, Deserialize, JsonSchema)]
pub(crate) struct Payload {
    order: u32,
    receipts: Vec<u32>,
}

macro_rules! commands {
    ($($name:ident => $participant:literal $command:literal $refusable:literal)+) => {$(
        #[derive(Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        struct $name(Payload);

        impl From<Payload> for $name {
            fn from(payload: Payload) -> Self {
                Self(payload)
            }
        }

        impl Command for $name {
            const PARTICIPANT: &'static str = $participant;
            const NAME: &'static str = $command;
            const REJECTABLE: bool = $refusable;
            type Reply = Receipt;
        }
    )+};
}
commands! {
    CreateOrder => "orders" "create" false
    CancelOrder => "orders" "cancel" false
    ConfirmOrder => "orders" "confirm" false
    SendReceipt => "orders" "send-receipt" false
    ReserveStock => "inventory" "reserve" true
    ReleaseStock => "inventory" "release" false
    AuthorizePayment => "payments" "authorize" true
    VoidPayment => "payments" "void" false
    CapturePayment => "payments" "capture" true
    CreateShipment => "shipping" "create" true
    CancelShipment => "shipping" "cancel" false
    ReadPrice => "catalogue" "read-price" true
    WrapGift => "shipping" "wrap" true
    UnwrapGift => "shipping" "unwrap" false
    PrintCard => "shipping" "print-card" false
    ShredCard => "shipping" "shred-card" false
    TellWarehouse => "warehouse" "tell" false
    SendMail => "mail" "send" false
    AddPoints => "loyalty" "add-points" false
}

/// Two reservations in parallel, a shipment that needs both, a pivot and a retriable end.
pub(crate) fn place_order() -> Definition {
    let mut saga = Definition::of::<Order>("place-order");
    saga.retry(POLICY);
    let order = saga
        .step("create-order")
        .send(|o, ()| o.command::<CreateOrder>("create-order", vec![]))
        .compensate(|o, (), own| {
            let own = own.map(|receipt: Receipt| receipt.number);
            o.command::<CancelOrder>("undo create-order", own.into_iter().collect())
        });
    let stock = saga
        .step("reserve-stock")
        .after(order)
        .send(|o, order| o.command::<ReserveStock>("reserve-stock", vec![order.number]))
        .compensate(|o, order, own| {
            let own = own.map(|receipt| receipt.number);
            let receipts = [Some(order.number), own].into_iter().flatten().collect();
            o.command::<ReleaseStock>("undo reserve-stock", receipts)
        });
    let payment = saga
        .step("authorize-payment")
        .after(order)
        .send(|o, order| o.command::<AuthorizePayment>("authorize-payment", vec![order.number]))
        .compensate(|o, _, _| o.command::<VoidPayment>("undo authorize-payment", vec![]));
    let shipment = saga
        .step("create-shipment")
        .after((stock, payment))
        .send(|o, (stock, payment)| {
            let receipts = vec![stock.number, payment.number];
            o.command::<CreateShipment>("create-shipment", receipts)
        })
        .compensate(|o, _, _| o.command::<CancelShipment>("undo create-shipment", vec![]));
    let capture = saga
        .step("capture-payment")
        .after((payment, shipment))
        .send(|o, (payment, _)| {
            o.command::<CapturePayment>("capture-payment", vec![payment.number])
        })
        .pivot();
    saga.step("confirm-order")
        .after(capture)
        .send(|o, capture| o.command::<ConfirmOrder>("confirm-order", vec![capture.number]))
        .retriable();
    saga.output((order, shipment), |o, (order, shipment)| {
        o.may_break("output");
        vec![order.number, shipment.number]
    });
    saga.build()
        .expect("the order business has a legal end from every point")
}

/// Every kind of step, and conditions: orders above 100 are gifts, with a card; those above 200 earn
/// points. It must pass the pivot within a minute.
pub(crate) fn gift_order() -> Definition {
    let mut saga = Definition::of::<Order>("gift-order");
    saga.retry(POLICY).deadline(Duration::from_secs(60));
    let price = saga
        .step("read-price")
        .send(|o, ()| o.command::<ReadPrice>("read-price", vec![]))
        .query();
    saga.step("tell-warehouse")
        .after(price)
        .send(|o, price| o.command::<TellWarehouse>("tell-warehouse", vec![price.number]))
        .hint();
    let wrapped = saga
        .step("wrap-gift")
        .after(price)
        .when(|o, _| {
            o.may_break("condition");
            o.order > 100
        })
        .send(|o, price| o.command::<WrapGift>("wrap-gift", vec![price.number]))
        .retry(RetryPolicy {
            max_attempts: 1,
            ..POLICY
        })
        .compensate(|o, _, _| o.command::<UnwrapGift>("undo wrap-gift", vec![]));
    let card = saga
        .step("print-card")
        .given(wrapped)
        .send(|o, wrapped| o.command::<PrintCard>("print-card", vec![wrapped.number]))
        .compensate(|o, _, _| o.command::<ShredCard>("undo print-card", vec![]));
    let capture = saga
        .step("capture-payment")
        .after((wrapped, card))
        .send(|o, (wrapped, card): (Option<Receipt>, Option<Receipt>)| {
            let receipts = [wrapped, card].into_iter().flatten();
            let receipts = receipts.map(|receipt| receipt.number).collect();
            o.command::<CapturePayment>("capture-payment", receipts)
        })
        .pivot();
    saga.step("send-mail")
        .after(capture)
        .send(|o, capture| o.command::<SendMail>("send-mail", vec![capture.number]))
        .notify();
    let points = saga
        .step("add-points")
        .after(capture)
        .when(|o, _| o.order > 200)
        .send(|o, capture| o.command::<AddPoints>("add-points", vec![capture.number]))
        .retriable();
    saga.output((card, points), |_, (card, points)| {
        [card, points].map(|receipt: Option<Receipt>| receipt.map(|receipt| receipt.number))
    });
    saga.build()
        .expect("conditions and kinds without effect change nothing of the legal ends")
}

/// One step, and only for the order 100.
pub(crate) fn two_conditions() -> Definition {
    let mut saga = Definition::of::<Order>("two-conditions");
    saga.step("wrap-gift")
        .when(|o, ()| o.order >= 100)
        .when(|o, ()| o.order <= 100)
        .send(|o, ()| o.command::<WrapGift>("wrap-gift", vec![]))
        .query();
    saga.build().expect("a query has a legal end")
}

/// Two reservations in parallel and no pivot; then two retriable steps in parallel.
pub(crate) fn without_a_pivot() -> Definition {
    let mut saga = Definition::of::<Order>("without-a-pivot");
    saga.retry(POLICY);
    let stock = saga
        .step("reserve-stock")
        .send(|o, ()| o.command::<ReserveStock>("reserve-stock", vec![]))
        .compensate(|o, (), _| o.command::<ReleaseStock>("undo reserve-stock", vec![]));
    let payment = saga
        .step("authorize-payment")
        .send(|o, ()| o.command::<AuthorizePayment>("authorize-payment", vec![]))
        .compensate(|o, (), _| o.command::<VoidPayment>("undo authorize-payment", vec![]));
    saga.step("confirm-order")
        .after((stock, payment))
        .send(|o, _| o.command::<ConfirmOrder>("confirm-order", vec![]))
        .retriable();
    saga.step("send-receipt")
        .after((stock, payment))
        .send(|o, _| o.command::<SendReceipt>("send-receipt", vec![]))
        .retriable();
    saga.build().expect("retriable steps come after all others")
}

/// A pivot that its participant promised never to refuse.
pub(crate) fn firm_pivot() -> Definition {
    let mut saga = Definition::of::<Order>("firm-pivot");
    saga.retry(POLICY);
    let stock = saga
        .step("reserve-stock")
        .send(|o, ()| o.command::<ReserveStock>("reserve-stock", vec![]))
        .compensate(|o, (), _| o.command::<ReleaseStock>("undo reserve-stock", vec![]));
    saga.step("confirm-order")
        .after(stock)
        .send(|o, _| o.command::<ConfirmOrder>("confirm-order", vec![]))
        .pivot();
    saga.build()
        .expect("everything before the pivot can be undone")
}

/// A unit input, unit commands and unit replies: all of them are `null` as JSON.
pub(crate) fn all_null() -> Definition {
    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Ping;
    impl Command for Ping {
        const PARTICIPANT: &'static str = "echo";
        const NAME: &'static str = "ping";
        const REJECTABLE: bool = false;
        type Reply = ();
    }
    let mut saga = Definition::of::<()>("all-null");
    let first = saga
        .step("first")
        .send(|(), ()| Ping)
        .compensate(|(), (), _| Ping);
    let second = saga.step("second").after(first).send(|(), ()| Ping).pivot();
    saga.output((first, second), |(), ((), ())| ());
    saga.build()
        .expect("a pivot after a compensatable step is legal")
}
