//! Commands of an order business, for definitions that do not compile.

use sagas::Command;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Order {
    pub order: u32,
}

#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Created {
    pub number: u32,
}

#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Reserved {
    pub shelf: u32,
}

macro_rules! commands {
    ($($name:ident { $field:ident } => $participant:literal $command:literal $reply:ty)+) => {$(
        #[derive(Serialize, Deserialize, JsonSchema)]
        pub struct $name {
            pub $field: u32,
        }

        impl Command for $name {
            const PARTICIPANT: &'static str = $participant;
            const NAME: &'static str = $command;
            const REJECTABLE: bool = false;
            type Reply = $reply;
        }
    )+};
}
commands! {
    CreateOrder { order } => "orders" "create" Created
    CancelOrder { order } => "orders" "cancel" ()
    ReserveStock { order } => "inventory" "reserve" Reserved
    ReleaseStock { shelf } => "inventory" "release" ()
    CreateShipment { shelf } => "shipping" "create" ()
}
