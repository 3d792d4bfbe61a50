//! A handle names a step; the reply comes only through what a step names.

#[path = "shop/commands.rs"]
mod commands;

use commands::*;
use sagas::Definition;

fn main() {
    let mut saga = Definition::of::<Order>("place-order");
    let stock = saga
        .step("reserve-stock")
        .send(|input, ()| ReserveStock { order: input.order })
        .compensate(|_, (), own| ReleaseStock {
            shelf: own.map_or(0, |own| own.shelf),
        });
    saga.step("create-shipment")
        .send(move |_, ()| CreateShipment { shelf: stock.shelf })
        .pivot();
}
