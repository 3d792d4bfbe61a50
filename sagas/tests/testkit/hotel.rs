//! The commands of a made-up hotel.

use sagas::Command;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) const TRIP: Trip = Trip { guest: 7 };

#[derive(Serialize, Deserialize, JsonSchema)]
pub(crate) struct Trip {
    pub(crate) guest: u32,
}

#[derive(Serialize, Deserialize, JsonSchema)]
pub(crate) struct Booked {
    pub(crate) number: u32,
}

macro_rules! commands {
    ($($name:ident => $command:literal $refusable:literal $reply:ty)+) => {$(
        #[derive(Serialize, Deserialize, JsonSchema)]
        pub(crate) struct $name {
            pub(crate) number: u32,
        }

        impl Command for $name {
            const PARTICIPANT: &'static str = "hotel";
            const NAME: &'static str = $command;
            const REJECTABLE: bool = $refusable;
            type Reply = $reply;
        }
    )+};
}
commands! {
    FindRoom => "find-room" true Booked
    BookRoom => "book-room" true Booked
    ReleaseRoom => "release-room" false ()
    BookMeal => "book-meal" true Booked
    CancelMeal => "cancel-meal" false ()
    Charge => "charge" true ()
    Confirm => "confirm" false ()
    Tell => "tell" false ()
}
