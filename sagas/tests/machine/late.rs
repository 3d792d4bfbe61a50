//! A truth that comes too late: recorded once, and only what must be undone may change.

use crate::definitions::place_order;
use crate::script::check_input;

#[test]
fn a_late_refusal_of_a_step_that_was_given_up_on_spares_its_compensation() {
    check_input(
        &place_order(),
        r#"{"order":7}"#,
        "until create-shipment; pause; cancel; create-shipment failed; create-shipment/forward rejected; resume",
        "
          until create-shipment => create-shipment forward#1 | running, wake 2s
          pause => nothing | running, paused
          cancel => nothing | compensating, announces compensating, paused
          create-shipment failed => nothing | compensating, paused
          create-shipment/forward rejected => nothing | compensating, paused
          resume => authorize-payment compensate#1, reserve-stock compensate#1 | compensating, wake 2s
          steps: create-order done, reserve-stock compensating, authorize-payment compensating, create-shipment rejected, capture-payment idle, confirm-order idle
          reason: an operator or the clock: cancelled: the customer asked
        ",
    );
}

#[test]
fn a_reply_that_cannot_be_read_is_a_duplicate_when_it_comes_again() {
    check_input(
        &place_order(),
        r#"{"order":7}"#,
        "until create-shipment; create-shipment ok \"13\"; pause; cancel; create-shipment/forward ok \"13\"",
        r#"
          until create-shipment => create-shipment forward#1 | running, wake 2s
          create-shipment ok "13" => nothing | stuck, announces stuck
          pause => nothing | stuck, paused
          cancel => nothing | compensating, announces compensating, paused
          create-shipment/forward ok "13" => refused: no forward command of generation 1, attempt 1, waits for it
          steps: create-order done, reserve-stock done, authorize-payment done, create-shipment unknown, capture-payment idle, confirm-order idle
          reason: an operator or the clock: cancelled: the customer asked
        "#,
    );
}

#[test]
fn a_late_success_of_a_step_that_was_given_up_on_is_undone_like_any_other() {
    check_input(
        &place_order(),
        r#"{"order":7}"#,
        "until create-shipment; pause; cancel; create-shipment failed; create-shipment/forward ok; resume",
        "
          until create-shipment => create-shipment forward#1 | running, wake 2s
          pause => nothing | running, paused
          cancel => nothing | compensating, announces compensating, paused
          create-shipment failed => nothing | compensating, paused
          create-shipment/forward ok => nothing | compensating, paused
          resume => create-shipment compensate#1 | compensating, wake 2s
          steps: create-order done, reserve-stock done, authorize-payment done, create-shipment compensating, capture-payment idle, confirm-order idle
          reason: an operator or the clock: cancelled: the customer asked
        ",
    );
}

#[test]
fn a_late_answer_to_an_edited_command_is_recorded_once() {
    check_input(
        &place_order(),
        r#"{"order":7}"#,
        "until create-shipment; edit create-shipment {\"order\":7,\"receipts\":[]}; create-shipment/forward@1 ok; create-shipment/forward@1 ok; create-shipment/forward@3 ok; create-shipment ok",
        r#"
          until create-shipment => create-shipment forward#1 | running, wake 2s
          edit create-shipment {"order":7,"receipts":[]} => create-shipment forward#1@2 | running, wake 2s
          create-shipment/forward@1 ok => recorded as late | running, wake 2s
          create-shipment/forward@1 ok => refused: no forward command of generation 1, attempt 1, waits for it
          create-shipment/forward@3 ok => refused: no forward command of generation 3, attempt 1, waits for it
          create-shipment ok => capture-payment forward#1 | running, wake 2s
          steps: create-order done, reserve-stock done, authorize-payment done, create-shipment done, capture-payment in_flight, confirm-order idle
        "#,
    );
}

