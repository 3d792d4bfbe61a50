//! What may start, what ends well, and what a refusal at each step undoes.

use crate::definitions::{all_null, place_order, without_a_pivot};
use crate::script::{Stage, check, check_input};

#[test]
fn an_order_without_trouble_completes() {
    check(
        &place_order(),
        "start; create-order ok; reserve-stock ok; authorize-payment ok; create-shipment ok; \
         capture-payment ok; confirm-order ok",
        "
          start => create-order forward#1 | running, announces started, wake 2s
          create-order ok => reserve-stock forward#1, authorize-payment forward#1 | running, wake 2s
          reserve-stock ok => nothing | running, wake 2s
          authorize-payment ok => create-shipment forward#1 | running, wake 2s
          create-shipment ok => capture-payment forward#1 | running, wake 2s
          capture-payment ok => confirm-order forward#1 | running, wake 2s
          confirm-order ok => nothing | completed, announces completed
          steps: create-order done, reserve-stock done, authorize-payment done, create-shipment done, capture-payment done, confirm-order done
          output: [1,4]
        ",
    );
}

#[test]
fn a_step_waits_for_all_of_its_needs() {
    check(
        &place_order(),
        "start; create-order ok; authorize-payment ok; reserve-stock ok",
        "
          start => create-order forward#1 | running, announces started, wake 2s
          create-order ok => reserve-stock forward#1, authorize-payment forward#1 | running, wake 2s
          authorize-payment ok => nothing | running, wake 2s
          reserve-stock ok => create-shipment forward#1 | running, wake 2s
          steps: create-order done, reserve-stock done, authorize-payment done, create-shipment in_flight, capture-payment idle, confirm-order idle
        ",
    );
}

#[test]
fn without_a_pivot_the_retriable_end_runs_in_parallel() {
    check(
        &without_a_pivot(),
        "start; authorize-payment ok; reserve-stock ok; send-receipt ok; confirm-order ok",
        "
          start => reserve-stock forward#1, authorize-payment forward#1 | running, announces started, wake 2s
          authorize-payment ok => nothing | running, wake 2s
          reserve-stock ok => confirm-order forward#1, send-receipt forward#1 | running, wake 2s
          send-receipt ok => nothing | running, wake 2s
          confirm-order ok => nothing | completed, announces completed
          steps: reserve-stock done, authorize-payment done, confirm-order done, send-receipt done
        ",
    );
}

#[test]
fn null_is_an_input_a_payload_a_reply_and_an_output() {
    check_input(
        &all_null(),
        "null",
        "start; first ok null; second ok null",
        "
            start => first forward#1 | running, announces started, wake 2s
            first ok null => second forward#1 | running, wake 2s
            second ok null => nothing | completed, announces completed
            steps: first done, second done
            output: null
          ",
    );
}

