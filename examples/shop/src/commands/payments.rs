//! Commands of the payments service.

use sagas::Command;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Sets money aside. Refused when it exceeds what is left of the customer's credit.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct AuthorizePayment {
    /// The order.
    pub order: Uuid,
    /// Who pays.
    pub customer: u32,
    /// How much.
    pub cents: u32,
}

impl Command for AuthorizePayment {
    const PARTICIPANT: &'static str = "payments";
    const NAME: &'static str = "authorize-payment";
    const REJECTABLE: bool = true;
    type Reply = ();
}

/// Gives money that was set aside back.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct VoidPayment {
    /// The order.
    pub order: Uuid,
}

impl Command for VoidPayment {
    const PARTICIPANT: &'static str = "payments";
    const NAME: &'static str = "void-payment";
    const REJECTABLE: bool = false;
    type Reply = ();
}

/// Takes the money. Refused when the customer's bank does not settle that much at once.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CapturePayment {
    /// The order.
    pub order: Uuid,
}

impl Command for CapturePayment {
    const PARTICIPANT: &'static str = "payments";
    const NAME: &'static str = "capture-payment";
    const REJECTABLE: bool = true;
    type Reply = ();
}
