//! What is tried again, for how long, and what happens when the attempts are used up.

use crate::definitions::{place_order, without_a_pivot};
use crate::script::check;

#[test]
fn a_failed_step_is_tried_again_after_a_growing_delay() {
    check(
        &place_order(),
        "start; create-order failed; wake; wake +1s; create-order failed; wake +1s; wake +1s; \
         create-order ok",
        "
          start => create-order forward#1 | running, announces started, wake 2s
          create-order failed => nothing | running, wake 0.947s
          wake => refused: nothing is due before 0.947s
          wake +1s => create-order forward#2 | running, wake 3s
          create-order failed => nothing | running, wake 2.754s
          wake +1s => refused: nothing is due before 2.754s
          wake +1s => create-order forward#3 | running, wake 5s
          create-order ok => reserve-stock forward#1, authorize-payment forward#1 | running, wake 5s
          steps: create-order done, reserve-stock in_flight, authorize-payment in_flight, create-shipment idle, capture-payment idle, confirm-order idle
        ",
    );
}

#[test]
fn a_silent_step_before_the_pivot_is_given_up_and_undone() {
    check(
        &place_order(),
        "start; wake +10s; wake +10s; wake +10s; create-order ok",
        "
          start => create-order forward#1 | running, announces started, wake 2s
          wake +10s => create-order forward#2 | running, wake 20s
          wake +10s => create-order forward#3 | running, wake 30s
          wake +10s => create-order compensate#1 | compensating, announces compensating, wake 32s
          create-order ok => nothing | compensated, announces compensated
          steps: create-order compensated, reserve-stock idle, authorize-payment idle, create-shipment idle, capture-payment idle, confirm-order idle
          reason: create-order: attempts-exhausted: no success in 3 attempts; the participant stayed silent
        ",
    );
}

#[test]
fn a_failing_step_before_the_pivot_is_given_up_and_undone() {
    check(
        &place_order(),
        "until create-shipment; create-shipment failed; wake +1s; create-shipment failed; \
         wake +2s; create-shipment failed no-truck; create-shipment ok; reserve-stock ok; \
         authorize-payment ok; create-order ok",
        "
          until create-shipment => create-shipment forward#1 | running, wake 2s
          create-shipment failed => nothing | running, wake 0.877s
          wake +1s => create-shipment forward#2 | running, wake 3s
          create-shipment failed => nothing | running, wake 2.895s
          wake +2s => create-shipment forward#3 | running, wake 5s
          create-shipment failed no-truck => create-shipment compensate#1 | compensating, announces compensating, wake 5s
          create-shipment ok => authorize-payment compensate#1, reserve-stock compensate#1 | compensating, wake 5s
          reserve-stock ok => nothing | compensating, wake 5s
          authorize-payment ok => create-order compensate#1 | compensating, wake 5s
          create-order ok => nothing | compensated, announces compensated
          steps: create-order compensated, reserve-stock compensated, authorize-payment compensated, create-shipment compensated, capture-payment idle, confirm-order idle
          reason: create-shipment: attempts-exhausted: no success in 3 attempts; the last failure was no-truck: says the participant
        ",
    );
}

#[test]
fn a_step_that_is_given_up_does_not_drag_a_sibling_into_new_attempts() {
    check(
        &place_order(),
        "until reserve-stock; authorize-payment ok; wake +10s; wake +10s; wake +10s; \
         reserve-stock ok; authorize-payment ok; create-order ok",
        "
          until reserve-stock => reserve-stock forward#1, authorize-payment forward#1 | running, wake 2s
          authorize-payment ok => nothing | running, wake 2s
          wake +10s => reserve-stock forward#2 | running, wake 20s
          wake +10s => reserve-stock forward#3 | running, wake 30s
          wake +10s => authorize-payment compensate#1, reserve-stock compensate#1 | compensating, announces compensating, wake 32s
          reserve-stock ok => nothing | compensating, wake 32s
          authorize-payment ok => create-order compensate#1 | compensating, wake 32s
          create-order ok => nothing | compensated, announces compensated
          steps: create-order compensated, reserve-stock compensated, authorize-payment compensated, create-shipment idle, capture-payment idle, confirm-order idle
          reason: reserve-stock: attempts-exhausted: no success in 3 attempts; the participant stayed silent
        ",
    );
}

