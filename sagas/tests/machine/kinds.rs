//! Queries, notifications and hints: what is not undone, and what is not waited for.

use crate::definitions::gift_order;
use crate::script::check_input;

#[test]
fn a_refused_query_turns_the_saga_back_and_leaves_nothing_to_undo() {
    check_input(
        &gift_order(),
        r#"{"order":7}"#,
        "start; read-price rejected no-price",
        "
          start => read-price forward#1 | running, announces started, wake 2s
          read-price rejected no-price => nothing | compensated, announces compensated
          steps: read-price rejected, tell-warehouse idle, wrap-gift idle, print-card idle, capture-payment idle, send-mail idle, add-points idle
          reason: read-price: no-price: says the participant
        ",
    );
}

#[test]
fn a_query_that_stays_silent_is_given_up_on_without_being_undone() {
    check_input(
        &gift_order(),
        r#"{"order":7}"#,
        "start; wake +10s; wake +10s; wake +10s; read-price ok",
        "
          start => read-price forward#1 | running, announces started, wake 2s
          wake +10s => read-price forward#2 | running, wake 20s
          wake +10s => read-price forward#3 | running, wake 30s
          wake +10s => nothing | compensated, announces compensated
          read-price ok => refused: the saga is compensated and does not change any more
          steps: read-price compensated, tell-warehouse idle, wrap-gift idle, print-card idle, capture-payment idle, send-mail idle, add-points idle
          reason: read-price: attempts-exhausted: no success in 3 attempts; the participant stayed silent
        ",
    );
}

#[test]
fn a_saga_that_turns_back_does_not_wait_for_a_query() {
    check_input(
        &gift_order(),
        r#"{"order":7}"#,
        "start; cancel; read-price ok",
        "
          start => read-price forward#1 | running, announces started, wake 2s
          cancel => nothing | compensated, announces compensated
          read-price ok => refused: the saga is compensated and does not change any more
          steps: read-price compensated, tell-warehouse idle, wrap-gift idle, print-card idle, capture-payment idle, send-mail idle, add-points idle
          reason: an operator or the clock: cancelled: the customer asked
        ",
    );
}

#[test]
fn a_reply_to_a_notification_has_no_effect() {
    check_input(
        &gift_order(),
        r#"{"order":7}"#,
        "start; read-price ok; capture-payment ok; send-mail ok; tell-warehouse/forward failed",
        "
          start => read-price forward#1 | running, announces started, wake 2s
          read-price ok => capture-payment forward#1, tell-warehouse forward#1 as notice, wrap-gift skipped, print-card skipped | running, wake 2s
          capture-payment ok => send-mail forward#1 as notice, add-points skipped | completed, announces completed
          send-mail ok => refused: the saga is completed and does not change any more
          tell-warehouse/forward failed => refused: the saga is completed and does not change any more
          steps: read-price done, tell-warehouse done, wrap-gift skipped, print-card skipped, capture-payment done, send-mail done, add-points skipped
          output: [null,null]
        ",
    );
}
