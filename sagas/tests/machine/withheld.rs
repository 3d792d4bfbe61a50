//! Commands whose topics take nothing: kept back, no silence counted, sent once the topic is open.

use crate::definitions::{gift_order, place_order};
use crate::script::{check, check_input};

#[test]
fn a_command_for_a_closed_topic_is_in_flight_and_not_sent() {
    check(
        &place_order(),
        "start; close inventory; create-order ok; open; wake",
        "
          start => create-order forward#1 | running, announces started, wake 2s
          close inventory => its topic takes nothing
          create-order ok => authorize-payment forward#1 | running, wake 2s, reserve-stock withheld
          open => every topic takes everything
          wake => reserve-stock forward#1 | running, wake 2s
          steps: create-order done, reserve-stock in_flight, authorize-payment in_flight, create-shipment idle, capture-payment idle, confirm-order idle
        ",
    );
}

#[test]
fn the_silence_of_a_closed_topic_is_no_attempt_and_gives_nothing_up() {
    check(
        &place_order(),
        "start; create-order ok; close inventory; authorize-payment ok; wake +10s; wake +10s; wake +20s; wake +1s; wake +3600s; open; wake; wake +9s; wake +1s",
        "
          start => create-order forward#1 | running, announces started, wake 2s
          create-order ok => reserve-stock forward#1, authorize-payment forward#1 | running, wake 2s
          close inventory => its topic takes nothing
          authorize-payment ok => nothing | running, wake 2s
          wake +10s => nothing | running, wake 20s, reserve-stock withheld
          wake +10s => refused: nothing is due before 30s
          wake +20s => refused: nothing is due before 55s
          wake +1s => refused: nothing is due before 56.500s
          wake +3600s => refused: nothing is due before 3701s
          open => every topic takes everything
          wake => reserve-stock forward#1 | running, wake 3643s
          wake +9s => refused: nothing is due before 3651s
          wake +1s => reserve-stock forward#2 | running, wake 3661s
          steps: create-order done, reserve-stock in_flight, authorize-payment done, create-shipment idle, capture-payment idle, confirm-order idle
        ",
    );
}

#[test]
fn what_its_topic_may_not_have_taken_is_sent_once_more_and_is_no_further_attempt() {
    check(
        &place_order(),
        "start; create-order ok; close inventory; wake +9s; reopen reserve-stock; wake +2s; wake +9s; wake +1s",
        "
          start => create-order forward#1 | running, announces started, wake 2s
          create-order ok => reserve-stock forward#1, authorize-payment forward#1 | running, wake 2s
          close inventory => its topic takes nothing
          wake +9s => refused: nothing is due before 10s
          reopen reserve-stock => its topic takes everything again
          wake +2s => reserve-stock forward#1, authorize-payment forward#2 | running, wake 13s
          wake +9s => refused: nothing is due before 21s
          wake +1s => reserve-stock forward#2, authorize-payment forward#3 | running, wake 31s
          steps: create-order done, reserve-stock in_flight, authorize-payment in_flight, create-shipment idle, capture-payment idle, confirm-order idle
        ",
    );
}

#[test]
fn other_steps_go_on_while_one_is_withheld() {
    check(
        &place_order(),
        "start; close inventory; create-order ok; wake +2s unpublished; wake +8s; authorize-payment ok; open; reserve-stock ok",
        "
          start => create-order forward#1 | running, announces started, wake 2s
          close inventory => its topic takes nothing
          create-order ok => authorize-payment forward#1 | running, wake 2s, reserve-stock withheld
          wake +2s unpublished => authorize-payment forward#1 | running, wake 4s, reserve-stock withheld
          wake +8s => authorize-payment forward#2 | running, wake 20s, reserve-stock withheld
          authorize-payment ok => nothing | running, wake 20s, reserve-stock withheld
          open => every topic takes everything
          reserve-stock ok => create-shipment forward#1 | running, wake 12s
          steps: create-order done, reserve-stock done, authorize-payment done, create-shipment in_flight, capture-payment idle, confirm-order idle
        ",
    );
}

#[test]
fn a_withheld_forward_command_of_a_saga_that_turns_back_is_never_sent() {
    check(
        &place_order(),
        "start; close inventory; create-order ok; authorize-payment rejected; open; wake; reserve-stock ok; create-order ok",
        "
          start => create-order forward#1 | running, announces started, wake 2s
          close inventory => its topic takes nothing
          create-order ok => authorize-payment forward#1 | running, wake 2s, reserve-stock withheld
          authorize-payment rejected => nothing | compensating, announces compensating, wake 2s, reserve-stock withheld
          open => every topic takes everything
          wake => reserve-stock compensate#1 | compensating, wake 2s
          reserve-stock ok => create-order compensate#1 | compensating, wake 2s
          create-order ok => nothing | compensated, announces compensated
          steps: create-order compensated, reserve-stock compensated, authorize-payment rejected, create-shipment idle, capture-payment idle, confirm-order idle
          reason: authorize-payment: some-code: says the participant
        ",
    );
}

