//! An operator's cancel: before the pivot, with the pivot in flight, and after it.

use crate::definitions::{firm_pivot, place_order, without_a_pivot};
use crate::script::check;

#[test]
fn a_cancel_before_the_pivot_turns_the_saga_back() {
    check(
        &place_order(),
        "until reserve-stock; reserve-stock ok; cancel; authorize-payment ok; reserve-stock ok; \
         authorize-payment ok; create-order ok",
        "
          until reserve-stock => reserve-stock forward#1, authorize-payment forward#1 | running, wake 2s
          reserve-stock ok => nothing | running, wake 2s
          cancel => reserve-stock compensate#1 | compensating, announces compensating, wake 2s
          authorize-payment ok => authorize-payment compensate#1 | compensating, wake 2s
          reserve-stock ok => nothing | compensating, wake 2s
          authorize-payment ok => create-order compensate#1 | compensating, wake 2s
          create-order ok => nothing | compensated, announces compensated
          steps: create-order compensated, reserve-stock compensated, authorize-payment compensated, create-shipment idle, capture-payment idle, confirm-order idle
          reason: an operator or the clock: cancelled: the customer asked
        ",
    );
}

#[test]
fn a_cancel_with_the_pivot_in_flight_turns_back_once_the_pivot_is_fenced() {
    check(
        &place_order(),
        "until capture-payment; cancel; capture-payment fenced; create-shipment ok; \
         reserve-stock ok; authorize-payment ok; create-order ok",
        "
          until capture-payment => capture-payment forward#1 | running, wake 2s
          cancel => capture-payment fence#1 | running, wake 2s
          capture-payment fenced => create-shipment compensate#1 | compensating, announces compensating, wake 2s
          create-shipment ok => authorize-payment compensate#1, reserve-stock compensate#1 | compensating, wake 2s
          reserve-stock ok => nothing | compensating, wake 2s
          authorize-payment ok => create-order compensate#1 | compensating, wake 2s
          create-order ok => nothing | compensated, announces compensated
          steps: create-order compensated, reserve-stock compensated, authorize-payment compensated, create-shipment compensated, capture-payment compensated, confirm-order idle
          reason: an operator or the clock: cancelled: the customer asked
        ",
    );
}

#[test]
fn a_cancel_that_comes_too_late_lets_the_saga_go_on() {
    check(
        &place_order(),
        "until capture-payment; cancel; capture-payment ok; capture-payment/forward ok; \
         confirm-order ok",
        "
          until capture-payment => capture-payment forward#1 | running, wake 2s
          cancel => capture-payment fence#1 | running, wake 2s
          capture-payment ok => confirm-order forward#1 | running, wake 2s
          capture-payment/forward ok => refused: no forward command of generation 1, attempt 1, waits for it
          confirm-order ok => nothing | completed, announces completed
          steps: create-order done, reserve-stock done, authorize-payment done, create-shipment done, capture-payment done, confirm-order done
          output: [1,4]
        ",
    );
}

#[test]
fn the_pivots_own_late_success_settles_the_fence() {
    check(
        &place_order(),
        "until capture-payment; cancel; capture-payment/forward ok; capture-payment/fence ok; \
         confirm-order ok",
        "
          until capture-payment => capture-payment forward#1 | running, wake 2s
          cancel => capture-payment fence#1 | running, wake 2s
          capture-payment/forward ok => confirm-order forward#1 | running, wake 2s
          capture-payment/fence ok => refused: no fence command of generation 1, attempt 1, waits for it
          confirm-order ok => nothing | completed, announces completed
          steps: create-order done, reserve-stock done, authorize-payment done, create-shipment done, capture-payment done, confirm-order done
          output: [1,4]
        ",
    );
}

#[test]
fn the_pivots_own_late_refusal_settles_the_fence() {
    check(
        &place_order(),
        "until capture-payment; cancel; capture-payment/forward rejected capture-declined; \
         capture-payment/fence fenced",
        "
          until capture-payment => capture-payment forward#1 | running, wake 2s
          cancel => capture-payment fence#1 | running, wake 2s
          capture-payment/forward rejected capture-declined => create-shipment compensate#1 | compensating, announces compensating, wake 2s
          capture-payment/fence fenced => refused: no fence command of generation 1, attempt 1, waits for it
          steps: create-order done, reserve-stock done, authorize-payment done, create-shipment compensating, capture-payment rejected, confirm-order idle
          reason: capture-payment: capture-declined: says the participant
        ",
    );
}

#[test]
fn the_pivots_late_command_finds_the_fence_and_turns_the_saga_back() {
    check(
        &place_order(),
        "until capture-payment; cancel; capture-payment/forward already-compensated; \
         capture-payment/fence fenced",
        "
          until capture-payment => capture-payment forward#1 | running, wake 2s
          cancel => capture-payment fence#1 | running, wake 2s
          capture-payment/forward already-compensated => create-shipment compensate#1 | compensating, announces compensating, wake 2s
          capture-payment/fence fenced => refused: no fence command of generation 1, attempt 1, waits for it
          steps: create-order done, reserve-stock done, authorize-payment done, create-shipment compensating, capture-payment compensated, confirm-order idle
          reason: an operator or the clock: cancelled: the customer asked
        ",
    );
}

