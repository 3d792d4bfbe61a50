//! The user's kit, from a user's side: which definitions it passes, which it refuses, and what it
//! says then.
//!
//! Every broken definition is a seeded bug of one closure. Broken participants and a broken state
//! machine are in `src/testkit/tests.rs`.

mod closures;
mod conditions;
mod deadline;
mod hotel;
mod samples;

use sagas::Definition;
use sagas::testkit::{Failure, Kit};

/// The failure of a definition that must not pass.
#[track_caller]
fn failure(definition: &Definition) -> Failure {
    let passed = Kit::new(definition, hotel::TRIP).run();
    passed.expect_err("the kit notices the seeded bug")
}

#[track_caller]
fn is_noticed_as(definition: &Definition, expected: &[&str]) {
    let text = failure(definition).to_string();
    for part in expected {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}
