//! One state of a world: what is stored, what is under way, what took effect.
//!
//! Invariant: two states that are equal here behave alike. What changes nothing of what can happen
//! next, such as instants, revisions and the text of faults, is forgotten after every move
//! (`State::canonize`).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sagas::machine::{Entry, Flight, Progress, Reply, Saga, Send};
use sagas::{Definition, Direction, Outcome, Timestamp};

use crate::configuration::Configuration;
use crate::dead::is_dead;
use crate::participants::Participants;
use crate::rule::Rule;
use crate::{action, shape};

/// The instant at which everything happens.
pub(crate) const NOW: Timestamp = Timestamp::from_micros(1_000_000_000_000);
/// Revision of a row that was written after a copy was taken; the copy has the one before.
pub(crate) const REVISION: u64 = 2;

/// A command under way, without its attempt and bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mail {
    /// Index of the step.
    pub step: usize,
    /// Which way it goes.
    pub direction: Direction,
    /// Which payload.
    pub generation: u32,
    /// A fence: whether of the compensation.
    pub fences_compensation: bool,
}

/// A reply under way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Answered {
    /// What it answers.
    pub mail: Mail,
    /// The attempt that it answers; 0 where that does not matter.
    pub attempt: u32,
    /// How it came out.
    pub outcome: Outcome,
    /// JSON.
    pub payload: String,
}

/// What may still go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Budget {
    /// Orders.
    pub orders: u8,
    /// Crashes and ambiguous commits.
    pub crashes: u8,
    /// Losses of everything under way.
    pub losses: u8,
    /// Purges of one participant.
    pub purges: u8,
    /// Copies that are kept.
    pub copies: u8,
}

/// One state.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// The stored saga.
    pub saga: Saga,
    /// Its history. Not part of the state's identity: it only grows.
    pub history: History,
    /// A replica's copy.
    pub copy: Option<Arc<Saga>>,
    /// Commands under way, with their newest attempt.
    pub commands: BTreeMap<Mail, u32>,
    /// The bytes of every command that was ever sent.
    pub bytes: Arc<BTreeMap<Mail, String>>,
    /// Replies under way that may still be read.
    pub replies: BTreeSet<Answered>,
    /// In a debug build: replies that were taken out of the world as dead. Not part of the identity.
    pub buried: BTreeSet<Answered>,
    /// What the participants remember, and what took effect.
    pub participants: Participants,
    /// What may still go wrong.
    pub left: Budget,
    /// Whether it is told apart from states that behave alike.
    pub is_whole: bool,
    /// The rule that the last action broke.
    pub broken: Option<Rule>,
}

impl State {
    /// Nothing has happened yet.
    pub(crate) fn new(saga: Saga, configuration: &Configuration) -> Self {
        Self {
            saga,
            history: History::default(),
            copy: None,
            commands: BTreeMap::new(),
            bytes: Arc::default(),
            replies: BTreeSet::new(),
            buried: BTreeSet::new(),
            participants: Participants::new(configuration.shape.len()),
            left: Budget {
                orders: configuration.orders,
                crashes: configuration.crashes,
                losses: configuration.losses,
                purges: configuration.purges,
                copies: configuration.copies,
            },
            is_whole: configuration.is_whole,
            broken: None,
        }
    }

    /// Remembers that a rule was broken; the first one stays.
    pub(crate) fn require(&mut self, holds: bool, rule: Rule) {
        if !holds {
            self.broken.get_or_insert(rule);
        }
    }

    /// Puts a command under way. A newer attempt takes the older one's place.
    pub(crate) fn send(&mut self, send: &Send, max_attempts: u32) {
        let mail = Mail::of(send);
        let attempt = send.attempt.min(max_attempts + 1);
        let newest = self.commands.entry(mail).or_insert(attempt);
        *newest = attempt.max(*newest);
    }

    /// Forgets what changes nothing of what can come next, so that states which behave alike are one:
    /// instants, attempts that nobody counts, replies that nobody will read.
    pub(crate) fn canonize(&mut self, definition: &Definition, configuration: &Configuration) {
        let max_attempts = configuration.max_attempts;
        self.forget_instants(max_attempts);
        if self.is_whole {
            return;
        }
        if !configuration.answers.fail {
            self.forget_attempts(definition);
        }
        if self.copy.is_none() {
            let saga = &self.saga;
            let dead = self.replies.extract_if(.., |reply| is_dead(saga, reply));
            if cfg!(debug_assertions) {
                self.buried.extend(dead);
            } else {
                dead.for_each(drop);
            }
        }
    }

