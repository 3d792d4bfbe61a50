//! The worlds: which saga, which faults, which orders, and how many of each.
//!
//! A bound is a number here, so that a report can say what was searched and a reader what was not.

use std::fmt;

use sagas::testkit::Intent;

use crate::shape::{self, Shape};

/// One bounded world.
#[derive(Debug, Clone, Copy)]
pub struct Configuration {
    /// Names it on the command line.
    pub name: &'static str,
    /// The saga's steps.
    pub shape: Shape,
    /// Whether it is searched with the tests; else on demand.
    pub is_small: bool,
    /// Tries before a step before the pivot is given up.
    pub max_attempts: u32,
    /// Whether the saga has a deadline, which may pass at any moment.
    pub has_deadline: bool,
    /// What the participants may answer beside success.
    pub answers: Answers,
    /// Orders that may be given, one at a time, for any step.
    pub intents: &'static [Intent],
    /// How many orders.
    pub orders: u8,
    /// How often the process dies, or a commit ends ambiguously.
    pub crashes: u8,
    /// How often everything that is under way gets lost.
    pub losses: u8,
    /// How many participants drop their rows, one at a time.
    pub purges: u8,
    /// How often a replica keeps a copy that grows stale.
    pub copies: u8,
    /// Whether states that behave alike are all searched. Many more states, and the same things
    /// happen: a test says so of small worlds.
    pub is_whole: bool,
}

/// What participants may answer beside success.
#[derive(Debug, Clone, Copy, Default)]
pub struct Answers {
    /// `rejected`, where the command may be refused.
    pub refuse: bool,
    /// `failed`, at any time.
    pub fail: bool,
    /// `rejected` where it may not be: a retriable step, a compensation.
    pub break_their_word: bool,
    /// A reply that does not have the shape of its type.
    pub babble: bool,
}

const QUIET: Answers = Answers {
    refuse: false,
    fail: false,
    break_their_word: false,
    babble: false,
};
const REFUSING: Answers = Answers {
    refuse: true,
    ..QUIET
};
const FAILING: Answers = Answers {
    fail: true,
    ..REFUSING
};
const UNREADABLE: Answers = Answers {
    babble: true,
    ..REFUSING
};
const LYING: Answers = Answers {
    break_their_word: true,
    ..UNREADABLE
};
const HOSTILE: Answers = Answers {
    refuse: true,
    fail: true,
    break_their_word: true,
    babble: true,
};

/// Nothing goes wrong but that messages are late, repeated and out of order, silence turns into a
/// wake at any moment, and what may be refused is.
const PLAIN: Configuration = Configuration {
    name: "",
    shape: shape::SHORT,
    is_small: false,
    max_attempts: 1,
    has_deadline: false,
    answers: REFUSING,
    intents: Intent::ALL,
    orders: 0,
    crashes: 0,
    losses: 0,
    purges: 0,
    copies: 0,
    is_whole: false,
};
const SMALL: Configuration = Configuration {
    is_small: true,
    ..PLAIN
};
/// The process dies once and everything under way is lost once.
const FAULTY: Configuration = Configuration {
    crashes: 1,
    losses: 1,
    ..PLAIN
};