#[test]
fn a_fence_is_sent_again_until_it_is_answered() {
    check(
        &place_order(),
        "until capture-payment; cancel; capture-payment/forward failed; wake +2s unpublished; \
         wake +8s; capture-payment failed; wake +2s; wake +10s; capture-payment fenced",
        "
          until capture-payment => capture-payment forward#1 | running, wake 2s
          cancel => capture-payment fence#1 | running, wake 2s
          capture-payment/forward failed => refused: no forward command of generation 1, attempt 1, waits for it
          wake +2s unpublished => capture-payment fence#1 | running, wake 4s
          wake +8s => capture-payment fence#2 | running, wake 20s
          capture-payment failed => nothing | running, wake 11.826s
          wake +2s => capture-payment fence#3 | running, wake 14s
          wake +10s => capture-payment fence#4 | running, wake 42s, capture-payment needs attention since 22s
          capture-payment fenced => create-shipment compensate#1 | compensating, announces compensating, wake 24s
          steps: create-order done, reserve-stock done, authorize-payment done, create-shipment compensating, capture-payment compensated, confirm-order idle
          reason: an operator or the clock: cancelled: the customer asked
        ",
    );
}

#[test]
fn a_cancel_while_the_pivot_waits_for_its_retry_fences_it() {
    check(
        &place_order(),
        "until capture-payment; capture-payment failed; cancel; wake +1s; capture-payment fenced",
        "
          until capture-payment => capture-payment forward#1 | running, wake 2s
          capture-payment failed => nothing | running, wake 0.918s
          cancel => capture-payment fence#1 | running, wake 0.918s
          wake +1s => refused: nothing is due before 2s
          capture-payment fenced => create-shipment compensate#1 | compensating, announces compensating, wake 2s
          steps: create-order done, reserve-stock done, authorize-payment done, create-shipment compensating, capture-payment compensated, confirm-order idle
          reason: an operator or the clock: cancelled: the customer asked
        ",
    );
}

