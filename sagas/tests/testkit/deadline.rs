//! A deadline of three days passes in virtual time.

use std::time::Duration;

use sagas::testkit::Kit;
use sagas::{Definition, RetryPolicy};

use crate::hotel::{BookRoom, Booked, Charge, Confirm, ReleaseRoom, TRIP, Trip};
use crate::is_noticed_as;

/// A room that is held until the guest pays, for three days at most.
fn held_room(
    release: impl Fn(&Trip, Option<Booked>) -> ReleaseRoom + Send + Sync + 'static,
) -> Definition {
    const DAY: Duration = Duration::from_secs(86_400);
    let mut saga = Definition::of::<Trip>("hold-room");
    saga.deadline(3 * DAY);
    // Asked once a day, for ever: only the deadline turns it back.
    let patient = RetryPolicy {
        reply_timeout: DAY,
        max_attempts: u32::MAX,
        ..RetryPolicy::default()
    };
    let room = saga
        .step("book-room")
        .send(|trip, ()| BookRoom { number: trip.guest })
        .retry(patient)
        .compensate(move |trip, (), booked| release(trip, booked));
    let charged = saga
        .step("charge")
        .after(room)
        .send(|trip, _| Charge { number: trip.guest })
        .retry(patient)
        .pivot();
    saga.step("confirm")
        .after(charged)
        .send(|trip, ()| Confirm { number: trip.guest })
        .retriable();
    saga.build().expect("the definition is legal")
}

#[test]
fn three_days_pass_in_virtual_time_at_every_point() {
    let definition = held_room(|trip, _| ReleaseRoom { number: trip.guest });
    let report = Kit::new(&definition, TRIP).run();
    let report = report.expect("nothing is broken");
    assert!(report.deadlines > 10, "{report}");
    assert!(report.never_undone_without_reply.is_empty(), "{report}");
}

#[test]
fn a_closure_that_panics_only_when_the_deadline_passes_is_noticed() {
    let definition = held_room(|_, booked| ReleaseRoom {
        number: booked.expect("somebody booked").number,
    });
    is_noticed_as(&definition, &["without its own reply", "3d 0s  wake"]);
}
