//! The state machine of one saga, tested through its public surface alone.
//!
//! Script tests say what a reader should expect (one file per question), the matrix says what
//! becomes of every event in every situation, the property tests run random definitions under
//! random schedules against participants that follow the barrier table, and the exhaustive search
//! sees every interleaving of small sagas. Seeded bugs show that the last two can fail.

mod attempts;
mod by_hand;
mod cancel;
mod conditions;
mod deadlines;
mod definitions;
mod exhaustive;
mod forward;
mod kinds;
mod late;
mod matrix;
mod pauses;
mod properties;
mod repeats;
mod retries;
mod script;
mod siblings;
mod stored;
mod trouble;
mod unreadable;
mod unwind;
mod wakes;
mod withheld;
mod world;

use sagas::testkit::invariants;
