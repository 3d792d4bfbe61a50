//! What waits for a person, and what goes on beside it.

use crate::definitions::{place_order, without_a_pivot};
use crate::script::{check, check_input};

#[test]
fn a_reply_that_cannot_be_read_parks_the_step_and_its_sibling_goes_on() {
    check(
        &place_order(),
        r#"until reserve-stock; reserve-stock ok "gibberish"; reserve-stock ok "gibberish"; wake +10s;
           authorize-payment ok"#,
        r#"
          until reserve-stock => reserve-stock forward#1, authorize-payment forward#1 | running, wake 2s
          reserve-stock ok "gibberish" => nothing | stuck, announces stuck, wake 2s
          reserve-stock ok "gibberish" => refused: no forward command of generation 1, attempt 1, waits for it
          wake +10s => authorize-payment forward#2 | stuck, wake 20s
          authorize-payment ok => nothing | stuck
          steps: create-order done, reserve-stock parked, authorize-payment done, create-shipment idle, capture-payment idle, confirm-order idle
          waits for a person: reserve-stock: it succeeded with a reply that cannot be read: invalid type: string "gibberish", expected struct Wire at line 1 column 11
        "#,
    );
}

#[test]
fn a_reply_whose_type_panics_is_a_reply_that_cannot_be_read() {
    check(
        &place_order(),
        r#"until reserve-stock; reserve-stock ok {"number":13}; authorize-payment ok"#,
        r#"
          until reserve-stock => reserve-stock forward#1, authorize-payment forward#1 | running, wake 2s
          reserve-stock ok {"number":13} => nothing | stuck, announces stuck, wake 2s
          authorize-payment ok => nothing | stuck
          steps: create-order done, reserve-stock parked, authorize-payment done, create-shipment idle, capture-payment idle, confirm-order idle
          waits for a person: reserve-stock: it succeeded with a reply that cannot be read: its type panicked: nobody tried the number 13
        "#,
    );
}

#[test]
fn a_reply_that_cannot_be_read_counts_as_an_effect_when_the_saga_turns_back() {
    check(
        &place_order(),
        r#"until reserve-stock; reserve-stock ok "gibberish"; authorize-payment rejected;
           reserve-stock ok; create-order ok"#,
        r#"
          until reserve-stock => reserve-stock forward#1, authorize-payment forward#1 | running, wake 2s
          reserve-stock ok "gibberish" => nothing | stuck, announces stuck, wake 2s
          authorize-payment rejected => reserve-stock compensate#1 | compensating, announces compensating, wake 2s
          reserve-stock ok => create-order compensate#1 | compensating, wake 2s
          create-order ok => nothing | compensated, announces compensated
          steps: create-order compensated, reserve-stock compensated, authorize-payment rejected, create-shipment idle, capture-payment idle, confirm-order idle
          reason: authorize-payment: some-code: says the participant
        "#,
    );
}

#[test]
fn a_pivots_reply_that_cannot_be_read_does_not_turn_the_saga_back() {
    check(
        &place_order(),
        r#"until capture-payment; cancel; capture-payment ok "gibberish"; cancel 2"#,
        r#"
          until capture-payment => capture-payment forward#1 | running, wake 2s
          cancel => capture-payment fence#1 | running, wake 2s
          capture-payment ok "gibberish" => nothing | stuck, announces stuck
          cancel 2 => refused: the saga has passed its point of no return and can only be completed
          steps: create-order done, reserve-stock done, authorize-payment done, create-shipment done, capture-payment parked, confirm-order idle
          waits for a person: capture-payment: it succeeded with a reply that cannot be read: invalid type: string "gibberish", expected struct Wire at line 1 column 11
        "#,
    );
}

#[test]
fn a_command_that_cannot_be_built_parks_the_step_and_its_sibling_goes_on() {
    check_input(
        &place_order(),
        r#"{"order":7,"broken":"authorize-payment"}"#,
        "start; create-order ok; reserve-stock ok; cancel; reserve-stock ok; create-order ok",
        "
          start => create-order forward#1 | running, announces started, wake 2s
          create-order ok => reserve-stock forward#1 | stuck, announces stuck, wake 2s
          reserve-stock ok => nothing | stuck
          cancel => reserve-stock compensate#1 | compensating, announces compensating, wake 2s
          reserve-stock ok => create-order compensate#1 | compensating, wake 2s
          create-order ok => nothing | compensated, announces compensated
          steps: create-order compensated, reserve-stock compensated, authorize-payment idle, create-shipment idle, capture-payment idle, confirm-order idle
          reason: an operator or the clock: cancelled: the customer asked
        ",
    );
}

