//! Commands of the shipping service.

use chrono::NaiveDate;
use sagas::Command;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Plans a shipment for the first day with room for all its pieces. Refused when there is none.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CreateShipment {
    /// The order.
    pub order: Uuid,
    /// How many pieces.
    pub pieces: i64,
}

/// The shipment is planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ShipmentCreated {
    /// When it leaves the warehouse.
    pub ships_on: NaiveDate,
}

impl Command for CreateShipment {
    const PARTICIPANT: &'static str = "shipping";
    const NAME: &'static str = "create-shipment";
    const REJECTABLE: bool = true;
    type Reply = ShipmentCreated;
}

/// Gives the room of a shipment back.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CancelShipment {
    /// The order.
    pub order: Uuid,
}

impl Command for CancelShipment {
    const PARTICIPANT: &'static str = "shipping";
    const NAME: &'static str = "cancel-shipment";
    const REJECTABLE: bool = false;
    type Reply = ();
}
