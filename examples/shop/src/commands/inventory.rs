//! Commands of the inventory service.

use sagas::Command;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Line;

/// Takes all lines of an order out of stock, or none. Refused when one of them is not on hand.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ReserveStock {
    /// The order.
    pub order: Uuid,
    /// What to take.
    pub lines: Vec<Line>,
}

/// The stock is held for the order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StockReserved {
    /// All pieces together.
    pub pieces: i64,
}

impl Command for ReserveStock {
    const PARTICIPANT: &'static str = "inventory";
    const NAME: &'static str = "reserve-stock";
    const REJECTABLE: bool = true;
    type Reply = StockReserved;
}

/// Puts what is held for an order back on the shelf.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ReleaseStock {
    /// The order.
    pub order: Uuid,
}

impl Command for ReleaseStock {
    const PARTICIPANT: &'static str = "inventory";
    const NAME: &'static str = "release-stock";
    const REJECTABLE: bool = false;
    type Reply = ();
}