#[test]
fn a_command_that_cannot_be_built_does_not_keep_a_refusal_from_turning_back() {
    check_input(
        &place_order(),
        r#"{"order":7,"broken":"authorize-payment"}"#,
        "until reserve-stock; reserve-stock rejected; create-order ok",
        "
          until reserve-stock => reserve-stock forward#1 | stuck, announces stuck, wake 2s
          reserve-stock rejected => create-order compensate#1 | compensating, announces compensating, wake 2s
          create-order ok => nothing | compensated, announces compensated
          steps: create-order compensated, reserve-stock rejected, authorize-payment idle, create-shipment idle, capture-payment idle, confirm-order idle
          reason: reserve-stock: some-code: says the participant
        ",
    );
}

#[test]
fn a_first_command_that_cannot_be_built_parks_the_new_saga() {
    check_input(
        &place_order(),
        r#"{"order":7,"broken":"create-order"}"#,
        "start; cancel",
        "
          start => nothing | stuck, announces started
          cancel => nothing | compensated, announces compensated
          steps: create-order idle, reserve-stock idle, authorize-payment idle, create-shipment idle, capture-payment idle, confirm-order idle
          reason: an operator or the clock: cancelled: the customer asked
        ",
    );
}

#[test]
fn an_input_that_cannot_be_read_parks_the_new_saga() {
    check_input(
        &place_order(),
        r#"{"order":"seven"}"#,
        "start",
        r#"
            start => nothing | stuck, announces started
            steps: create-order parked, reserve-stock idle, authorize-payment idle, create-shipment idle, capture-payment idle, confirm-order idle
            waits for a person: create-order: its command could not be built: the input does not have the shape that the definition expects: invalid type: string "seven", expected u32 at line 1 column 16
          "#,
    );
}

#[test]
fn a_compensation_that_cannot_be_built_waits_and_the_independent_ones_go_on() {
    check_input(
        &place_order(),
        r#"{"order":7,"broken":"undo reserve-stock"}"#,
        "until create-shipment; create-shipment rejected; authorize-payment ok; wake +60s",
        r#"
          until create-shipment => create-shipment forward#1 | running, wake 2s
          create-shipment rejected => authorize-payment compensate#1 | stuck, announces stuck, wake 2s
          authorize-payment ok => nothing | stuck
          wake +60s => refused: nothing is due
          steps: create-order done, reserve-stock parked, authorize-payment compensated, create-shipment rejected, capture-payment idle, confirm-order idle
          reason: create-shipment: some-code: says the participant
          waits for a person: reserve-stock: its command could not be built: the definition's closure panicked: the closure "undo reserve-stock" is broken
        "#,
    );
}

#[test]
fn an_output_that_cannot_be_built_leaves_the_saga_completed_without_one() {
    check_input(
        &place_order(),
        r#"{"order":7,"broken":"output"}"#,
        "until confirm-order; confirm-order ok",
        "
          until confirm-order => confirm-order forward#1 | running, wake 2s
          confirm-order ok => nothing | completed, announces completed
          steps: create-order done, reserve-stock done, authorize-payment done, create-shipment done, capture-payment done, confirm-order done
        ",
    );
}

#[test]
fn a_refused_compensation_waits_and_the_independent_ones_go_on() {
    check(
        &place_order(),
        "until create-shipment; create-shipment rejected; \
         reserve-stock rejected already-picked; authorize-payment failed; wake +1s; \
         authorize-payment ok; reserve-stock/compensate ok; wake +60s",
        "
          until create-shipment => create-shipment forward#1 | running, wake 2s
          create-shipment rejected => authorize-payment compensate#1, reserve-stock compensate#1 | compensating, announces compensating, wake 2s
          reserve-stock rejected already-picked => nothing | stuck, announces stuck, wake 2s
          authorize-payment failed => nothing | stuck, wake 0.886s
          wake +1s => authorize-payment compensate#2 | stuck, wake 3s
          authorize-payment ok => nothing | stuck
          reserve-stock/compensate ok => refused: no compensate command of generation 1, attempt 1, waits for it
          wake +60s => refused: nothing is due
          steps: create-order done, reserve-stock parked, authorize-payment compensated, create-shipment rejected, capture-payment idle, confirm-order idle
          reason: create-shipment: some-code: says the participant
          waits for a person: reserve-stock: its compensation was rejected: already-picked: says the participant
        ",
    );
}

