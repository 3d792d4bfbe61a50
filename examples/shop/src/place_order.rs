//! The saga: what happens between "a customer orders" and "the order is confirmed".
//!
//! ```text
//!                 ┌─> reserve-stock ─────┐
//!  create-order ──┤                      ├─> create-shipment ─> capture-payment ─> confirm-order
//!                 └─> authorize-payment ─┘                          (pivot)         (retriable)
//! ```

use chrono::NaiveDate;
use sagas::Definition;
use sagas::definition::Problems;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::commands::{
    AuthorizePayment, CancelOrder, CancelShipment, CapturePayment, ConfirmOrder, CreateOrder,
    CreateShipment, Line, ReleaseStock, ReserveStock, VoidPayment,
};

/// What a customer orders: the input of the saga.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlaceOrder {
    /// The order; whoever submits it chooses the id.
    pub order: Uuid,
    /// Who orders.
    pub customer: u32,
    /// What is ordered.
    #[schemars(length(min = 1))]
    pub lines: Vec<Line>,
    /// What the customer was told that it costs.
    pub cents: u32,
}

/// What the customer gets to know: the output of the saga.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlacedOrder {
    /// The number of the order.
    pub number: i64,
    /// When it leaves the warehouse.
    pub ships_on: NaiveDate,
}

/// The definition of `place-order`.
///
/// # Errors
///
/// When the definition has no legal end from some point; a test says that it has.
pub fn place_order() -> Result<Definition, Problems> {
    let mut saga = Definition::of::<PlaceOrder>("place-order");
    let created = saga
        .step("create-order")
        .send(|new, ()| CreateOrder {
            order: new.order,
            customer: new.customer,
            lines: new.lines.clone(),
            cents: new.cents,
        })
        .compensate(|new, (), _| CancelOrder { order: new.order });

    let stock = saga
        .step("reserve-stock")
        .after(created)
        .send(|new, _| ReserveStock {
            order: new.order,
            lines: new.lines.clone(),
        })
        .compensate(|new, _, _| ReleaseStock { order: new.order });

    let payment = saga
        .step("authorize-payment")
        .after(created)
        .send(|new, _| AuthorizePayment {
            order: new.order,
            customer: new.customer,
            cents: new.cents,
        })
        .compensate(|new, _, _| VoidPayment { order: new.order });

    let shipment = saga
        .step("create-shipment")
        .after((stock, payment))
        .send(|new, (stock, ())| CreateShipment {
            order: new.order,
            pieces: stock.pieces,
        })
        .compensate(|new, _, _| CancelShipment { order: new.order });

    let captured = saga
        .step("capture-payment")
        .after(shipment)
        .send(|new, _| CapturePayment { order: new.order })
        .pivot();

    saga.step("confirm-order")
        .after((shipment, captured))
        .send(|new, (shipment, ())| ConfirmOrder {
            order: new.order,
            ships_on: shipment.ships_on,
        })
        .retriable();

    saga.output((created, shipment), |_, (created, shipment)| PlacedOrder {
        number: created.number,
        ships_on: shipment.ships_on,
    });
    saga.build()
}
