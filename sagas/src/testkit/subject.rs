//! What is tested: a definition with one input and one reply for each step, and the rules that it
//! runs under. Counts what happened, so that a case which tries nothing is noticed.

use std::cell::{Cell, RefCell};
use std::fmt;

use crate::barrier::{self, Ask, Decision, Row};
use crate::definition::{Definition, StepSet};
use crate::direction::Direction;
use crate::json::Json;
use crate::machine::{self, Event, Refusal, Saga, Transition};
use crate::time::Timestamp;

/// The real rules; tests of the kit put broken ones in their place, to see that it notices.
#[derive(Clone, Copy)]
pub(super) struct Rules {
    pub(super) decide: fn(Option<&Row>, Ask, u32, bool) -> Decision,
    pub(super) transition: fn(&Definition, &Saga, Event, Timestamp) -> Result<Transition, Refusal>,
}

impl Rules {
    pub(super) const REAL: Self = Self {
        decide: barrier::decide,
        transition: machine::transition,
    };
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rules")
    }
}

pub(super) struct Subject<'a> {
    pub(super) definition: &'a Definition,
    pub(super) input: Json,
    /// One for each step.
    pub(super) replies: Vec<Json>,
    pub(super) rules: Rules,
    pub(super) events: Cell<u64>,
    /// Steps whose forward command was ever sent.
    pub(super) sent: Cell<StepSet>,
    /// Compensations that were ever built: step, and whether with the step's own reply.
    pub(super) undone: RefCell<Vec<(usize, bool)>>,
}

impl<'a> Subject<'a> {
    pub(super) fn new(
        definition: &'a Definition,
        input: Json,
        replies: Vec<Json>,
        rules: Rules,
    ) -> Self {
        Self {
            definition,
            input,
            replies,
            rules,
            events: Cell::new(0),
            sent: Cell::default(),
            undone: RefCell::default(),
        }
    }

    pub(super) fn name(&self, step: usize) -> &'a str {
        &self.definition.steps()[step].name
    }

    pub(super) fn steps(&self) -> std::ops::Range<usize> {
        0..self.definition.steps().len()
    }

    /// Counts what a transition sends.
    pub(super) fn count(&self, transition: &Transition) {
        self.events.set(self.events.get() + 1);
        for send in transition.sends.iter().chain(&transition.notices) {
            match send.direction {
                Direction::Forward => self.sent.set(self.sent.get().with(send.step)),
                Direction::Compensate => {
                    let with_reply = transition.next.replies[send.step].is_some();
                    let mut undone = self.undone.borrow_mut();
                    if !undone.contains(&(send.step, with_reply)) {
                        undone.push((send.step, with_reply));
                    }
                }
                Direction::Fence => {}
            }
        }
    }
}
