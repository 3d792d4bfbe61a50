//! Retry now, and edit and retry.

use crate::definitions::place_order;
use crate::script::check_input;

#[test]
fn a_retry_now_does_not_wait_for_the_delay() {
    check_input(
        &place_order(),
        r#"{"order":7}"#,
        "until create-shipment; create-shipment failed; retry create-shipment; retry; create-shipment ok; retry create-shipment",
        "
          until create-shipment => create-shipment forward#1 | running, wake 2s
          create-shipment failed => nothing | running, wake 0.877s
          retry create-shipment => create-shipment forward#2 | running, wake 0.877s
          retry => create-shipment forward#3 | running, wake 0.877s
          create-shipment ok => capture-payment forward#1 | running, wake 0.877s
          retry create-shipment => refused: nothing of this step waits for another attempt
          steps: create-order done, reserve-stock done, authorize-payment done, create-shipment done, capture-payment in_flight, confirm-order idle
        ",
    );
}

#[test]
fn a_retry_now_of_a_refused_compensation_is_its_next_generation() {
    check_input(
        &place_order(),
        r#"{"order":7}"#,
        "until reserve-stock; authorize-payment rejected; reserve-stock ok; reserve-stock rejected; retry reserve-stock; reserve-stock ok; create-order ok",
        "
          until reserve-stock => reserve-stock forward#1, authorize-payment forward#1 | running, wake 2s
          authorize-payment rejected => nothing | compensating, announces compensating, wake 2s
          reserve-stock ok => reserve-stock compensate#1 | compensating, wake 2s
          reserve-stock rejected => nothing | stuck, announces stuck
          retry reserve-stock => reserve-stock compensate#1@2 | compensating, announces compensating, wake 2s
          reserve-stock ok => create-order compensate#1 | compensating, wake 2s
          create-order ok => nothing | compensated, announces compensated
          steps: create-order compensated, reserve-stock compensated, authorize-payment rejected, create-shipment idle, capture-payment idle, confirm-order idle
          reason: authorize-payment: some-code: says the participant
        ",
    );
}

#[test]
fn an_edited_command_supersedes_the_one_in_flight() {
    check_input(
        &place_order(),
        r#"{"order":7}"#,
        "until create-shipment; edit create-shipment {\"order\":7,\"receipts\":[1]}; create-shipment/forward@1 rejected; create-shipment/forward@1 rejected; create-shipment ok; capture-payment ok; confirm-order ok",
        r#"
          until create-shipment => create-shipment forward#1 | running, wake 2s
          edit create-shipment {"order":7,"receipts":[1]} => create-shipment forward#1@2 | running, wake 2s
          create-shipment/forward@1 rejected => recorded as late | running, wake 2s
          create-shipment/forward@1 rejected => refused: no forward command of generation 1, attempt 1, waits for it
          create-shipment ok => capture-payment forward#1 | running, wake 2s
          capture-payment ok => confirm-order forward#1 | running, wake 2s
          confirm-order ok => nothing | completed, announces completed
          steps: create-order done, reserve-stock done, authorize-payment done, create-shipment done, capture-payment done, confirm-order done
          output: [1,4]
        "#,
    );
}

#[test]
fn an_edit_of_another_shape_is_refused() {
    check_input(
        &place_order(),
        r#"{"order":7}"#,
        "until create-shipment; edit create-shipment {\"order\":\"seven\"}; edit capture-payment {\"order\":7,\"receipts\":[]}; edit paint-the-house {}",
        r#"
          until create-shipment => create-shipment forward#1 | running, wake 2s
          edit create-shipment {"order":"seven"} => refused: it does not have the shape of its type: invalid type: string "seven", expected u32 at line 1 column 16
          edit capture-payment {"order":7,"receipts":[]} => refused: no command of this step is in flight or parked
          edit paint-the-house {} => refused: the definition has no step "paint-the-house"
          steps: create-order done, reserve-stock done, authorize-payment done, create-shipment in_flight, capture-payment idle, confirm-order idle
        "#,
    );
}

#[test]
fn a_command_that_could_not_be_built_is_given_by_hand() {
    check_input(
        &place_order(),
        r#"{"order":7, "broken":"create-shipment"}"#,
        "until create-shipment; edit create-shipment {\"order\":7,\"receipts\":[]}; create-shipment ok",
        r#"
          until create-shipment => nothing | stuck, announces stuck
          edit create-shipment {"order":7,"receipts":[]} => create-shipment forward#1 | running, announces running, wake 2s
          create-shipment ok => capture-payment forward#1 | running, wake 2s
          steps: create-order done, reserve-stock done, authorize-payment done, create-shipment done, capture-payment in_flight, confirm-order idle
        "#,
    );
}

#[test]
fn an_edited_compensation_is_its_next_generation() {
    check_input(
        &place_order(),
        r#"{"order":7}"#,
        "until reserve-stock; authorize-payment rejected; reserve-stock ok; reserve-stock rejected; edit reserve-stock {\"order\":7,\"receipts\":[]}; reserve-stock ok; create-order ok",
        r#"
          until reserve-stock => reserve-stock forward#1, authorize-payment forward#1 | running, wake 2s
          authorize-payment rejected => nothing | compensating, announces compensating, wake 2s
          reserve-stock ok => reserve-stock compensate#1 | compensating, wake 2s
          reserve-stock rejected => nothing | stuck, announces stuck
          edit reserve-stock {"order":7,"receipts":[]} => reserve-stock compensate#1@2 | compensating, announces compensating, wake 2s
          reserve-stock ok => create-order compensate#1 | compensating, wake 2s
          create-order ok => nothing | compensated, announces compensated
          steps: create-order compensated, reserve-stock compensated, authorize-payment rejected, create-shipment idle, capture-payment idle, confirm-order idle
          reason: authorize-payment: some-code: says the participant
        "#,
    );
}
