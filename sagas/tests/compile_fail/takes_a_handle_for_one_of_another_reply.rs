//! A handle carries the type of its step's reply.

#[path = "shop/commands.rs"]
mod commands;

use commands::*;
use sagas::Definition;

use sagas::definition::Step;

fn main() {
    let mut saga = Definition::of::<Order>("place-order");
    let _stock: Step<Created> = saga
        .step("reserve-stock")
        .send(|input, ()| ReserveStock { order: input.order })
        .compensate(|_, (), own| ReleaseStock {
            shelf: own.map_or(0, |own| own.shelf),
        });
}
