//! Skip and resolve: a person vouches for a step, after its participant has let go of it.

use crate::definitions::place_order;
use crate::script::check_input;

#[test]
fn a_skip_applies_once_the_command_is_fenced() {
    check_input(
        &place_order(),
        r#"{"order":7}"#,
        "until reserve-stock; skip reserve-stock {\"number\":40}; skip reserve-stock {\"number\":41}; reserve-stock fenced; reserve-stock/forward ok; authorize-payment ok; create-shipment ok; capture-payment ok; confirm-order ok",
        r#"
          until reserve-stock => reserve-stock forward#1, authorize-payment forward#1 | running, wake 2s
          skip reserve-stock {"number":40} => reserve-stock fence#1 | running, wake 2s
          skip reserve-stock {"number":41} => refused: a fence waits for the participant; its answer decides
          reserve-stock fenced => nothing | running, wake 2s
          reserve-stock/forward ok => recorded as late | running, wake 2s
          authorize-payment ok => create-shipment forward#1 | running, wake 2s
          create-shipment ok => capture-payment forward#1 | running, wake 2s
          capture-payment ok => confirm-order forward#1 | running, wake 2s
          confirm-order ok => nothing | completed, announces completed
          steps: create-order done, reserve-stock by_hand, authorize-payment done, create-shipment done, capture-payment done, confirm-order done
          output: [1,4]
        "#,
    );
}

#[test]
fn a_step_that_took_effect_before_its_fence_is_not_skipped() {
    check_input(
        &place_order(),
        r#"{"order":7}"#,
        "until reserve-stock; skip reserve-stock {\"number\":40}; reserve-stock/forward rejected; reserve-stock ok",
        r#"
          until reserve-stock => reserve-stock forward#1, authorize-payment forward#1 | running, wake 2s
          skip reserve-stock {"number":40} => reserve-stock fence#1 | running, wake 2s
          reserve-stock/forward rejected => recorded as late | running, wake 2s
          reserve-stock ok => nothing | running, wake 2s
          steps: create-order done, reserve-stock done, authorize-payment in_flight, create-shipment idle, capture-payment idle, confirm-order idle
        "#,
    );
}

#[test]
fn a_step_is_not_skipped_before_its_turn() {
    check_input(
        &place_order(),
        r#"{"order":7}"#,
        "start; skip capture-payment {\"number\":9}; cancel; create-order ok; create-order ok",
        r#"
          start => create-order forward#1 | running, announces started, wake 2s
          skip capture-payment {"number":9} => refused: the turn of this step has not come: skip it once all steps before it are done
          cancel => nothing | compensating, announces compensating, wake 2s
          create-order ok => create-order compensate#1 | compensating, wake 2s
          create-order ok => nothing | compensated, announces compensated
          steps: create-order compensated, reserve-stock idle, authorize-payment idle, create-shipment idle, capture-payment idle, confirm-order idle
          reason: an operator or the clock: cancelled: the customer asked
        "#,
    );
}

#[test]
fn a_step_whose_turn_comes_in_a_pause_is_skipped_at_once() {
    check_input(
        &place_order(),
        r#"{"order":7}"#,
        "until reserve-stock; pause; reserve-stock ok; skip create-shipment {\"number\":9}; authorize-payment ok; skip create-shipment {\"number\":9}; resume 3",
        r#"
          until reserve-stock => reserve-stock forward#1, authorize-payment forward#1 | running, wake 2s
          pause => nothing | running, paused
          reserve-stock ok => nothing | running, paused
          skip create-shipment {"number":9} => refused: the turn of this step has not come: skip it once all steps before it are done
          authorize-payment ok => nothing | running, paused
          skip create-shipment {"number":9} => nothing | running, paused
          resume 3 => capture-payment forward#1 | running, wake 2s
          steps: create-order done, reserve-stock done, authorize-payment done, create-shipment by_hand, capture-payment in_flight, confirm-order idle
        "#,
    );
}

