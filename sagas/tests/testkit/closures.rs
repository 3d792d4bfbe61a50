//! Closures that panic on something reachable, or that look at more than their arguments.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use sagas::Definition;

use crate::hotel::{BookMeal, BookRoom, Booked, CancelMeal, Charge, ReleaseRoom, Trip};
use crate::is_noticed_as;

/// A room and a meal, side by side, with one closure of the test's own: the room's compensation.
fn undoing(
    release: impl Fn(&Trip, Option<Booked>) -> ReleaseRoom + Send + Sync + 'static,
) -> Definition {
    let mut saga = Definition::of::<Trip>("book-trip");
    let room = saga
        .step("book-room")
        .send(|trip, ()| BookRoom { number: trip.guest })
        .compensate(move |trip, (), booked| release(trip, booked));
    saga.step("charge")
        .after(room)
        .send(|trip, _| Charge { number: trip.guest })
        .pivot();
    saga.build().expect("the definition is legal")
}

/// The same with the meal's command in the test's hands, and its output.
fn sending(
    book: impl Fn(&Trip, Booked) -> BookMeal + Send + Sync + 'static,
    output: impl Fn(&Trip, Booked) -> u32 + Send + Sync + 'static,
) -> Definition {
    let mut saga = Definition::of::<Trip>("book-trip");
    let room = saga
        .step("book-room")
        .send(|trip, ()| BookRoom { number: trip.guest })
        .compensate(|trip, (), _| ReleaseRoom { number: trip.guest });
    let meal = saga
        .step("book-meal")
        .after(room)
        .send(book)
        .compensate(|trip, _, _| CancelMeal { number: trip.guest });
    saga.output(meal, output);
    saga.build().expect("the definition is legal")
}

#[test]
fn a_compensation_that_depends_on_its_own_reply_is_noticed() {
    let definition = undoing(|_, booked| ReleaseRoom {
        number: booked.expect("the room was booked").number,
    });
    is_noticed_as(
        &definition,
        &[
            r#"step "book-room": its compensation, without its own reply, cannot be built"#,
            "the room was booked",
            "silence at book-room",
            "hotel gets book-room/forward",
        ],
    );
}

#[test]
fn a_compensation_that_panics_only_with_its_own_reply_is_noticed() {
    let definition = undoing(|trip, booked| {
        assert!(booked.is_none(), "nobody tried this");
        ReleaseRoom { number: trip.guest }
    });
    is_noticed_as(
        &definition,
        &[
            r#"step "book-room": its compensation, with its own reply, cannot be built"#,
            "nobody tried this",
            "charge is refused",
        ],
    );
}

#[test]
fn a_command_that_cannot_be_built_from_a_reply_is_noticed() {
    let definition = sending(
        |_, room| BookMeal {
            number: room.number.checked_sub(100).expect("rooms start at 100"),
        },
        |_, meal| meal.number,
    );
    is_noticed_as(
        &definition,
        &[
            r#"step "book-meal": its command cannot be built"#,
            "rooms start at 100",
            "nothing goes wrong",
        ],
    );
}

#[test]
fn an_output_that_panics_is_noticed() {
    let definition = sending(
        |_, room| BookMeal {
            number: room.number,
        },
        |_, _| panic!("no output today"),
    );
    is_noticed_as(&definition, &["the saga completed", "no output today"]);
}

#[test]
fn a_command_that_counts_its_calls_is_noticed() {
    let calls = AtomicU32::new(0);
    let definition = sending(
        move |_, _| BookMeal {
            number: calls.fetch_add(1, Ordering::Relaxed),
        },
        |_, meal| meal.number,
    );
    is_noticed_as(
        &definition,
        &[
            "a closure looks at more than its arguments",
            r#"step "book-meal" builds its forward command as {"number":0} first"#,
        ],
    );
}

#[test]
fn a_command_that_changes_only_after_it_was_sent_is_noticed() {
    let calls = Arc::new(AtomicU32::new(0));
    let definition = sending(
        move |_, _| BookMeal {
            // The same for the two decisions about one event, another one later.
            number: calls.fetch_add(1, Ordering::Relaxed) / 2,
        },
        |_, meal| meal.number,
    );
    is_noticed_as(
        &definition,
        &[r#"the command of step "book-meal" was sent as {"number":0} and is rebuilt"#],
    );
}

#[test]
fn a_compensation_that_counts_its_calls_is_noticed() {
    let calls = AtomicU32::new(0);
    let definition = undoing(move |_, _| ReleaseRoom {
        number: calls.fetch_add(1, Ordering::Relaxed),
    });
    is_noticed_as(
        &definition,
        &[r#"step "book-room" builds its compensate command as"#],
    );
}
