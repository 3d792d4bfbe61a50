//! One seed, one run: what went wrong in it, and whether every promise held.

use std::collections::BTreeMap;
use std::panic;
use std::sync::Once;

use sagas::Status;

use crate::check::{self, Violation};
use crate::commands::FLAWED;
use crate::faults::Fault;
use crate::trace::Line;
use crate::world::World;

/// Sagas of a world, unless somebody wants another number.
pub const SAGAS: usize = 20;

/// What a run was like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Its seed.
    pub seed: u64,
    /// Faults that really happened.
    pub faults: BTreeMap<Fault, u64>,
    /// How many sagas ended how.
    pub ends: BTreeMap<Status, u64>,
    /// Promises that were broken.
    pub violations: Vec<Violation>,
    /// What happened, if it was asked for.
    pub lines: Vec<Line>,
    /// The number of the saga that the first violation is about.
    pub saga: Option<usize>,
}

/// Closures that are flawed on purpose panic thousands of times: nobody wants to read that.
fn silence_flaws() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if info.payload_as_str() != Some(FLAWED) {
                usual(info);
            }
        }));
    });
}

/// Runs the world that `seed` fixes.
#[must_use]
pub fn run(seed: u64, sagas: usize, is_traced: bool) -> Outcome {
    silence_flaws();
    let mut world = World::new(seed, sagas, is_traced);
    world.run();
    let violations = check::violations(&world);
    let mut ends = BTreeMap::new();
    for id in world.store.ids() {
        if let Some(status) = world.store.status(id) {
            *ends.entry(status).or_default() += 1;
        }
    }
    let saga = violations.first().and_then(|violation| violation.saga);
    let saga = saga.and_then(|saga| world.numbers.get(&saga).copied());
    Outcome {
        seed,
        faults: world.faults.counts().clone(),
        ends,
        violations,
        lines: world.trace.into_lines(),
        saga,
    }
}

impl Outcome {
    /// The lines about the saga of the first violation, and those about all; or every line.
    pub fn story(&self) -> impl Iterator<Item = &Line> {
        let lines = self.lines.iter();
        lines.filter(|line| self.saga.is_none() || line.saga.is_none() || line.saga == self.saga)
    }
}
