//! A step is refused while another one is in flight: whatever the sibling answers, nothing of it
//! is left, and no attempt is begun for it.

use crate::definitions::place_order;
use crate::script::check;

#[test]
fn a_sibling_that_succeeds_late_is_undone() {
    check(
        &place_order(),
        "until reserve-stock; authorize-payment rejected card-declined; reserve-stock ok; \
         reserve-stock ok; create-order ok",
        "
          until reserve-stock => reserve-stock forward#1, authorize-payment forward#1 | running, wake 2s
          authorize-payment rejected card-declined => nothing | compensating, announces compensating, wake 2s
          reserve-stock ok => reserve-stock compensate#1 | compensating, wake 2s
          reserve-stock ok => create-order compensate#1 | compensating, wake 2s
          create-order ok => nothing | compensated, announces compensated
          steps: create-order compensated, reserve-stock compensated, authorize-payment rejected, create-shipment idle, capture-payment idle, confirm-order idle
          reason: authorize-payment: card-declined: says the participant
        ",
    );
}

#[test]
fn a_sibling_that_is_refused_too_has_nothing_to_undo_and_the_first_reason_stays() {
    check(
        &place_order(),
        "until reserve-stock; authorize-payment rejected card-declined; \
         reserve-stock rejected out-of-stock; create-order ok",
        "
          until reserve-stock => reserve-stock forward#1, authorize-payment forward#1 | running, wake 2s
          authorize-payment rejected card-declined => nothing | compensating, announces compensating, wake 2s
          reserve-stock rejected out-of-stock => create-order compensate#1 | compensating, wake 2s
          create-order ok => nothing | compensated, announces compensated
          steps: create-order compensated, reserve-stock rejected, authorize-payment rejected, create-shipment idle, capture-payment idle, confirm-order idle
          reason: authorize-payment: card-declined: says the participant
        ",
    );
}

#[test]
fn a_sibling_that_fails_is_undone_instead_of_tried_again() {
    check(
        &place_order(),
        "until reserve-stock; authorize-payment rejected card-declined; reserve-stock failed; \
         reserve-stock ok; create-order ok",
        "
          until reserve-stock => reserve-stock forward#1, authorize-payment forward#1 | running, wake 2s
          authorize-payment rejected card-declined => nothing | compensating, announces compensating, wake 2s
          reserve-stock failed => reserve-stock compensate#1 | compensating, wake 2s
          reserve-stock ok => create-order compensate#1 | compensating, wake 2s
          create-order ok => nothing | compensated, announces compensated
          steps: create-order compensated, reserve-stock compensated, authorize-payment rejected, create-shipment idle, capture-payment idle, confirm-order idle
          reason: authorize-payment: card-declined: says the participant
        ",
    );
}

#[test]
fn a_sibling_that_stays_silent_is_undone_at_its_deadline() {
    check(
        &place_order(),
        "until reserve-stock; authorize-payment rejected card-declined; wake +9s; wake +1s; \
         reserve-stock ok; create-order ok",
        "
          until reserve-stock => reserve-stock forward#1, authorize-payment forward#1 | running, wake 2s
          authorize-payment rejected card-declined => nothing | compensating, announces compensating, wake 2s
          wake +9s => refused: nothing is due before 10s
          wake +1s => reserve-stock compensate#1 | compensating, wake 12s
          reserve-stock ok => create-order compensate#1 | compensating, wake 12s
          create-order ok => nothing | compensated, announces compensated
          steps: create-order compensated, reserve-stock compensated, authorize-payment rejected, create-shipment idle, capture-payment idle, confirm-order idle
          reason: authorize-payment: card-declined: says the participant
        ",
    );
}

#[test]
fn a_sibling_that_waits_for_its_retry_is_undone_at_once() {
    check(
        &place_order(),
        "until reserve-stock; reserve-stock failed; authorize-payment rejected card-declined; \
         reserve-stock ok; create-order ok",
        "
          until reserve-stock => reserve-stock forward#1, authorize-payment forward#1 | running, wake 2s
          reserve-stock failed => nothing | running, wake 0.877s
          authorize-payment rejected card-declined => reserve-stock compensate#1 | compensating, announces compensating, wake 0.877s
          reserve-stock ok => create-order compensate#1 | compensating, wake 0.877s
          create-order ok => nothing | compensated, announces compensated
          steps: create-order compensated, reserve-stock compensated, authorize-payment rejected, create-shipment idle, capture-payment idle, confirm-order idle
          reason: authorize-payment: card-declined: says the participant
        ",
    );
}

#[test]
fn a_sibling_of_an_unconfirmed_publish_is_sent_again_as_the_same_attempt() {
    check(
        &place_order(),
        "until reserve-stock; authorize-payment rejected card-declined; wake +2s unpublished; \
         wake +8s unpublished; reserve-stock/forward ok; reserve-stock ok; create-order ok",
        "
          until reserve-stock => reserve-stock forward#1, authorize-payment forward#1 | running, wake 2s
          authorize-payment rejected card-declined => nothing | compensating, announces compensating, wake 2s
          wake +2s unpublished => reserve-stock forward#1 | compensating, wake 4s
          wake +8s unpublished => reserve-stock compensate#1 | compensating, wake 12s
          reserve-stock/forward ok => recorded as late | compensating, wake 12s
          reserve-stock ok => create-order compensate#1 | compensating, wake 12s
          create-order ok => nothing | compensated, announces compensated
          steps: create-order compensated, reserve-stock compensated, authorize-payment rejected, create-shipment idle, capture-payment idle, confirm-order idle
          reason: authorize-payment: card-declined: says the participant
        ",
    );
}

#[test]
fn a_sibling_that_says_it_was_undone_before_has_nothing_to_undo() {
    check(
        &place_order(),
        "until reserve-stock; authorize-payment rejected; reserve-stock already-compensated; \
         create-order ok",
        "
          until reserve-stock => reserve-stock forward#1, authorize-payment forward#1 | running, wake 2s
          authorize-payment rejected => nothing | compensating, announces compensating, wake 2s
          reserve-stock already-compensated => create-order compensate#1 | compensating, wake 2s
          create-order ok => nothing | compensated, announces compensated
          steps: create-order compensated, reserve-stock compensated, authorize-payment rejected, create-shipment idle, capture-payment idle, confirm-order idle
          reason: authorize-payment: some-code: says the participant
        ",
    );
}