#[test]
fn an_unknown_pivot_is_tried_again_without_end_and_never_undone() {
    check(
        &place_order(),
        "until capture-payment; wake +10s; capture-payment failed; wake +4s; wake +10s; \
         capture-payment failed; wake +8s; capture-payment ok",
        "
          until capture-payment => capture-payment forward#1 | running, wake 2s
          wake +10s => capture-payment forward#2 | running, wake 20s
          capture-payment failed => nothing | running, wake 11.826s
          wake +4s => capture-payment forward#3 | running, wake 16s
          wake +10s => capture-payment forward#4 | running, wake 44s, capture-payment needs attention since 24s
          capture-payment failed => nothing | running, wake 31.023s, capture-payment needs attention since 24s
          wake +8s => capture-payment forward#5 | running, wake 34s, capture-payment needs attention since 24s
          capture-payment ok => confirm-order forward#1 | running, wake 34s
          steps: create-order done, reserve-stock done, authorize-payment done, create-shipment done, capture-payment done, confirm-order in_flight
        ",
    );
}

#[test]
fn a_retriable_step_is_tried_again_without_end() {
    check(
        &place_order(),
        "until confirm-order; confirm-order failed; wake +1s; confirm-order failed; wake +2s; \
         confirm-order failed; wake +4s; wake +20s; wake +40s; confirm-order ok",
        "
          until confirm-order => confirm-order forward#1 | running, wake 2s
          confirm-order failed => nothing | running, wake 0.822s
          wake +1s => confirm-order forward#2 | running, wake 3s
          confirm-order failed => nothing | running, wake 2.953s
          wake +2s => confirm-order forward#3 | running, wake 5s
          confirm-order failed => nothing | running, wake 5s, confirm-order needs attention since 3s
          wake +4s => confirm-order forward#4 | running, wake 9s, confirm-order needs attention since 3s
          wake +20s => confirm-order forward#5 | running, wake 67s, confirm-order needs attention since 3s
          wake +40s => confirm-order forward#6 | running, wake 147s, confirm-order needs attention since 3s
          confirm-order ok => nothing | completed, announces completed
          steps: create-order done, reserve-stock done, authorize-payment done, create-shipment done, capture-payment done, confirm-order done
          output: [1,4]
        ",
    );
}

#[test]
fn retriable_steps_without_a_pivot_are_tried_again_without_end() {
    check(
        &without_a_pivot(),
        "until confirm-order; confirm-order ok; wake +10s; wake +10s; wake +10s; cancel; \
         send-receipt ok",
        "
          until confirm-order => confirm-order forward#1, send-receipt forward#1 | running, wake 2s
          confirm-order ok => nothing | running, wake 2s
          wake +10s => send-receipt forward#2 | running, wake 20s
          wake +10s => send-receipt forward#3 | running, wake 30s
          wake +10s => send-receipt forward#4 | running, wake 50s, send-receipt needs attention since 30s
          cancel => refused: the saga has passed its point of no return and can only be completed
          send-receipt ok => nothing | completed, announces completed
          steps: reserve-stock done, authorize-payment done, confirm-order done, send-receipt done
        ",
    );
}

#[test]
fn a_step_that_is_given_up_keeps_an_overdue_sibling_from_a_new_attempt() {
    check(
        &without_a_pivot(),
        "start; authorize-payment failed; wake +1s; authorize-payment failed; wake +9s; \
         reserve-stock failed; wake +10s; authorize-payment ok; reserve-stock ok",
        "
          start => reserve-stock forward#1, authorize-payment forward#1 | running, announces started, wake 2s
          authorize-payment failed => nothing | running, wake 0.877s
          wake +1s => authorize-payment forward#2 | running, wake 2s
          authorize-payment failed => nothing | running, wake 2s
          wake +9s => reserve-stock forward#2, authorize-payment forward#3 | running, wake 12s
          reserve-stock failed => nothing | running, wake 11.754s
          wake +10s => authorize-payment compensate#1, reserve-stock compensate#1 | compensating, announces compensating, wake 22s
          authorize-payment ok => nothing | compensating, wake 22s
          reserve-stock ok => nothing | compensated, announces compensated
          steps: reserve-stock compensated, authorize-payment compensated, confirm-order idle, send-receipt idle
          reason: authorize-payment: attempts-exhausted: no success in 3 attempts; the last failure was some-code: says the participant
        ",
    );
}
