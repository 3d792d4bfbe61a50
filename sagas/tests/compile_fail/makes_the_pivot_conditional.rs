//! The point of no return is never conditional: a step with a condition has no word `pivot`.

#[path = "shop/commands.rs"]
mod commands;

use commands::*;
use sagas::Definition;

fn main() {
    let mut saga = Definition::of::<Order>("place-order");
    saga.step("reserve-stock")
        .when(|input, ()| input.order > 7)
        .send(|input, ()| ReserveStock { order: input.order })
        .pivot();
}
