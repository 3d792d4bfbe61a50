//! A compensation may run although nobody knows the step's outcome, so its own reply is an
//! `Option`.

#[path = "shop/commands.rs"]
mod commands;

use commands::*;
use sagas::Definition;

fn main() {
    let mut saga = Definition::of::<Order>("place-order");
    saga.step("reserve-stock")
        .send(|input, ()| ReserveStock { order: input.order })
        .compensate(|_, (), own| ReleaseStock { shelf: own.shelf });
}
