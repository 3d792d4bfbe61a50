//! A stored saga that does not fit together is refused; nothing is guessed.
//!
//! That a stored saga which does fit together is the live one is checked after every transition of
//! every other test.

use sagas::machine::{Progress, Row, Saga, Unrestorable};

use crate::definitions::{firm_pivot, place_order};
use crate::script::Stage;

fn row(saga: &Saga) -> Row {
    Row {
        id: saga.id,
        started_at: saga.started_at,
        revision: saga.revision,
        wake_at: saga.wake_at,
        moving: saga.moving.clone(),
    }
}

#[test]
fn a_row_of_another_definition_is_refused() {
    let (definition, other) = (place_order(), firm_pivot());
    let mut stage = Stage::new(&definition, r#"{"order":7}"#);
    stage.play("start");
    let restored = Saga::restore(&other, row(&stage.saga), &stage.history);
    let counts = Unrestorable::StepCount {
        stored: 6,
        defined: 2,
    };
    assert_eq!(restored, Err(counts));
}

#[test]
fn a_history_without_its_start_is_refused() {
    let definition = place_order();
    let mut stage = Stage::new(&definition, r#"{"order":7}"#);
    stage.play("start; create-order ok");
    let restored = Saga::restore(&definition, row(&stage.saga), &stage.history[1..]);
    assert_eq!(restored, Err(Unrestorable::NoStart));
}

#[test]
fn a_history_without_a_command_in_flight_is_refused() {
    let definition = place_order();
    let mut stage = Stage::new(&definition, r#"{"order":7}"#);
    stage.play("start; create-order ok");
    assert!(matches!(stage.saga.moving.steps[1], Progress::Forward(_)));
    let restored = Saga::restore(&definition, row(&stage.saga), &stage.history[..1]);
    assert_eq!(
        restored,
        Err(Unrestorable::NoCommand("reserve-stock".to_owned()))
    );
}

#[test]
fn a_history_with_an_unknown_step_is_refused() {
    let definition = place_order();
    let mut stage = Stage::new(&definition, r#"{"order":7}"#);
    stage.play("start");
    stage.history[0].sent[0].step = "paint-the-house".to_owned();
    let restored = Saga::restore(&definition, row(&stage.saga), &stage.history);
    assert_eq!(
        restored,
        Err(Unrestorable::UnknownStep("paint-the-house".to_owned()))
    );
}
