//! When a saga is looked at again, and what is sent again then.

use crate::definitions::place_order;
use crate::script::{Stage, check};

#[test]
fn what_is_not_known_to_be_published_is_sent_again_as_the_same_attempt() {
    check(
        &place_order(),
        "start; wake +1s unpublished; wake +1s unpublished; wake +2s unpublished; \
         wake +6s unpublished",
        "
          start => create-order forward#1 | running, announces started, wake 2s
          wake +1s unpublished => refused: nothing is due before 2s
          wake +1s unpublished => create-order forward#1 | running, wake 4s
          wake +2s unpublished => create-order forward#1 | running, wake 6s
          wake +6s unpublished => create-order forward#2 | running, wake 12s
          steps: create-order in_flight, reserve-stock idle, authorize-payment idle, create-shipment idle, capture-payment idle, confirm-order idle
        ",
    );
}

#[test]
fn what_is_published_is_not_sent_again_before_the_participants_silence_is_too_long() {
    check(&place_order(), "start; wake +2s; wake +7s; wake +1s; wake +2s; wake +8s", "
            start => create-order forward#1 | running, announces started, wake 2s
            wake +2s => refused: nothing is due before 10s
            wake +7s => refused: nothing is due before 10s
            wake +1s => create-order forward#2 | running, wake 20s
            wake +2s => refused: nothing is due before 20s
            wake +8s => create-order forward#3 | running, wake 30s
            steps: create-order in_flight, reserve-stock idle, authorize-payment idle, create-shipment idle, capture-payment idle, confirm-order idle
          ");
}

#[test]
fn only_what_is_unconfirmed_for_two_seconds_is_sent_again() {
    check(
        &place_order(),
        "start; +1s; create-order ok; wake +1s unpublished; reserve-stock ok; +1s; \
         wake unpublished",
        "
          start => create-order forward#1 | running, announces started, wake 2s
          +1s => later
          create-order ok => reserve-stock forward#1, authorize-payment forward#1 | running, wake 2s
          wake +1s unpublished => refused: nothing is due before 3s
          reserve-stock ok => nothing | running, wake 3s
          +1s => later
          wake unpublished => authorize-payment forward#1 | running, wake 5s
          steps: create-order done, reserve-stock done, authorize-payment in_flight, create-shipment idle, capture-payment idle, confirm-order idle
        ",
    );
}

#[test]
fn a_last_attempt_that_the_broker_is_not_known_to_have_is_sent_once_more_before_it_is_given_up() {
    check(
        &place_order(),
        "start; wake +10s unpublished; wake +10s unpublished; wake +10s unpublished; wake +10s",
        "
          start => create-order forward#1 | running, announces started, wake 2s
          wake +10s unpublished => create-order forward#2 | running, wake 12s
          wake +10s unpublished => create-order forward#3 | running, wake 22s
          wake +10s unpublished => create-order forward#3 | running, wake 32s
          wake +10s => create-order compensate#1 | compensating, announces compensating, wake 42s
          steps: create-order compensating, reserve-stock idle, authorize-payment idle, create-shipment idle, capture-payment idle, confirm-order idle
          reason: create-order: attempts-exhausted: no success in 3 attempts; the participant stayed silent
        ",
    );
}

#[test]
fn a_fast_saga_leaves_the_wake_alone() {
    check(
        &place_order(),
        "start; +300ms; create-order ok; +300ms; reserve-stock ok; +300ms; \
         authorize-payment ok; +300ms; create-shipment ok; wake +800ms unpublished",
        "
          start => create-order forward#1 | running, announces started, wake 2s
          +300ms => later
          create-order ok => reserve-stock forward#1, authorize-payment forward#1 | running, wake 2s
          +300ms => later
          reserve-stock ok => nothing | running, wake 2s
          +300ms => later
          authorize-payment ok => create-shipment forward#1 | running, wake 2s
          +300ms => later
          create-shipment ok => capture-payment forward#1 | running, wake 2s
          wake +800ms unpublished => refused: nothing is due before 3.200s
          steps: create-order done, reserve-stock done, authorize-payment done, create-shipment done, capture-payment in_flight, confirm-order idle
        ",
    );
}

#[test]
fn a_retry_delay_brings_the_wake_forward() {
    check(&place_order(), "start; wake +2s; create-order failed; wake +1s", "
            start => create-order forward#1 | running, announces started, wake 2s
            wake +2s => refused: nothing is due before 10s
            create-order failed => nothing | running, wake 2.947s
            wake +1s => create-order forward#2 | running, wake 5s
            steps: create-order in_flight, reserve-stock idle, authorize-payment idle, create-shipment idle, capture-payment idle, confirm-order idle
          ");
}

#[test]
fn a_command_is_the_same_message_every_time() {
    let definition = place_order();
    let mut stage = Stage::new(&definition, r#"{"order":7}"#);
    stage.play("until reserve-stock");
    let first: Vec<_> = stage
        .sends
        .iter()
        .map(|send| send.payload.clone())
        .collect();
    stage.play("wake +2s unpublished");
    let again: Vec<_> = stage
        .sends
        .iter()
        .map(|send| send.payload.clone())
        .collect();
    assert_eq!((first.len(), &first), (2, &again));
    stage.play("wake +10s");
    let second_attempt: Vec<_> = stage
        .sends
        .iter()
        .map(|send| send.payload.clone())
        .collect();
    assert_eq!(first, second_attempt);
}