#[test]
fn a_skip_needs_a_reply_where_a_later_step_reads_it() {
    check_input(
        &place_order(),
        r#"{"order":7}"#,
        "until reserve-stock; skip reserve-stock; skip reserve-stock {\"number\":\"nine\"}",
        r#"
          until reserve-stock => reserve-stock forward#1, authorize-payment forward#1 | running, wake 2s
          skip reserve-stock => refused: a later step or the output reads this step's reply: give one
          skip reserve-stock {"number":"nine"} => refused: it does not have the shape of its type: invalid type: string "nine", expected u32 at line 1 column 16
          steps: create-order done, reserve-stock in_flight, authorize-payment in_flight, create-shipment idle, capture-payment idle, confirm-order idle
        "#,
    );
}

#[test]
fn a_skipped_step_is_undone_by_hand() {
    check_input(
        &place_order(),
        r#"{"order":7}"#,
        "until reserve-stock; skip reserve-stock {\"number\":40}; reserve-stock fenced; authorize-payment rejected; cancel; resolve create-order; resolve reserve-stock; create-order ok",
        r#"
          until reserve-stock => reserve-stock forward#1, authorize-payment forward#1 | running, wake 2s
          skip reserve-stock {"number":40} => reserve-stock fence#1 | running, wake 2s
          reserve-stock fenced => nothing | running, wake 2s
          authorize-payment rejected => nothing | stuck, announces stuck
          cancel => refused: the saga is being compensated already
          resolve create-order => refused: this step is not being compensated, or not yet
          resolve reserve-stock => create-order compensate#1 | compensating, announces compensating, wake 2s
          create-order ok => nothing | compensated, announces compensated
          steps: create-order compensated, reserve-stock compensated, authorize-payment rejected, create-shipment idle, capture-payment idle, confirm-order idle
          reason: authorize-payment: some-code: says the participant
        "#,
    );
}

#[test]
fn a_refused_compensation_is_resolved_after_a_fence() {
    check_input(
        &place_order(),
        r#"{"order":7}"#,
        "until reserve-stock; authorize-payment rejected; reserve-stock ok; reserve-stock rejected; skip reserve-stock {\"number\":1}; resolve reserve-stock; resolve reserve-stock; reserve-stock failed; wake +1s; reserve-stock fenced; create-order ok",
        r#"
          until reserve-stock => reserve-stock forward#1, authorize-payment forward#1 | running, wake 2s
          authorize-payment rejected => nothing | compensating, announces compensating, wake 2s
          reserve-stock ok => reserve-stock compensate#1 | compensating, wake 2s
          reserve-stock rejected => nothing | stuck, announces stuck
          skip reserve-stock {"number":1} => refused: the saga is being compensated; resolve what cannot be compensated
          resolve reserve-stock => reserve-stock fence#1 | compensating, announces compensating, wake 2s
          resolve reserve-stock => refused: a fence waits for the participant; its answer decides
          reserve-stock failed => nothing | compensating, wake 0.877s
          wake +1s => reserve-stock fence#2 | compensating, wake 3s
          reserve-stock fenced => create-order compensate#1 | compensating, wake 3s
          create-order ok => nothing | compensated, announces compensated
          steps: create-order compensated, reserve-stock compensated, authorize-payment rejected, create-shipment idle, capture-payment idle, confirm-order idle
          reason: authorize-payment: some-code: says the participant
        "#,
    );
}

