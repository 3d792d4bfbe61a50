//! A command is built from the replies of the steps that its step names, and of no other.

#[path = "shop/commands.rs"]
mod commands;

use commands::*;
use sagas::Definition;

fn main() {
    let mut saga = Definition::of::<Order>("place-order");
    let order = saga
        .step("create-order")
        .send(|input, ()| CreateOrder { order: input.order })
        .compensate(|input, (), _| CancelOrder { order: input.order });
    let stock = saga
        .step("reserve-stock")
        .send(|input, ()| ReserveStock { order: input.order })
        .compensate(|_, (), own| ReleaseStock {
            shelf: own.map_or(0, |own| own.shelf),
        });
    saga.step("create-shipment")
        .after(order)
        .send(|_, order| CreateShipment { shelf: order.shelf })
        .pivot();
    let _ = stock;
}
