//! What the four services can be told to do: one type per command, shared by both sides.
//!
//! Invariant: a compensation names what it undoes by the order alone, because the reply of the step
//! that it undoes may never have arrived.

pub mod inventory;
pub mod orders;
pub mod payments;
pub mod shipping;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use inventory::{ReleaseStock, ReserveStock, StockReserved};
pub use orders::{CancelOrder, ConfirmOrder, CreateOrder, OrderCreated};
pub use payments::{AuthorizePayment, CapturePayment, VoidPayment};
pub use shipping::{CancelShipment, CreateShipment, ShipmentCreated};

/// A line of an order: so many pieces of a product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Line {
    /// The product.
    #[schemars(length(min = 1, max = 64))]
    pub sku: String,
    /// How many pieces.
    #[schemars(range(min = 1))]
    pub quantity: u32,
}

/// Pieces per product, lines of the same product added up; products in order.
///
/// The order matters: whoever locks rows by product locks them in this order, so that two
/// transactions never wait for each other.
#[must_use]
pub fn pieces_by_sku(lines: &[Line]) -> BTreeMap<&str, i64> {
    let mut pieces = BTreeMap::new();
    for line in lines {
        *pieces.entry(line.sku.as_str()).or_default() += i64::from(line.quantity);
    }
    pieces
}
