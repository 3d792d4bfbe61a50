//! Pause and resume: nothing is sent, nothing is due, replies are taken.

use crate::definitions::place_order;
use crate::script::check_input;

#[test]
fn a_paused_saga_takes_replies_and_sends_nothing() {
    check_input(
        &place_order(),
        r#"{"order":7}"#,
        "until reserve-stock; pause 1; reserve-stock ok; authorize-payment ok; wake +60s unpublished; pause 2; resume 3; resume 4",
        "
          until reserve-stock => reserve-stock forward#1, authorize-payment forward#1 | running, wake 2s
          pause 1 => nothing | running, paused
          reserve-stock ok => nothing | running, paused
          authorize-payment ok => nothing | running, paused
          wake +60s unpublished => refused: nothing is due
          pause 2 => refused: the saga is paused already
          resume 3 => create-shipment forward#1 | running, wake 62s
          resume 4 => refused: the saga is not paused
          steps: create-order done, reserve-stock done, authorize-payment done, create-shipment in_flight, capture-payment idle, confirm-order idle
        ",
    );
}

#[test]
fn what_was_in_flight_goes_out_once_more_when_the_saga_is_resumed() {
    check_input(
        &place_order(),
        r#"{"order":7}"#,
        "until create-shipment; pause; wake +60s; resume; create-shipment ok",
        "
          until create-shipment => create-shipment forward#1 | running, wake 2s
          pause => nothing | running, paused
          wake +60s => refused: nothing is due
          resume => create-shipment forward#1 | running, wake 62s
          create-shipment ok => capture-payment forward#1 | running, wake 62s
          steps: create-order done, reserve-stock done, authorize-payment done, create-shipment done, capture-payment in_flight, confirm-order idle
        ",
    );
}

#[test]
fn a_pause_ends_with_the_saga() {
    check_input(
        &place_order(),
        r#"{"order":7}"#,
        "until confirm-order; pause; confirm-order ok; resume",
        "
          until confirm-order => confirm-order forward#1 | running, wake 2s
          pause => nothing | running, paused
          confirm-order ok => nothing | completed, announces completed
          resume => refused: the saga is completed and does not change any more
          steps: create-order done, reserve-stock done, authorize-payment done, create-shipment done, capture-payment done, confirm-order done
          output: [1,4]
        ",
    );
}

#[test]
fn a_saga_that_is_cancelled_in_a_pause_compensates_once_it_is_resumed() {
    check_input(
        &place_order(),
        r#"{"order":7}"#,
        "until reserve-stock; reserve-stock ok; pause; cancel; authorize-payment rejected; resume; reserve-stock ok; create-order ok",
        "
          until reserve-stock => reserve-stock forward#1, authorize-payment forward#1 | running, wake 2s
          reserve-stock ok => nothing | running, wake 2s
          pause => nothing | running, paused
          cancel => nothing | compensating, announces compensating, paused
          authorize-payment rejected => nothing | compensating, paused
          resume => reserve-stock compensate#1 | compensating, wake 2s
          reserve-stock ok => create-order compensate#1 | compensating, wake 2s
          create-order ok => nothing | compensated, announces compensated
          steps: create-order compensated, reserve-stock compensated, authorize-payment rejected, create-shipment idle, capture-payment idle, confirm-order idle
          reason: an operator or the clock: cancelled: the customer asked
        ",
    );
}