/// Every world: what the tests search, then what is searched on demand. `docs/model.md` has the
/// figures of each.
///
/// With one order, `orders` tries each kind by itself: it takes two to see a pause end (`hold`).
#[rustfmt::skip] // One world, one line.
pub const CONFIGURATIONS: &[Configuration] = &[
    Configuration { name: "pair-one-order", shape: shape::PAIR, orders: 1, ..SMALL },
    Configuration { name: "pair-unreadable", shape: shape::PAIR, answers: UNREADABLE, intents: CANCEL, orders: 1, ..SMALL },
    Configuration { name: "pair-crash-loss", shape: shape::PAIR, crashes: 1, losses: 1, ..SMALL },
    Configuration { name: "pair-copy", shape: shape::PAIR, copies: 1, ..SMALL },
    Configuration { name: "pair-purge", shape: shape::PAIR, purges: 1, ..SMALL },
    Configuration { name: "branch-attempts", shape: shape::BRANCH, max_attempts: 2, answers: FAILING, ..SMALL },
    Configuration { name: "undoable", shape: shape::UNDOABLE, answers: FAILING, ..SMALL },
    Configuration { name: "short", answers: FAILING, ..SMALL },
    Configuration { name: "fork", shape: shape::FORK, ..SMALL },
    Configuration { name: "branch-deadline", shape: shape::BRANCH, has_deadline: true, answers: FAILING, ..SMALL },
    Configuration { name: "quiet", shape: shape::QUIET, ..SMALL },
    Configuration { name: "pair-attempts", shape: shape::PAIR, max_attempts: 2, has_deadline: true, answers: FAILING, ..SMALL },
    Configuration { name: "conditional", shape: shape::CONDITIONAL, crashes: 1, losses: 1, ..SMALL },
    Configuration { name: "chain-order", shape: shape::CHAIN, orders: 1, ..SMALL },
    Configuration { name: "chain-purge", shape: shape::CHAIN, purges: 1, crashes: 1, ..SMALL },
    Configuration { name: "short-order-crash", orders: 1, crashes: 1, ..SMALL },

    Configuration { name: "chain", shape: shape::CHAIN, answers: FAILING, has_deadline: true, ..FAULTY },
    Configuration { name: "diamond", shape: shape::DIAMOND, ..FAULTY },
    Configuration { name: "parallel", shape: shape::PARALLEL, ..FAULTY },
    Configuration { name: "diamond-order", shape: shape::DIAMOND, orders: 1, ..PLAIN },
    Configuration { name: "parallel-order", shape: shape::PARALLEL, orders: 1, ..PLAIN },
    Configuration { name: "conditional-order", shape: shape::CONDITIONAL, orders: 1, ..PLAIN },
    Configuration { name: "chain-hold", shape: shape::CHAIN, intents: HOLD, orders: 2, ..PLAIN },
    Configuration { name: "diamond-hold", shape: shape::DIAMOND, intents: HOLD, orders: 2, ..PLAIN },
    Configuration { name: "parallel-hold", shape: shape::PARALLEL, intents: HOLD, orders: 2, ..PLAIN },
    Configuration { name: "chain-two-orders", shape: shape::CHAIN, orders: 2, ..PLAIN },
    Configuration { name: "diamond-two-orders", shape: shape::DIAMOND, intents: ALL_BUT_EDIT, orders: 2, ..PLAIN },
    Configuration { name: "fork-two-orders", shape: shape::FORK, orders: 2, ..PLAIN },
    Configuration { name: "parallel-two-orders", shape: shape::PARALLEL, orders: 2, ..PLAIN },
    Configuration { name: "conditional-two-orders", shape: shape::CONDITIONAL, orders: 2, ..PLAIN },
    Configuration { name: "chain-order-faults", shape: shape::CHAIN, has_deadline: true, answers: FAILING, orders: 1, crashes: 1, losses: 1, ..PLAIN },
    Configuration { name: "parallel-order-loss", shape: shape::PARALLEL, orders: 1, losses: 1, ..PLAIN },
    Configuration { name: "diamond-order-loss", shape: shape::DIAMOND, orders: 1, losses: 1, ..PLAIN },
    Configuration { name: "chain-order-purge", shape: shape::CHAIN, orders: 1, purges: 1, ..PLAIN },
    Configuration { name: "chain-hostile", shape: shape::CHAIN, answers: HOSTILE, orders: 1, ..PLAIN },
    Configuration { name: "fork-lying", shape: shape::FORK, answers: LYING, orders: 1, ..PLAIN },
    Configuration { name: "short-hostile", answers: HOSTILE, orders: 1, ..PLAIN },
    Configuration { name: "pair-three-orders", shape: shape::PAIR, orders: 3, ..PLAIN },
    Configuration { name: "pair-hostile-two", shape: shape::PAIR, answers: HOSTILE, orders: 2, ..PLAIN },
    Configuration { name: "short-two-orders", orders: 2, ..PLAIN },
    Configuration { name: "short-order-loss", orders: 1, losses: 1, ..PLAIN },
    Configuration { name: "short-order-faults", answers: FAILING, orders: 1, crashes: 1, losses: 1, ..PLAIN },
    Configuration { name: "pair-all-faults", shape: shape::PAIR, has_deadline: true, crashes: 1, losses: 1, purges: 1, copies: 1, ..PLAIN },
    Configuration { name: "pair-two-orders", shape: shape::PAIR, orders: 2, ..PLAIN },
    Configuration { name: "pair-hostile", shape: shape::PAIR, answers: HOSTILE, orders: 1, ..PLAIN },
    Configuration { name: "pair-order-purge", shape: shape::PAIR, answers: FAILING, orders: 1, purges: 2, ..PLAIN },
    Configuration { name: "pair-order-copy", shape: shape::PAIR, orders: 1, copies: 1, crashes: 1, ..PLAIN },
    Configuration { name: "pair-edit-skip", shape: shape::PAIR, intents: EDIT_AND_SKIP, orders: 2, ..PLAIN },
    Configuration { name: "pair-edits", shape: shape::PAIR, intents: EDITS, orders: 3, ..PLAIN },
];

const CANCEL: &[Intent] = &[Intent::Cancel];
const HOLD: &[Intent] = &[Intent::Pause, Intent::Resume];
/// Each edit doubles what may be on the way: two beside other orders do not fit on a diamond.
const ALL_BUT_EDIT: &[Intent] = &[
    Intent::Cancel,
    Intent::Pause,
    Intent::Resume,
    Intent::RetryAll,
    Intent::Retry(0),
    Intent::Skip(0),
    Intent::Resolve(0),
];
/// What it takes to give up on an edited step while its successor stands in the way.
const EDIT_AND_SKIP: &[Intent] = &[Intent::Edit(0), Intent::Skip(0)];
/// Orders that put a new generation in flight while the old one is, and what makes it matter.
const EDITS: &[Intent] = &[
    Intent::Edit(0),
    Intent::Cancel,
    Intent::Pause,
    Intent::Resume,
];

impl fmt::Display for Configuration {
    /// The bounds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} steps, {} attempts",
            self.shape.len(),
            self.max_attempts
        )?;
        let Answers {
            refuse,
            fail,
            break_their_word,
            babble,
        } = self.answers;
        let words = [
            (self.has_deadline, "deadline"),
            (refuse, "refused"),
            (fail, "failed"),
            (break_their_word, "refused against their word"),
            (babble, "unreadable"),
        ];
        for (_, word) in words.iter().filter(|(is_there, _)| *is_there) {
            write!(f, ", {word}")?;
        }
        let counts = [
            (self.orders, "orders"),
            (self.crashes, "crashes"),
            (self.losses, "losses"),
            (self.purges, "purges"),
            (self.copies, "copies"),
        ];
        for (count, word) in counts.iter().filter(|(count, _)| *count > 0) {
            write!(f, ", {count} {word}")?;
            if *word == "orders" && self.intents.len() < Intent::ALL.len() {
                let words: Vec<_> = self.intents.iter().map(name_of).collect();
                write!(f, " ({})", words.join(", "))?;
            }
        }
        Ok(())
    }
}

/// Name in a report; REST has one for both retries.
fn name_of(intent: &Intent) -> &'static str {
    match intent {
        Intent::RetryAll => "retry all",
        one => one.name().as_str(),
    }
}