    /// Instants, and how many attempts there were beyond the policy's.
    fn forget_instants(&mut self, max_attempts: u32) {
        let saga = &mut self.saga;
        saga.revision = REVISION;
        saga.wake_at = saga.wake_at.map(|_| NOW);
        let moving = &mut saga.moving;
        moving.overdue_since = moving.overdue_since.map(|_| NOW);
        for flight in moving.steps.iter_mut().filter_map(flight) {
            flight.sent_at = NOW;
            flight.due_at = NOW + Duration::from_secs(10);
            flight.exhausted_since = flight.exhausted_since.map(|_| NOW);
            flight.failure = None;
            flight.unreadable = flight.unreadable.take().map(|_| String::new());
            flight.attempt = flight.attempt.min(max_attempts + 1);
        }
    }

    /// An attempt matters to a `failed` reply, and to a step that may be given up on. Without the
    /// first, and where nothing is given up, all are alike.
    fn forget_attempts(&mut self, definition: &Definition) {
        self.commands.values_mut().for_each(|attempt| *attempt = 1);
        let is_unwinding = self.saga.is_unwinding();
        for (step, progress) in self.saga.moving.steps.iter_mut().enumerate() {
            let is_forward = matches!(progress, Progress::Forward(_));
            let may_give_up = definition.steps()[step].kind.may_be_given_up();
            if is_forward && may_give_up && !is_unwinding {
                continue;
            }
            if let Some(flight) = flight(progress) {
                flight.attempt = 1;
                flight.exhausted_since = None;
            }
        }
    }
}

impl fmt::Display for State {
    /// Where each step stands, and what took effect.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}, paused: {}:",
            self.saga.status(),
            self.saga.moving.paused.is_some()
        )?;
        for (step, progress) in self.saga.moving.steps.iter().enumerate() {
            let participant = self.participants.of(step);
            let (did, undid) = (participant.did, participant.undid);
            write!(f, " [{} did {did} undid {undid}]", progress.as_str())?;
        }
        Ok(())
    }
}

/// The flight of a step, to move its instants.
pub(crate) fn flight(progress: &mut Progress) -> Option<&mut Flight> {
    match progress {
        Progress::Forward(flight) | Progress::Compensating(flight) => Some(flight),
        Progress::Fencing(fence) => Some(&mut fence.flight),
        _ => None,
    }
}

impl Mail {
    /// What identifies a command, as its id does on the wire.
    pub(crate) fn of(send: &Send) -> Self {
        Self {
            step: send.step,
            direction: send.direction,
            generation: send.generation,
            fences_compensation: send.fences_compensation,
        }
    }

    pub(crate) fn answered(self, attempt: u32, outcome: Outcome, payload: String) -> Answered {
        let attempt = if action::counts_attempts(outcome) {
            attempt
        } else {
            0
        };
        Answered {
            mail: self,
            attempt,
            outcome,
            payload,
        }
    }
}

impl Answered {
    pub(crate) fn reply(&self) -> Reply {
        Reply {
            step: shape::name(self.mail.step),
            direction: self.mail.direction,
            generation: self.mail.generation,
            attempt: self.attempt,
            outcome: self.outcome,
            payload: sagas::Json::parse(self.payload.clone()).expect("answers are JSON"),
        }
    }
}

/// A saga's history rows, newest first; states share what they have in common.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct History(Option<Arc<Row>>);

#[derive(Debug, PartialEq)]
struct Row {
    entry: Entry,
    before: History,
}

impl History {
    pub(crate) fn push(&mut self, entry: Entry) {
        let before = Self(self.0.take());
        self.0 = Some(Arc::new(Row { entry, before }));
    }

    /// The rows, oldest first.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        let mut next = &self.0;
        while let Some(row) = next {
            entries.push(row.entry.clone());
            next = &row.before.0;
        }
        entries.reverse();
        entries
    }
}