#[test]
fn a_compensation_that_took_effect_after_all_settles_its_fence() {
    check_input(
        &place_order(),
        r#"{"order":7}"#,
        "until reserve-stock; authorize-payment rejected; reserve-stock ok; reserve-stock failed; resolve reserve-stock; reserve-stock/compensate rejected; reserve-stock/compensate ok; reserve-stock/fence ok; create-order ok",
        "
          until reserve-stock => reserve-stock forward#1, authorize-payment forward#1 | running, wake 2s
          authorize-payment rejected => nothing | compensating, announces compensating, wake 2s
          reserve-stock ok => reserve-stock compensate#1 | compensating, wake 2s
          reserve-stock failed => nothing | compensating, wake 0.877s
          resolve reserve-stock => reserve-stock fence#1 | compensating, wake 0.877s
          reserve-stock/compensate rejected => refused: no compensate command of generation 1, attempt 1, waits for it
          reserve-stock/compensate ok => create-order compensate#1 | compensating, wake 0.877s
          reserve-stock/fence ok => refused: no fence command of generation 1, attempt 1, waits for it
          create-order ok => nothing | compensated, announces compensated
          steps: create-order compensated, reserve-stock compensated, authorize-payment rejected, create-shipment idle, capture-payment idle, confirm-order idle
          reason: authorize-payment: some-code: says the participant
        ",
    );
}

#[test]
fn a_reply_that_cannot_be_read_is_replaced_by_hand() {
    check_input(
        &place_order(),
        r#"{"order":7}"#,
        "until reserve-stock; reserve-stock ok {\"nummer\":1}; skip reserve-stock {\"number\":40}; reserve-stock ok {\"nummer\":1}; authorize-payment ok; create-shipment rejected; reserve-stock ok",
        r#"
          until reserve-stock => reserve-stock forward#1, authorize-payment forward#1 | running, wake 2s
          reserve-stock ok {"nummer":1} => nothing | stuck, announces stuck, wake 2s
          skip reserve-stock {"number":40} => reserve-stock fence#1 | running, announces running, wake 2s
          reserve-stock ok {"nummer":1} => nothing | running, wake 2s
          authorize-payment ok => create-shipment forward#1 | running, wake 2s
          create-shipment rejected => authorize-payment compensate#1, reserve-stock compensate#1 | compensating, announces compensating, wake 2s
          reserve-stock ok => nothing | compensating, wake 2s
          steps: create-order done, reserve-stock compensated, authorize-payment compensating, create-shipment rejected, capture-payment idle, confirm-order idle
          reason: create-shipment: some-code: says the participant
        "#,
    );
}

#[test]
fn a_resolve_makes_no_sense_while_the_saga_goes_forward() {
    check_input(
        &place_order(),
        r#"{"order":7}"#,
        "until reserve-stock; resolve create-order; resolve reserve-stock",
        "
          until reserve-stock => reserve-stock forward#1, authorize-payment forward#1 | running, wake 2s
          resolve create-order => refused: the saga goes forward, so nothing is being compensated; skip the step, or cancel the saga
          resolve reserve-stock => refused: the saga goes forward, so nothing is being compensated; skip the step, or cancel the saga
          steps: create-order done, reserve-stock in_flight, authorize-payment in_flight, create-shipment idle, capture-payment idle, confirm-order idle
        ",
    );
}

#[test]
fn an_expired_step_is_skipped_on_a_persons_word() {
    check_input(
        &place_order(),
        r#"{"order":7}"#,
        "until create-shipment; create-shipment expired; retry create-shipment; skip create-shipment {\"number\":1}; create-shipment expired; capture-payment ok; confirm-order ok",
        r#"
          until create-shipment => create-shipment forward#1 | running, wake 2s
          create-shipment expired => nothing | stuck, announces stuck
          retry create-shipment => refused: the participant would answer the same again; skip or resolve the step
          skip create-shipment {"number":1} => create-shipment fence#1 | running, announces running, wake 2s
          create-shipment expired => capture-payment forward#1 | running, wake 2s
          capture-payment ok => confirm-order forward#1 | running, wake 2s
          confirm-order ok => nothing | completed, announces completed
          steps: create-order done, reserve-stock done, authorize-payment done, create-shipment by_hand, capture-payment done, confirm-order done
          output: [1,1]
        "#,
    );
}
