//! Answers that name their command and cannot be used: they may have said anything.

use crate::definitions::place_order;
use crate::script::check;

#[test]
fn a_step_whose_answers_cannot_be_used_is_tried_again_and_waits_for_a_person() {
    check(
        &place_order(),
        "until create-shipment; create-shipment failed unreadable-reply; wake +1s; \
         create-shipment failed unreadable-reply; wake +2s; create-shipment failed unreadable-reply; wake +4s; \
         create-shipment ok",
        "
          until create-shipment => create-shipment forward#1 | running, wake 2s
          create-shipment failed unreadable-reply => nothing | running, wake 0.877s
          wake +1s => create-shipment forward#2 | running, wake 3s
          create-shipment failed unreadable-reply => nothing | running, wake 2.895s
          wake +2s => create-shipment forward#3 | running, wake 5s
          create-shipment failed unreadable-reply => nothing | stuck, announces stuck, wake 5s, create-shipment needs attention since 3s
          wake +4s => create-shipment forward#4 | stuck, wake 9s, create-shipment needs attention since 3s
          create-shipment ok => capture-payment forward#1 | running, announces running, wake 9s
          steps: create-order done, reserve-stock done, authorize-payment done, create-shipment done, capture-payment in_flight, confirm-order idle
        ",
    );
}

#[test]
fn one_answer_that_cannot_be_used_keeps_silence_from_turning_the_saga_back() {
    check(
        &place_order(),
        "until create-shipment; create-shipment failed unreadable-reply; wake +1s; wake +10s; wake +10s; wake +20s; \
         create-shipment rejected; authorize-payment ok; reserve-stock ok; create-order ok",
        "
          until create-shipment => create-shipment forward#1 | running, wake 2s
          create-shipment failed unreadable-reply => nothing | running, wake 0.877s
          wake +1s => create-shipment forward#2 | running, wake 3s
          wake +10s => create-shipment forward#3 | running, wake 21s
          wake +10s => create-shipment forward#4 | stuck, announces stuck, wake 41s, create-shipment needs attention since 21s
          wake +20s => create-shipment forward#5 | stuck, wake 81s, create-shipment needs attention since 21s
          create-shipment rejected => authorize-payment compensate#1, reserve-stock compensate#1 | compensating, announces compensating, wake 43s
          authorize-payment ok => nothing | compensating, wake 43s
          reserve-stock ok => create-order compensate#1 | compensating, wake 43s
          create-order ok => nothing | compensated, announces compensated
          steps: create-order compensated, reserve-stock compensated, authorize-payment compensated, create-shipment rejected, capture-payment idle, confirm-order idle
          reason: create-shipment: some-code: says the participant
        ",
    );
}

#[test]
fn an_answer_that_cannot_be_used_counts_for_an_attempt_that_is_over_once() {
    check(
        &place_order(),
        "until create-shipment; wake +10s; create-shipment/forward#1 failed unreadable-reply; \
         create-shipment/forward#1 failed unreadable-reply; create-shipment/forward#0 failed unreadable-reply; \
         wake +10s; wake +10s; cancel; wake +20s",
        "
          until create-shipment => create-shipment forward#1 | running, wake 2s
          wake +10s => create-shipment forward#2 | running, wake 20s
          create-shipment/forward#1 failed unreadable-reply => nothing | running, wake 20s
          create-shipment/forward#1 failed unreadable-reply => refused: no forward command of generation 1, attempt 1, waits for it
          create-shipment/forward#0 failed unreadable-reply => refused: no forward command of generation 1, attempt 0, waits for it
          wake +10s => create-shipment forward#3 | running, wake 30s
          wake +10s => create-shipment forward#4 | stuck, announces stuck, wake 50s, create-shipment needs attention since 30s
          cancel => nothing | compensating, announces compensating, wake 50s, create-shipment needs attention since 30s
          wake +20s => create-shipment compensate#1 | compensating, wake 52s
          steps: create-order done, reserve-stock done, authorize-payment done, create-shipment compensating, capture-payment idle, confirm-order idle
          reason: an operator or the clock: cancelled: the customer asked
        ",
    );
}

