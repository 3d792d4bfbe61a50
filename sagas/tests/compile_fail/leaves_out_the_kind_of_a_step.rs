//! A step is added by its last word; without it, it would be missing from the definition.

#![deny(unused_must_use)]

#[path = "shop/commands.rs"]
mod commands;

use commands::*;
use sagas::Definition;

fn main() {
    let mut saga = Definition::of::<Order>("place-order");
    saga.step("create-order")
        .send(|input, ()| CreateOrder { order: input.order });
    saga.step("reserve-stock");
}
