//! Commands of the orders service.

use chrono::NaiveDate;
use sagas::Command;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Line;

/// Writes the order down as pending. Refused when it exists already or its total is not right.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CreateOrder {
    /// The order.
    pub order: Uuid,
    /// Who orders.
    pub customer: u32,
    /// What is ordered.
    pub lines: Vec<Line>,
    /// What the customer was told that it costs.
    pub cents: u32,
}

/// The order is pending.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OrderCreated {
    /// The number that the customer sees.
    pub number: i64,
}

impl Command for CreateOrder {
    const PARTICIPANT: &'static str = "orders";
    const NAME: &'static str = "create-order";
    const REJECTABLE: bool = true;
    type Reply = OrderCreated;
}

/// Cancels a pending order.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CancelOrder {
    /// The order.
    pub order: Uuid,
}

impl Command for CancelOrder {
    const PARTICIPANT: &'static str = "orders";
    const NAME: &'static str = "cancel-order";
    const REJECTABLE: bool = false;
    type Reply = ();
}

/// Confirms a pending order.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ConfirmOrder {
    /// The order.
    pub order: Uuid,
    /// When it leaves the warehouse.
    pub ships_on: NaiveDate,
}

impl Command for ConfirmOrder {
    const PARTICIPANT: &'static str = "orders";
    const NAME: &'static str = "confirm-order";
    const REJECTABLE: bool = false;
    type Reply = ();
}
