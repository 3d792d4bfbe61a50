//! Conditional steps, and conditions that change their mind or panic.

use std::sync::atomic::{AtomicU32, Ordering};

use sagas::Definition;
use sagas::testkit::Kit;

use crate::hotel::{
    BookMeal, BookRoom, CancelMeal, Charge, Confirm, FindRoom, ReleaseRoom, Tell, Trip,
};
use crate::is_noticed_as;

/// Every kind of step; the meal, and what is given it, has the test's condition.
fn with_meal(holds: impl Fn(&Trip) -> bool + Send + Sync + 'static) -> Definition {
    let mut saga = Definition::of::<Trip>("book-trip");
    let found = saga
        .step("find-room")
        .send(|trip, ()| FindRoom { number: trip.guest })
        .query();
    let room = saga
        .step("book-room")
        .after(found)
        .send(|_, found| BookRoom {
            number: found.number,
        })
        .compensate(|trip, _, _| ReleaseRoom { number: trip.guest });
    let meal = saga
        .step("book-meal")
        .after(room)
        .when(move |trip, _| holds(trip))
        .send(|trip, _| BookMeal { number: trip.guest })
        .compensate(|trip, _, _| CancelMeal { number: trip.guest });
    let charge = saga
        .step("charge")
        .after((room, meal))
        .send(|trip, _| Charge { number: trip.guest })
        .pivot();
    let confirm = saga
        .step("confirm")
        .after(charge)
        .send(|trip, ()| Confirm { number: trip.guest })
        .retriable();
    saga.step("tell")
        .after(confirm)
        .send(|trip, ()| Tell { number: trip.guest })
        .notify();
    saga.build().expect("the definition is legal")
}

#[test]
fn a_saga_with_every_kind_of_step_passes() {
    let report = Kit::new(&with_meal(|_| true), crate::hotel::TRIP).run();
    let report = report.expect("nothing is broken");
    assert!(report.never_sent.is_empty(), "{report}");
}

#[test]
fn a_step_that_the_sample_input_skips_is_named_in_the_report() {
    let report = Kit::new(&with_meal(|trip| trip.guest > 100), crate::hotel::TRIP).run();
    let report = report.expect("nothing is broken");
    assert_eq!(report.never_sent, ["book-meal"]);
    assert!(report.to_string().contains("never sent: book-meal"));
}

#[test]
fn a_condition_that_changes_with_every_call_is_noticed() {
    let calls = AtomicU32::new(0);
    let definition = with_meal(move |_| calls.fetch_add(1, Ordering::Relaxed).is_multiple_of(2));
    is_noticed_as(
        &definition,
        &["a closure looks at more than its arguments", "book-meal"],
    );
}

#[test]
fn a_condition_that_changes_its_mind_later_is_noticed() {
    for first in [false, true] {
        let calls = AtomicU32::new(0);
        // The same for the two decisions about one event, another one later.
        let definition = with_meal(move |_| {
            let later = calls.fetch_add(1, Ordering::Relaxed) > 1;
            later != first
        });
        is_noticed_as(
            &definition,
            &[r#"the condition of step "book-meal" changes its mind"#],
        );
    }
}

#[test]
fn a_condition_that_panics_is_noticed() {
    let definition =
        with_meal(|trip| trip.guest.checked_sub(100).expect("guests have numbers") > 0);
    is_noticed_as(
        &definition,
        &[
            r#"step "book-meal": its command cannot be built"#,
            "guests have numbers",
        ],
    );
}
