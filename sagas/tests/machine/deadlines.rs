//! The deadline of a saga turns it back before its point of no return, and never after it.

use crate::definitions::gift_order;
use crate::script::check_input;

#[test]
fn a_deadline_that_passes_before_the_pivot_turns_the_saga_back() {
    check_input(
        &gift_order(),
        r#"{"order":101}"#,
        "until print-card; wake +50s; wake +10s; print-card/compensate ok; wrap-gift ok",
        "
          until print-card => print-card forward#1 | running, wake 2s
          wake +50s => print-card forward#2 | running, wake 60s
          wake +10s => print-card compensate#1 | compensating, announces compensating, wake 62s
          print-card/compensate ok => wrap-gift compensate#1 | compensating, wake 62s
          wrap-gift ok => nothing | compensated, announces compensated
          steps: read-price compensated, tell-warehouse compensated, wrap-gift compensated, print-card compensated, capture-payment idle, send-mail idle, add-points idle
          reason: an operator or the clock: deadline-passed: the saga had to pass its point of no return before 1970-01-01T00:01:00.000Z
        ",
    );
}

#[test]
fn a_deadline_that_passes_with_the_pivot_in_flight_calls_for_attention_and_no_more() {
    check_input(
        &gift_order(),
        r#"{"order":101}"#,
        "until capture-payment; wake +50s; wake +10s; capture-payment ok",
        "
          until capture-payment => capture-payment forward#1 | running, wake 2s
          wake +50s => capture-payment forward#2 | running, wake 60s
          wake +10s => capture-payment forward#3 | running, wake 70s, overdue since 60s
          capture-payment ok => send-mail forward#1 as notice, add-points skipped | completed, announces completed
          steps: read-price done, tell-warehouse done, wrap-gift done, print-card done, capture-payment done, send-mail done, add-points skipped
          output: [4,null]
        ",
    );
}

#[test]
fn a_deadline_that_passes_in_a_pause_turns_the_saga_back_when_it_is_resumed() {
    check_input(
        &gift_order(),
        r#"{"order":101}"#,
        "until print-card; pause; wake +70s; resume 2; resume 2; print-card/forward ok; print-card ok; wrap-gift ok",
        "
          until print-card => print-card forward#1 | running, wake 2s
          pause => nothing | running, paused
          wake +70s => refused: nothing is due
          resume 2 => print-card compensate#1 | compensating, announces compensating, wake 72s
          resume 2 => refused: the order was applied before: TurnedBack
          print-card/forward ok => recorded as late | compensating, wake 72s
          print-card ok => wrap-gift compensate#1 | compensating, wake 72s
          wrap-gift ok => nothing | compensated, announces compensated
          steps: read-price compensated, tell-warehouse compensated, wrap-gift compensated, print-card compensated, capture-payment idle, send-mail idle, add-points idle
          reason: an operator or the clock: deadline-passed: the saga had to pass its point of no return before 1970-01-01T00:01:00.000Z
        ",
    );
}

#[test]
fn a_deadline_that_passes_in_a_pause_behind_the_pivot_leaves_the_saga_overdue() {
    check_input(
        &gift_order(),
        r#"{"order":101}"#,
        "until capture-payment; pause; wake +70s; resume 2; resume 2",
        "
          until capture-payment => capture-payment forward#1 | running, wake 2s
          pause => nothing | running, paused
          wake +70s => refused: nothing is due
          resume 2 => capture-payment forward#1 | running, wake 72s, overdue since 70s
          resume 2 => refused: the order was applied before: Resumed
          steps: read-price done, tell-warehouse done, wrap-gift done, print-card done, capture-payment in_flight, send-mail idle, add-points idle
        ",
    );
}

#[test]
fn a_policy_of_its_own_gives_a_step_up_earlier_than_the_others() {
    check_input(
        &gift_order(),
        r#"{"order":101}"#,
        "until wrap-gift; wake +10s; wrap-gift ok",
        "
          until wrap-gift => wrap-gift forward#1, tell-warehouse forward#1 as notice | running, wake 2s
          wake +10s => wrap-gift compensate#1 | compensating, announces compensating, wake 12s
          wrap-gift ok => nothing | compensated, announces compensated
          steps: read-price compensated, tell-warehouse compensated, wrap-gift compensated, print-card idle, capture-payment idle, send-mail idle, add-points idle
          reason: wrap-gift: attempts-exhausted: no success in 1 attempt; the participant stayed silent
        ",
    );
}