#[test]
fn a_withheld_compensation_waits_for_its_topic() {
    check(
        &place_order(),
        "until create-shipment; close payments; create-shipment rejected; reserve-stock ok; wake +3600s; open; wake; authorize-payment ok; create-order ok",
        "
          until create-shipment => create-shipment forward#1 | running, wake 2s
          close payments => its topic takes nothing
          create-shipment rejected => reserve-stock compensate#1 | compensating, announces compensating, wake 2s, authorize-payment withheld
          reserve-stock ok => nothing | compensating, wake 2s, authorize-payment withheld
          wake +3600s => refused: nothing is due before 3660s
          open => every topic takes everything
          wake => authorize-payment compensate#1 | compensating, wake 3602s
          authorize-payment ok => create-order compensate#1 | compensating, wake 3602s
          create-order ok => nothing | compensated, announces compensated
          steps: create-order compensated, reserve-stock compensated, authorize-payment compensated, create-shipment rejected, capture-payment idle, confirm-order idle
          reason: create-shipment: some-code: says the participant
        ",
    );
}

#[test]
fn a_delay_after_a_failure_ends_in_a_new_attempt_that_is_withheld() {
    check(
        &place_order(),
        "start; create-order failed; close orders; wake +2s; open; wake",
        "
          start => create-order forward#1 | running, announces started, wake 2s
          create-order failed => nothing | running, wake 0.947s
          close orders => its topic takes nothing
          wake +2s => nothing | running, wake 12s, create-order withheld
          open => every topic takes everything
          wake => create-order forward#2 | running, wake 4s
          steps: create-order in_flight, reserve-stock idle, authorize-payment idle, create-shipment idle, capture-payment idle, confirm-order idle
        ",
    );
}

#[test]
fn a_paused_saga_withholds_nothing_until_it_is_resumed() {
    check(
        &place_order(),
        "start; close inventory; create-order ok; pause; open; wake +20s; close payments; resume; open; wake",
        "
          start => create-order forward#1 | running, announces started, wake 2s
          close inventory => its topic takes nothing
          create-order ok => authorize-payment forward#1 | running, wake 2s, reserve-stock withheld
          pause => nothing | running, reserve-stock withheld, paused
          open => every topic takes everything
          wake +20s => refused: nothing is due
          close payments => its topic takes nothing
          resume => reserve-stock forward#1 | running, wake 22s, authorize-payment withheld
          open => every topic takes everything
          wake => authorize-payment forward#1 | running, wake 22s
          steps: create-order done, reserve-stock in_flight, authorize-payment in_flight, create-shipment idle, capture-payment idle, confirm-order idle
        ",
    );
}

#[test]
fn a_deadline_turns_a_saga_back_whose_command_is_withheld() {
    check_input(
        &gift_order(),
        r#"{"order":101}"#,
        "start; close shipping; read-price ok; wake +50s; wake +10s; open; wake; wrap-gift ok",
        "
          start => read-price forward#1 | running, announces started, wake 2s
          close shipping => its topic takes nothing
          read-price ok => tell-warehouse forward#1 as notice | running, wake 2s, wrap-gift withheld
          wake +50s => refused: nothing is due before 60s
          wake +10s => nothing | compensating, announces compensating, wake 70s, wrap-gift withheld
          open => every topic takes everything
          wake => wrap-gift compensate#1 | compensating, wake 62s
          wrap-gift ok => nothing | compensated, announces compensated
          steps: read-price compensated, tell-warehouse compensated, wrap-gift compensated, print-card idle, capture-payment idle, send-mail idle, add-points idle
          reason: an operator or the clock: deadline-passed: the saga had to pass its point of no return before 1970-01-01T00:01:00.000Z
        ",
    );
}

#[test]
fn the_command_of_a_notification_is_never_withheld() {
    check_input(
        &gift_order(),
        r#"{"order":101}"#,
        "until capture-payment; close mail; capture-payment ok",
        "
          until capture-payment => capture-payment forward#1 | running, wake 2s
          close mail => its topic takes nothing
          capture-payment ok => send-mail forward#1 as notice, add-points skipped | completed, announces completed
          steps: read-price done, tell-warehouse done, wrap-gift done, print-card done, capture-payment done, send-mail done, add-points skipped
          output: [4,null]
        ",
    );
}
