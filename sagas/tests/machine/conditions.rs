//! Conditional steps: whether they run is decided once, and who needs them knows it.

use crate::definitions::{gift_order, two_conditions};
use crate::script::check_input;

#[test]
fn a_step_whose_condition_does_not_hold_is_skipped_with_those_that_are_given_it() {
    check_input(
        &gift_order(),
        r#"{"order":7}"#,
        "start; read-price ok; capture-payment ok",
        "
          start => read-price forward#1 | running, announces started, wake 2s
          read-price ok => capture-payment forward#1, tell-warehouse forward#1 as notice, wrap-gift skipped, print-card skipped | running, wake 2s
          capture-payment ok => send-mail forward#1 as notice, add-points skipped | completed, announces completed
          steps: read-price done, tell-warehouse done, wrap-gift skipped, print-card skipped, capture-payment done, send-mail done, add-points skipped
          output: [null,null]
        ",
    );
}

#[test]
fn a_step_whose_condition_holds_runs_and_its_reply_is_seen() {
    check_input(
        &gift_order(),
        r#"{"order":201}"#,
        "start; read-price ok; wrap-gift ok; print-card ok; capture-payment ok; add-points ok",
        "
          start => read-price forward#1 | running, announces started, wake 2s
          read-price ok => wrap-gift forward#1, tell-warehouse forward#1 as notice | running, wake 2s
          wrap-gift ok => print-card forward#1 | running, wake 2s
          print-card ok => capture-payment forward#1 | running, wake 2s
          capture-payment ok => add-points forward#1, send-mail forward#1 as notice | running, wake 2s
          add-points ok => nothing | completed, announces completed
          steps: read-price done, tell-warehouse done, wrap-gift done, print-card done, capture-payment done, send-mail done, add-points done
          output: [4,7]
        ",
    );
}

#[test]
fn a_skipped_step_is_never_compensated() {
    check_input(
        &gift_order(),
        r#"{"order":7}"#,
        "start; read-price ok; capture-payment rejected declined",
        "
          start => read-price forward#1 | running, announces started, wake 2s
          read-price ok => capture-payment forward#1, tell-warehouse forward#1 as notice, wrap-gift skipped, print-card skipped | running, wake 2s
          capture-payment rejected declined => nothing | compensated, announces compensated
          steps: read-price compensated, tell-warehouse compensated, wrap-gift skipped, print-card skipped, capture-payment rejected, send-mail idle, add-points idle
          reason: capture-payment: declined: says the participant
        ",
    );
}

#[test]
fn a_conditional_step_that_ran_is_compensated() {
    check_input(
        &gift_order(),
        r#"{"order":101}"#,
        "until capture-payment; capture-payment rejected declined; print-card ok; wrap-gift ok",
        "
          until capture-payment => capture-payment forward#1 | running, wake 2s
          capture-payment rejected declined => print-card compensate#1 | compensating, announces compensating, wake 2s
          print-card ok => wrap-gift compensate#1 | compensating, wake 2s
          wrap-gift ok => nothing | compensated, announces compensated
          steps: read-price compensated, tell-warehouse compensated, wrap-gift compensated, print-card compensated, capture-payment rejected, send-mail idle, add-points idle
          reason: capture-payment: declined: says the participant
        ",
    );
}

#[test]
fn a_condition_that_panics_parks_the_step_until_it_is_tried_again() {
    check_input(
        &gift_order(),
        r#"{"order":7, "broken":"condition"}"#,
        "start; read-price ok; retry wrap-gift; skip wrap-gift {\"number\":5}; print-card ok; capture-payment ok",
        r#"
          start => read-price forward#1 | running, announces started, wake 2s
          read-price ok => tell-warehouse forward#1 as notice | stuck, announces stuck, wake 2s
          retry wrap-gift => nothing | stuck, wake 2s
          skip wrap-gift {"number":5} => print-card forward#1 | running, announces running, wake 2s
          print-card ok => capture-payment forward#1 | running, wake 2s
          capture-payment ok => send-mail forward#1 as notice, add-points skipped | completed, announces completed
          steps: read-price done, tell-warehouse done, wrap-gift by_hand, print-card done, capture-payment done, send-mail done, add-points skipped
          output: [4,null]
        "#,
    );
}

#[test]
fn of_two_conditions_both_must_hold() {
    for order in ["99", "101"] {
        check_input(
            &two_conditions(),
            &format!(r#"{{"order":{order}}}"#),
            "start",
            "
              start => wrap-gift skipped | completed, announces started
              steps: wrap-gift skipped
            ",
        );
    }
    check_input(
        &two_conditions(),
        r#"{"order":100}"#,
        "start",
        "
          start => wrap-gift forward#1 | running, announces started, wake 2s
          steps: wrap-gift in_flight
        ",
    );
}
