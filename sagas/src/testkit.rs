//! Tests any definition from one sample input, in a user's own crate and in one line.
//!
//! ```text
//! Kit ──► Subject   the definition, the input, one reply for each step (`sample`)
//!          │
//!          ├─ cases             one file a question: refusals, repeats, silences, crashes, deadlines, orders, …
//!          └─ interleavings     every order of deliveries, breadth first, up to a bound
//!               │
//!               ▼
//!          Run: the real `transition`, participants that follow the real `barrier::decide`,
//!               a virtual clock; after every event `invariants`, `closures`, `promises`
//! ```
//!
//! Invariant: whatever a run meets is a script of events that can really happen, and a failure
//! prints it. Nothing here reads a clock or rolls a die, so a failure comes back in every run, and
//! a deadline of three days passes in microseconds.
//!
//! Not here: what a participant's handlers do with their database, and whether replies decode that
//! a participant really sends; both are tests of the participant.

mod cases;
mod closures;
mod failure;
mod intent;
mod interleavings;
pub mod invariants;
mod participants;
mod person;
pub mod probe;
mod promises;
mod report;
mod run;
mod sample;
mod script;
mod subject;

use std::collections::BTreeMap;

use serde::Serialize;

pub use failure::Failure;
pub use intent::Intent;
pub use report::Report;

use crate::definition::Definition;
use crate::json::Json;
use subject::{Rules, Subject};

/// States that the search for interleavings looks at, unless told otherwise: about four seconds in
/// a debug build for a saga of six steps, of which a test suite can bear one or two.
const STATES_MAX: usize = 3_000;

/// Tests one definition with one sample input.
///
/// ```
/// # use schemars::JsonSchema;
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Serialize, Deserialize, JsonSchema)] struct BookRoom { guest: u32 }
/// # impl sagas::Command for BookRoom {
/// #     const PARTICIPANT: &'static str = "rooms";
/// #     const NAME: &'static str = "book-room";
/// #     const REJECTABLE: bool = true;
/// #     type Reply = u32;
/// # }
/// # let mut saga = sagas::Definition::of::<u32>("book-room");
/// # saga.step("book-room").send(|guest, ()| BookRoom { guest: *guest }).pivot();
/// # let book_room = saga.build().expect("one pivot is a definition");
/// use sagas::testkit::Kit;
///
/// Kit::new(&book_room, 7).reply("book-room", 12).check();
/// ```
#[derive(Debug)]
pub struct Kit<'a> {
    definition: &'a Definition,
    input: Json,
    replies: BTreeMap<String, Json>,
    states_max: usize,
    rules: Rules,
}

impl<'a> Kit<'a> {
    /// A kit for `definition`, with a sample input: the input type itself, or `json!({…})`.
    ///
    /// Where conditions depend on the input, use one kit for each way that the saga can go.
    ///
    /// # Panics
    ///
    /// When the input has no JSON form.
    #[must_use]
    pub fn new(definition: &'a Definition, input: impl Serialize) -> Self {
        Self {
            definition,
            input: Json::of(&input).expect("a sample input has a JSON form"),
            replies: BTreeMap::new(),
            states_max: STATES_MAX,
            rules: Rules::REAL,
        }
    }

    /// Gives the reply of a step. Needed only where none can be made from the reply's JSON Schema,
    /// or where a later step depends on what it says.
    ///
    /// # Panics
    ///
    /// When the reply has no JSON form.
    #[must_use]
    pub fn reply(mut self, step: &str, reply: impl Serialize) -> Self {
        let reply = Json::of(&reply).expect("a sample reply has a JSON form");
        self.replies.insert(step.to_owned(), reply);
        self
    }

    /// Sets how many states the search for interleavings looks at; 3000 unless told otherwise.
    #[must_use]
    pub fn states_max(self, states_max: usize) -> Self {
        Self { states_max, ..self }
    }

    /// Runs every case and prints what was run.
    ///
    /// # Panics
    ///
    /// When the definition breaks a promise: with the promise, and the script that led there.
    #[expect(
        clippy::print_stdout,
        reason = "the test harness shows it with --nocapture"
    )]
    #[track_caller]
    pub fn check(&self) {
        match self.run() {
            Ok(report) => println!("{report}"),
            Err(failure) => panic!("{failure}"),
        }
    }

    /// As [`Kit::check`], for callers that want the figures, or the failure, as a value.
    ///
    /// # Errors
    ///
    /// The first broken promise.
    pub fn run(&self) -> Result<Report, Failure> {
        let subject = self.subject()?;
        let mut report = Report::new(self.definition.name());
        cases::all(&subject, &mut report)?;
        interleavings::search(&subject, self.states_max, &mut report)?;
        report.conclude(&subject);
        Ok(report)
    }

    fn subject(&self) -> Result<Subject<'a>, Failure> {
        let unfit = |broken| Failure::before_any_event(self.definition, broken);
        let checked = self.definition.check_input(&self.input);
        checked.map_err(|error| unfit(format!("the sample input does not decode: {error}")))?;
        let replies = sample::replies(self.definition, &self.replies).map_err(unfit)?;
        Ok(Subject::new(
            self.definition,
            self.input.clone(),
            replies,
            self.rules,
        ))
    }
}

#[cfg(test)]
mod tests;
