//! Whoever needs a conditional step runs either way, so its reply is an `Option`.

#[path = "shop/commands.rs"]
mod commands;

use commands::*;
use sagas::Definition;

fn main() {
    let mut saga = Definition::of::<Order>("place-order");
    let stock = saga
        .step("reserve-stock")
        .when(|input, ()| input.order > 7)
        .send(|input, ()| ReserveStock { order: input.order })
        .compensate(|_, (), _| ReleaseStock { shelf: 0 });
    saga.step("release-stock")
        .after(stock)
        .send(|_, stock| ReleaseStock { shelf: stock.shelf })
        .retriable();
}