#[test]
fn a_person_may_turn_back_what_waits_because_of_an_answer_that_cannot_be_used() {
    check(
        &place_order(),
        "until create-shipment; create-shipment failed unreadable-reply; wake +1s; \
         create-shipment failed; wake +2s; create-shipment failed; cancel; create-shipment ok",
        "
          until create-shipment => create-shipment forward#1 | running, wake 2s
          create-shipment failed unreadable-reply => nothing | running, wake 0.877s
          wake +1s => create-shipment forward#2 | running, wake 3s
          create-shipment failed => nothing | running, wake 2.895s
          wake +2s => create-shipment forward#3 | running, wake 5s
          create-shipment failed => nothing | stuck, announces stuck, wake 5s, create-shipment needs attention since 3s
          cancel => create-shipment compensate#1 | compensating, announces compensating, wake 5s
          create-shipment ok => authorize-payment compensate#1, reserve-stock compensate#1 | compensating, wake 5s
          steps: create-order done, reserve-stock compensating, authorize-payment compensating, create-shipment compensated, capture-payment idle, confirm-order idle
          reason: an operator or the clock: cancelled: the customer asked
        ",
    );
}

#[test]
fn a_compensation_whose_answers_cannot_be_used_waits_for_a_person_and_goes_on() {
    check(
        &place_order(),
        "until reserve-stock; authorize-payment rejected; reserve-stock ok; \
         reserve-stock failed unreadable-reply; wake +1s; reserve-stock failed unreadable-reply; wake +2s; \
         reserve-stock failed unreadable-reply; resolve reserve-stock; reserve-stock/compensate ok; create-order ok",
        "
          until reserve-stock => reserve-stock forward#1, authorize-payment forward#1 | running, wake 2s
          authorize-payment rejected => nothing | compensating, announces compensating, wake 2s
          reserve-stock ok => reserve-stock compensate#1 | compensating, wake 2s
          reserve-stock failed unreadable-reply => nothing | compensating, wake 0.877s
          wake +1s => reserve-stock compensate#2 | compensating, wake 3s
          reserve-stock failed unreadable-reply => nothing | compensating, wake 2.772s
          wake +2s => reserve-stock compensate#3 | compensating, wake 5s
          reserve-stock failed unreadable-reply => nothing | stuck, announces stuck, wake 5s, reserve-stock needs attention since 3s
          resolve reserve-stock => reserve-stock fence#1 | compensating, announces compensating, wake 5s
          reserve-stock/compensate ok => create-order compensate#1 | compensating, wake 5s
          create-order ok => nothing | compensated, announces compensated
          steps: create-order compensated, reserve-stock compensated, authorize-payment rejected, create-shipment idle, capture-payment idle, confirm-order idle
          reason: authorize-payment: some-code: says the participant
        ",
    );
}

#[test]
fn a_pivot_whose_answers_cannot_be_used_waits_for_a_person_and_goes_on() {
    check(
        &place_order(),
        "until capture-payment; capture-payment failed unreadable-reply; wake +1s; \
         capture-payment failed unreadable-reply; wake +2s; capture-payment failed unreadable-reply; \
         wake +4s; capture-payment ok",
        "
          until capture-payment => capture-payment forward#1 | running, wake 2s
          capture-payment failed unreadable-reply => nothing | running, wake 0.918s
          wake +1s => capture-payment forward#2 | running, wake 3s
          capture-payment failed unreadable-reply => nothing | running, wake 2.826s
          wake +2s => capture-payment forward#3 | running, wake 5s
          capture-payment failed unreadable-reply => nothing | stuck, announces stuck, wake 5s, capture-payment needs attention since 3s
          wake +4s => capture-payment forward#4 | stuck, wake 9s, capture-payment needs attention since 3s
          capture-payment ok => confirm-order forward#1 | running, announces running, wake 9s
          steps: create-order done, reserve-stock done, authorize-payment done, create-shipment done, capture-payment done, confirm-order in_flight
        ",
    );
}

#[test]
fn a_reply_that_can_be_read_counts_after_one_of_another_type() {
    check(
        &place_order(),
        "until create-shipment; create-shipment ok \"gibberish\"; create-shipment ok \"gibberish\"; \
         create-shipment ok; create-shipment ok",
        r#"
          until create-shipment => create-shipment forward#1 | running, wake 2s
          create-shipment ok "gibberish" => nothing | stuck, announces stuck
          create-shipment ok "gibberish" => refused: no forward command of generation 1, attempt 1, waits for it
          create-shipment ok => capture-payment forward#1 | running, announces running, wake 2s
          create-shipment ok => refused: no forward command of generation 1, attempt 1, waits for it
          steps: create-order done, reserve-stock done, authorize-payment done, create-shipment done, capture-payment in_flight, confirm-order idle
        "#,
    );
}