#[test]
fn a_refusal_against_the_commands_promise_waits() {
    check(&place_order(), "start; create-order rejected; wake +10s; create-order ok", "
            start => create-order forward#1 | running, announces started, wake 2s
            create-order rejected => nothing | stuck, announces stuck
            wake +10s => refused: nothing is due
            create-order ok => refused: no forward command of generation 1, attempt 1, waits for it
            steps: create-order parked, reserve-stock idle, authorize-payment idle, create-shipment idle, capture-payment idle, confirm-order idle
            waits for a person: create-order: it cannot be rejected, but was: some-code: says the participant
          ");
    check(&place_order(), "until confirm-order; confirm-order rejected; cancel", "
            until confirm-order => confirm-order forward#1 | running, wake 2s
            confirm-order rejected => nothing | stuck, announces stuck
            cancel => refused: the saga has passed its point of no return and can only be completed
            steps: create-order done, reserve-stock done, authorize-payment done, create-shipment done, capture-payment done, confirm-order parked
            waits for a person: confirm-order: it cannot be rejected, but was: some-code: says the participant
          ");
}

#[test]
fn a_participant_that_no_longer_knows_leaves_the_step_to_a_person() {
    check(
        &place_order(),
        "until reserve-stock; reserve-stock expired; authorize-payment rejected; reserve-stock ok",
        "
          until reserve-stock => reserve-stock forward#1, authorize-payment forward#1 | running, wake 2s
          reserve-stock expired => nothing | stuck, announces stuck, wake 2s
          authorize-payment rejected => nothing | stuck
          reserve-stock ok => refused: no forward command of generation 1, attempt 1, waits for it
          steps: create-order done, reserve-stock parked, authorize-payment rejected, create-shipment idle, capture-payment idle, confirm-order idle
          reason: authorize-payment: some-code: says the participant
          waits for a person: reserve-stock: the participant no longer knows whether the forward command took effect
        ",
    );
    check(
        &place_order(),
        "until reserve-stock; reserve-stock rejected; authorize-payment rejected; \
         create-order expired",
        "
          until reserve-stock => reserve-stock forward#1, authorize-payment forward#1 | running, wake 2s
          reserve-stock rejected => nothing | compensating, announces compensating, wake 2s
          authorize-payment rejected => create-order compensate#1 | compensating, wake 2s
          create-order expired => nothing | stuck, announces stuck
          steps: create-order parked, reserve-stock rejected, authorize-payment rejected, create-shipment idle, capture-payment idle, confirm-order idle
          reason: reserve-stock: some-code: says the participant
          waits for a person: create-order: the participant no longer knows whether the compensate command took effect
        ",
    );
}

#[test]
fn a_step_that_was_undone_behind_the_sagas_back_turns_it_back() {
    check(
        &place_order(),
        "until create-shipment; create-shipment already-compensated; reserve-stock ok; \
         authorize-payment ok; create-order ok",
        "
          until create-shipment => create-shipment forward#1 | running, wake 2s
          create-shipment already-compensated => authorize-payment compensate#1, reserve-stock compensate#1 | compensating, announces compensating, wake 2s
          reserve-stock ok => nothing | compensating, wake 2s
          authorize-payment ok => create-order compensate#1 | compensating, wake 2s
          create-order ok => nothing | compensated, announces compensated
          steps: create-order compensated, reserve-stock compensated, authorize-payment compensated, create-shipment compensated, capture-payment idle, confirm-order idle
          reason: create-shipment: already-compensated: the participant had compensated or fenced it before
        ",
    );
}

#[test]
fn a_step_after_the_point_of_no_return_that_was_undone_waits() {
    check(&place_order(), "until confirm-order; confirm-order already-compensated; cancel", "
            until confirm-order => confirm-order forward#1 | running, wake 2s
            confirm-order already-compensated => nothing | stuck, announces stuck
            cancel => refused: the saga has passed its point of no return and can only be completed
            steps: create-order done, reserve-stock done, authorize-payment done, create-shipment done, capture-payment done, confirm-order parked
            waits for a person: confirm-order: the participant says that it was compensated, after the point of no return
          ");
    check(
        &without_a_pivot(),
        "until confirm-order; confirm-order already-compensated; send-receipt ok; cancel",
        "
          until confirm-order => confirm-order forward#1, send-receipt forward#1 | running, wake 2s
          confirm-order already-compensated => nothing | stuck, announces stuck, wake 2s
          send-receipt ok => nothing | stuck
          cancel => refused: the saga has passed its point of no return and can only be completed
          steps: reserve-stock done, authorize-payment done, confirm-order parked, send-receipt done
          waits for a person: confirm-order: the participant says that it was compensated, after the point of no return
        ",
    );
}