#[test]
fn commands_are_built_from_the_input_and_the_replies_of_their_needs() {
    let definition = place_order();
    let mut stage = Stage::new(&definition, r#"{"order":7}"#);
    stage.play(r#"start; create-order ok {"number":10}; reserve-stock ok {"number":20}"#);
    stage.play(r#"authorize-payment ok {"number":30}"#);
    let [shipment] = stage.sends.as_slice() else {
        panic!("the shipment alone is sent: {:?}", stage.sends);
    };
    assert_eq!(shipment.payload.text(), r#"{"order":7,"receipts":[20,30]}"#);
    stage.play("create-shipment rejected no-capacity");
    let payloads: Vec<_> = stage.sends.iter().map(|send| send.payload.text()).collect();
    let void_then_release = [
        r#"{"order":7,"receipts":[]}"#,
        r#"{"order":7,"receipts":[10,20]}"#,
    ];
    assert_eq!(
        payloads, void_then_release,
        "a compensation sees its own reply and its needs'"
    );
}

#[test]
fn a_compensation_of_an_unknown_outcome_is_built_without_the_reply() {
    let definition = place_order();
    let mut stage = Stage::new(&definition, r#"{"order":7}"#);
    stage.play(r#"start; create-order ok {"number":10}; authorize-payment rejected; wake +10s"#);
    let [release] = stage.sends.as_slice() else {
        panic!("the release alone is sent: {:?}", stage.sends);
    };
    assert_eq!(release.payload.text(), r#"{"order":7,"receipts":[10]}"#);
}

#[test]
fn a_refused_reservation_undoes_the_order() {
    check(
        &place_order(),
        "until reserve-stock; authorize-payment ok; reserve-stock rejected out-of-stock; \
         authorize-payment ok; create-order ok",
        "
          until reserve-stock => reserve-stock forward#1, authorize-payment forward#1 | running, wake 2s
          authorize-payment ok => nothing | running, wake 2s
          reserve-stock rejected out-of-stock => authorize-payment compensate#1 | compensating, announces compensating, wake 2s
          authorize-payment ok => create-order compensate#1 | compensating, wake 2s
          create-order ok => nothing | compensated, announces compensated
          steps: create-order compensated, reserve-stock rejected, authorize-payment compensated, create-shipment idle, capture-payment idle, confirm-order idle
          reason: reserve-stock: out-of-stock: says the participant
        ",
    );
}

#[test]
fn a_refused_authorization_undoes_the_order() {
    check(
        &place_order(),
        "until reserve-stock; reserve-stock ok; authorize-payment rejected card-declined; \
         reserve-stock ok; create-order ok",
        "
          until reserve-stock => reserve-stock forward#1, authorize-payment forward#1 | running, wake 2s
          reserve-stock ok => nothing | running, wake 2s
          authorize-payment rejected card-declined => reserve-stock compensate#1 | compensating, announces compensating, wake 2s
          reserve-stock ok => create-order compensate#1 | compensating, wake 2s
          create-order ok => nothing | compensated, announces compensated
          steps: create-order compensated, reserve-stock compensated, authorize-payment rejected, create-shipment idle, capture-payment idle, confirm-order idle
          reason: authorize-payment: card-declined: says the participant
        ",
    );
}

#[test]
fn a_refused_shipment_undoes_both_reservations_in_parallel_and_then_the_order() {
    check(
        &place_order(),
        "until create-shipment; create-shipment rejected no-capacity; reserve-stock ok; \
         authorize-payment ok; create-order ok",
        "
          until create-shipment => create-shipment forward#1 | running, wake 2s
          create-shipment rejected no-capacity => authorize-payment compensate#1, reserve-stock compensate#1 | compensating, announces compensating, wake 2s
          reserve-stock ok => nothing | compensating, wake 2s
          authorize-payment ok => create-order compensate#1 | compensating, wake 2s
          create-order ok => nothing | compensated, announces compensated
          steps: create-order compensated, reserve-stock compensated, authorize-payment compensated, create-shipment rejected, capture-payment idle, confirm-order idle
          reason: create-shipment: no-capacity: says the participant
        ",
    );
}

#[test]
fn a_refused_pivot_undoes_everything_before_it() {
    check(
        &place_order(),
        "until capture-payment; capture-payment rejected capture-declined; create-shipment ok; \
         authorize-payment ok; reserve-stock ok; create-order ok",
        "
          until capture-payment => capture-payment forward#1 | running, wake 2s
          capture-payment rejected capture-declined => create-shipment compensate#1 | compensating, announces compensating, wake 2s
          create-shipment ok => authorize-payment compensate#1, reserve-stock compensate#1 | compensating, wake 2s
          authorize-payment ok => nothing | compensating, wake 2s
          reserve-stock ok => create-order compensate#1 | compensating, wake 2s
          create-order ok => nothing | compensated, announces compensated
          steps: create-order compensated, reserve-stock compensated, authorize-payment compensated, create-shipment compensated, capture-payment rejected, confirm-order idle
          reason: capture-payment: capture-declined: says the participant
        ",
    );
}

#[test]
fn a_saga_whose_only_sent_step_is_refused_is_compensated_at_once() {
    check(
        &without_a_pivot(),
        "start; authorize-payment rejected; reserve-stock rejected",
        "
          start => reserve-stock forward#1, authorize-payment forward#1 | running, announces started, wake 2s
          authorize-payment rejected => nothing | compensating, announces compensating, wake 2s
          reserve-stock rejected => nothing | compensated, announces compensated
          steps: reserve-stock rejected, authorize-payment rejected, confirm-order idle, send-receipt idle
          reason: authorize-payment: some-code: says the participant
        ",
    );
}

#[test]
fn a_refusal_of_another_shape_than_a_fault_is_shown_as_it_is() {
    check(
        &without_a_pivot(),
        r#"start; authorize-payment rejected {"sorry":true}; reserve-stock rejected"#,
        r#"
          start => reserve-stock forward#1, authorize-payment forward#1 | running, announces started, wake 2s
          authorize-payment rejected {"sorry":true} => nothing | compensating, announces compensating, wake 2s
          reserve-stock rejected => nothing | compensated, announces compensated
          steps: reserve-stock rejected, authorize-payment rejected, confirm-order idle, send-receipt idle
          reason: authorize-payment: rejected: {"sorry":true}
        "#,
    );
}
