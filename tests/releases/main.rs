//! The programs of four releases, of which the second changed a definition and kept its version.
//!
//! `RELEASE` chooses one: `first`, `mistaken`, `forgetful`, which has the change as version 2 and
//! nothing else, or `corrected`, which has it and all that was before. Its tests are in
//! `tests/it/trouble/release.rs`.

use std::process::ExitCode;

use sagas::Definition;
use sagas_program::Registry;
use shop::commands::{CancelOrder, CreateOrder, ReleaseStock, ReserveStock};
use shop::place_order::PlaceOrder;

fn main() -> ExitCode {
    let release = std::env::var("RELEASE").unwrap_or_default();
    sagas_program::main(match release.as_str() {
        "mistaken" => Registry::new().with(with_stock(1)),
        "forgetful" => Registry::new().with(with_stock(2)),
        "corrected" => Registry::new()
            .with(with_stock(2))
            .retired(as_it_was(1))
            .retired(with_stock(1)),
        _ => Registry::new().with(as_it_was(1)),
    })
}

/// An order is written down.
fn as_it_was(version: u32) -> Definition {
    let mut saga = Definition::of::<PlaceOrder>("place-order");
    saga.version(version);
    saga.step("create-order")
        .send(|new, ()| create(new))
        .compensate(|new, (), _| CancelOrder { order: new.order });
    saga.build()
        .expect("one compensatable step has a legal end")
}

/// The same, and its goods are reserved.
fn with_stock(version: u32) -> Definition {
    let mut saga = Definition::of::<PlaceOrder>("place-order");
    saga.version(version);
    let created = saga
        .step("create-order")
        .send(|new, ()| create(new))
        .compensate(|new, (), _| CancelOrder { order: new.order });
    saga.step("reserve-stock")
        .after(created)
        .send(|new, _| ReserveStock {
            order: new.order,
            lines: new.lines.clone(),
        })
        .compensate(|new, _, _| ReleaseStock { order: new.order });
    saga.build().expect("compensatable steps have a legal end")
}

fn create(new: &PlaceOrder) -> CreateOrder {
    CreateOrder {
        order: new.order,
        customer: new.customer,
        lines: new.lines.clone(),
        cents: new.cents,
    }
}