#[test]
fn a_cancel_after_the_pivot_is_refused() {
    check(&place_order(), "until confirm-order; cancel; confirm-order ok; cancel 2", "
            until confirm-order => confirm-order forward#1 | running, wake 2s
            cancel => refused: the saga has passed its point of no return and can only be completed
            confirm-order ok => nothing | completed, announces completed
            cancel 2 => refused: the saga is completed and does not change any more
            steps: create-order done, reserve-stock done, authorize-payment done, create-shipment done, capture-payment done, confirm-order done
            output: [1,4]
          ");
}

#[test]
fn a_cancel_without_a_pivot_is_refused_from_the_first_retriable_step_on() {
    check(&without_a_pivot(), "until confirm-order; cancel", "
            until confirm-order => confirm-order forward#1, send-receipt forward#1 | running, wake 2s
            cancel => refused: the saga has passed its point of no return and can only be completed
            steps: reserve-stock done, authorize-payment done, confirm-order in_flight, send-receipt in_flight
          ");
    check(&without_a_pivot(), "start; reserve-stock ok; cancel; authorize-payment ok", "
            start => reserve-stock forward#1, authorize-payment forward#1 | running, announces started, wake 2s
            reserve-stock ok => nothing | running, wake 2s
            cancel => reserve-stock compensate#1 | compensating, announces compensating, wake 2s
            authorize-payment ok => authorize-payment compensate#1 | compensating, wake 2s
            steps: reserve-stock compensating, authorize-payment compensating, confirm-order idle, send-receipt idle
            reason: an operator or the clock: cancelled: the customer asked
          ");
}

#[test]
fn a_repeated_cancel_answers_with_what_came_of_it() {
    check(
        &place_order(),
        "until capture-payment; cancel; cancel; cancel 2; capture-payment ok; cancel; \
         confirm-order ok; cancel; cancel 2",
        "
          until capture-payment => capture-payment forward#1 | running, wake 2s
          cancel => capture-payment fence#1 | running, wake 2s
          cancel => refused: the order was applied before: Fencing
          cancel 2 => refused: another order waits for the pivot's participant; its answer decides
          capture-payment ok => confirm-order forward#1 | running, wake 2s
          cancel => refused: the order was applied before: Fencing
          confirm-order ok => nothing | completed, announces completed
          cancel => refused: the order was applied before: Fencing
          cancel 2 => refused: the saga is completed and does not change any more
          steps: create-order done, reserve-stock done, authorize-payment done, create-shipment done, capture-payment done, confirm-order done
          output: [1,4]
        ",
    );
}

#[test]
fn a_cancel_while_the_saga_is_being_compensated_is_refused() {
    check(&place_order(), "until reserve-stock; reserve-stock rejected; cancel", "
            until reserve-stock => reserve-stock forward#1, authorize-payment forward#1 | running, wake 2s
            reserve-stock rejected => nothing | compensating, announces compensating, wake 2s
            cancel => refused: the saga is being compensated already
            steps: create-order done, reserve-stock rejected, authorize-payment in_flight, create-shipment idle, capture-payment idle, confirm-order idle
            reason: reserve-stock: some-code: says the participant
          ");
}

#[test]
fn a_stuck_saga_before_the_pivot_can_be_cancelled() {
    check(&place_order(), "start; create-order rejected; cancel", "
            start => create-order forward#1 | running, announces started, wake 2s
            create-order rejected => nothing | stuck, announces stuck
            cancel => nothing | compensated, announces compensated
            steps: create-order rejected, reserve-stock idle, authorize-payment idle, create-shipment idle, capture-payment idle, confirm-order idle
            reason: an operator or the clock: cancelled: the customer asked
          ");
}

#[test]
fn a_pivot_that_was_refused_against_its_promise_leaves_the_way_back_open() {
    check(
        &firm_pivot(),
        "until confirm-order; confirm-order rejected; cancel; reserve-stock ok",
        "
            until confirm-order => confirm-order forward#1 | running, wake 2s
            confirm-order rejected => nothing | stuck, announces stuck
            cancel => reserve-stock compensate#1 | compensating, announces compensating, wake 2s
            reserve-stock ok => nothing | compensated, announces compensated
            steps: reserve-stock compensated, confirm-order rejected
            reason: an operator or the clock: cancelled: the customer asked
          ",
    );
}

#[test]
fn a_refusal_of_a_fenced_pivot_fulfils_the_cancel_even_against_the_pivots_promise() {
    check(
        &firm_pivot(),
        "until confirm-order; cancel; confirm-order/forward rejected; reserve-stock ok",
        "
          until confirm-order => confirm-order forward#1 | running, wake 2s
          cancel => confirm-order fence#1 | running, wake 2s
          confirm-order/forward rejected => reserve-stock compensate#1 | compensating, announces compensating, wake 2s
          reserve-stock ok => nothing | compensated, announces compensated
          steps: reserve-stock compensated, confirm-order rejected
          reason: an operator or the clock: cancelled: the customer asked
        ",
    );
}

#[test]
fn a_pivot_whose_outcome_nobody_knows_cannot_be_cancelled() {
    check(&firm_pivot(), "until confirm-order; confirm-order expired; cancel", "
            until confirm-order => confirm-order forward#1 | running, wake 2s
            confirm-order expired => nothing | stuck, announces stuck
            cancel => refused: the saga has passed its point of no return and can only be completed
            steps: reserve-stock done, confirm-order parked
            waits for a person: confirm-order: the participant no longer knows whether the forward command took effect
          ");
    check(&firm_pivot(), "until confirm-order; cancel; confirm-order expired; cancel 2", "
            until confirm-order => confirm-order forward#1 | running, wake 2s
            cancel => confirm-order fence#1 | running, wake 2s
            confirm-order expired => nothing | stuck, announces stuck
            cancel 2 => refused: the saga has passed its point of no return and can only be completed
            steps: reserve-stock done, confirm-order parked
            waits for a person: confirm-order: the participant no longer knows whether the fence command took effect
          ");
}

#[test]
fn a_retriable_end_that_was_refused_against_its_promise_leaves_the_way_back_open() {
    check(
        &without_a_pivot(),
        "until confirm-order; confirm-order rejected; cancel; send-receipt rejected; cancel",
        "
          until confirm-order => confirm-order forward#1, send-receipt forward#1 | running, wake 2s
          confirm-order rejected => nothing | stuck, announces stuck, wake 2s
          cancel => refused: the saga has passed its point of no return and can only be completed
          send-receipt rejected => nothing | stuck
          cancel => authorize-payment compensate#1, reserve-stock compensate#1 | compensating, announces compensating, wake 2s
          steps: reserve-stock compensating, authorize-payment compensating, confirm-order rejected, send-receipt rejected
          reason: an operator or the clock: cancelled: the customer asked
        ",
    );
    check(
        &without_a_pivot(),
        "until confirm-order; confirm-order rejected; send-receipt ok; cancel",
        "
          until confirm-order => confirm-order forward#1, send-receipt forward#1 | running, wake 2s
          confirm-order rejected => nothing | stuck, announces stuck, wake 2s
          send-receipt ok => nothing | stuck
          cancel => refused: the saga has passed its point of no return and can only be completed
          steps: reserve-stock done, authorize-payment done, confirm-order parked, send-receipt done
          waits for a person: confirm-order: it cannot be rejected, but was: some-code: says the participant
        ",
    );
}
