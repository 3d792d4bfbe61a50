//! A small definition for the unit tests of commands: `book-trip`, three steps in a row.

use sagas::{Command, Definition};
use sagas_core::Registry;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, JsonSchema)]
struct Trip {
    guest: u32,
}

macro_rules! command {
    ($name:ident: $participant:literal, $command:literal, $refusable:literal) => {
        #[derive(Serialize, Deserialize, JsonSchema)]
        struct $name {
            guest: u32,
        }

        impl Command for $name {
            const PARTICIPANT: &'static str = $participant;
            const NAME: &'static str = $command;
            const REJECTABLE: bool = $refusable;
            type Reply = ();
        }
    };
}
command!(BookRoom: "rooms", "book-room", true);
command!(ReleaseRoom: "rooms", "release-room", false);
command!(PayRoom: "bank", "pay-room", true);
command!(SendTicket: "mail", "send-ticket", false);

/// A compensatable step, a pivot and a retriable step.
pub(super) fn registry() -> Registry {
    let mut saga = Definition::of::<Trip>("book-trip");
    let room = saga
        .step("book-room")
        .send(|trip, ()| BookRoom { guest: trip.guest })
        .compensate(|trip, (), _| ReleaseRoom { guest: trip.guest });
    let paid = saga
        .step("pay-room")
        .after(room)
        .send(|trip, ()| PayRoom { guest: trip.guest })
        .pivot();
    saga.step("send-ticket")
        .after(paid)
        .send(|trip, ()| SendTicket { guest: trip.guest })
        .retriable();
    Registry::new().with(saga.build().unwrap())
}