#[test]
fn a_late_answer_to_a_step_that_is_being_undone_is_recorded_once() {
    check_input(
        &place_order(),
        r#"{"order":7}"#,
        "until reserve-stock; authorize-payment rejected; wake +10s; reserve-stock/forward ok; reserve-stock/forward ok; reserve-stock ok",
        "
          until reserve-stock => reserve-stock forward#1, authorize-payment forward#1 | running, wake 2s
          authorize-payment rejected => nothing | compensating, announces compensating, wake 2s
          wake +10s => reserve-stock compensate#1 | compensating, wake 12s
          reserve-stock/forward ok => recorded as late | compensating, wake 12s
          reserve-stock/forward ok => refused: no forward command of generation 1, attempt 1, waits for it
          reserve-stock ok => create-order compensate#1 | compensating, wake 12s
          steps: create-order compensating, reserve-stock compensated, authorize-payment rejected, create-shipment idle, capture-payment idle, confirm-order idle
          reason: authorize-payment: some-code: says the participant
        ",
    );
}

#[test]
fn a_late_refusal_of_an_older_generation_spares_nothing() {
    check_input(
        &place_order(),
        r#"{"order":7}"#,
        "until create-shipment; pause; edit create-shipment {\"order\":7,\"receipts\":[]}; cancel; create-shipment failed; create-shipment/forward@1 rejected; resume",
        r#"
          until create-shipment => create-shipment forward#1 | running, wake 2s
          pause => nothing | running, paused
          edit create-shipment {"order":7,"receipts":[]} => nothing | running, paused
          cancel => nothing | compensating, announces compensating, paused
          create-shipment failed => nothing | compensating, paused
          create-shipment/forward@1 rejected => recorded as late | compensating, paused
          resume => create-shipment compensate#1 | compensating, wake 2s
          steps: create-order done, reserve-stock done, authorize-payment done, create-shipment compensating, capture-payment idle, confirm-order idle
          reason: an operator or the clock: cancelled: the customer asked
        "#,
    );
}

#[test]
fn a_late_success_of_an_older_generation_counts_once() {
    check_input(
        &place_order(),
        r#"{"order":7}"#,
        "until create-shipment; pause; edit create-shipment {\"order\":7,\"receipts\":[]}; cancel; create-shipment failed; create-shipment/forward@1 ok; create-shipment/forward@1 ok; resume",
        r#"
          until create-shipment => create-shipment forward#1 | running, wake 2s
          pause => nothing | running, paused
          edit create-shipment {"order":7,"receipts":[]} => nothing | running, paused
          cancel => nothing | compensating, announces compensating, paused
          create-shipment failed => nothing | compensating, paused
          create-shipment/forward@1 ok => nothing | compensating, paused
          create-shipment/forward@1 ok => refused: no forward command of generation 1, attempt 1, waits for it
          resume => create-shipment compensate#1 | compensating, wake 2s
          steps: create-order done, reserve-stock done, authorize-payment done, create-shipment compensating, capture-payment idle, confirm-order idle
          reason: an operator or the clock: cancelled: the customer asked
        "#,
    );
}

#[test]
fn a_success_that_was_recorded_before_the_step_was_given_up_on_is_a_duplicate_afterwards() {
    check_input(
        &place_order(),
        r#"{"order":7}"#,
        "until create-shipment; pause; edit create-shipment {\"order\":7,\"receipts\":[]}; create-shipment/forward@1 ok; cancel; create-shipment failed; create-shipment/forward@1 ok; resume",
        r#"
          until create-shipment => create-shipment forward#1 | running, wake 2s
          pause => nothing | running, paused
          edit create-shipment {"order":7,"receipts":[]} => nothing | running, paused
          create-shipment/forward@1 ok => recorded as late | running, paused
          cancel => nothing | compensating, announces compensating, paused
          create-shipment failed => nothing | compensating, paused
          create-shipment/forward@1 ok => refused: no forward command of generation 1, attempt 1, waits for it
          resume => create-shipment compensate#1 | compensating, wake 2s
          steps: create-order done, reserve-stock done, authorize-payment done, create-shipment compensating, capture-payment idle, confirm-order idle
          reason: an operator or the clock: cancelled: the customer asked
        "#,
    );
}
