//! The gate of one topic.
//!
//! ```text
//!            silent for 1 s, too much owed, or a failure
//!   open ─────────────────────────────────────────────────► closed
//!    ▲                                                       │ nothing is owed, and the time of a trial
//!    └───── the broker has taken something ─── on trial ◄────┘ has come: one thing is handed over
//! ```
//!
//! Whatever the broker does, a person may have paused it: then nothing is handed over.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::time::Duration;

use sagas::{SagaId, Timestamp};
use uuid::Uuid;

use super::Publication;
use crate::lane::notes::{Closing, Note};

/// A topic that has not answered for what it was given for so long takes nothing. A healthy broker answers
/// within milliseconds, and a change of leaders takes some hundred.
const SILENT_AFTER: Duration = Duration::from_secs(1);

/// After a failure, something is handed over again after this time; after each further one, after twice as
/// long as before. What the broker does not answer needs no trial: its answer ends the silence.
const TRIAL_AFTER: Duration = Duration::from_secs(1);

/// Doublings of [`TRIAL_AFTER`]: a trial costs one saga two entries in its history.
const DOUBLINGS_MAX: u32 = 5;

/// Sagas with withheld commands that a lane remembers for each topic, 16 bytes each.
const WITHHELD_MAX: usize = 10_000;

/// Bytes that the broker may owe an answer for: several such topics fit into the producer's own queue, so
/// that there is room for all others.
const OWED_BYTES_MAX: usize = 8 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// Nothing is handed over.
    Closed {
        trial_at: Timestamp,
    },
    /// One thing is handed over, if it comes before the next is asked for at `until`.
    OnTrial {
        until: Timestamp,
    },
}

/// What the broker owes for one topic, and what waits for it.
#[derive(Debug)]
pub(super) struct Topic {
    /// `None` for the topic of lifecycle events.
    pub(super) participant: Option<&'static str>,
    owed: BTreeMap<u64, (Timestamp, Publication)>,
    owed_bytes: usize,
    owed_max: usize,
    state: State,
    /// Whether a person wants nothing to be handed over.
    pub(super) is_paused: bool,
    /// Failures in a row.
    failures: u32,
    withheld: BTreeSet<SagaId>,
    /// The saga that was tried last.
    tried: SagaId,
    /// Since when the topic takes something: the last time at which it opened, or answered late.
    flowing_since: Timestamp,
}

impl Topic {
    /// An open gate; the broker may owe `owed_max` answers.
    pub(super) fn new(participant: Option<&'static str>, owed_max: usize) -> Self {
        Self {
            participant,
            owed: BTreeMap::new(),
            owed_bytes: 0,
            owed_max: owed_max.max(1),
            state: State::Open,
            is_paused: false,
            failures: 0,
            withheld: BTreeSet::new(),
            tried: SagaId(Uuid::nil()),
            flowing_since: Timestamp::default(),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// Whether something may be handed over.
    pub(super) fn lets_through(&self) -> bool {
        !self.is_paused
            && match self.state {
                State::Open => true,
                State::Closed { .. } => false,
                State::OnTrial { .. } => self.owed.is_empty(),
            }
    }

    /// Answers that the broker owes.
    pub(super) fn owed(&self) -> usize {
        self.owed.len()
    }

    /// The oldest publication without an answer.
    pub(super) fn oldest(&self) -> Option<u64> {
        self.first_owed().map(|(number, _)| number)
    }

    /// The same, and when it was handed over.
    pub(super) fn first_owed(&self) -> Option<(u64, Timestamp)> {
        let (number, (since, _)) = self.owed.first_key_value()?;
        Some((*number, *since))
    }

    /// The last publication without an answer.
    pub(super) fn newest(&self) -> Option<u64> {
        self.owed.last_key_value().map(|(number, _)| *number)
    }

    /// Closes when too much has become due, and begins a trial whose time has come.
    pub(super) fn look(&mut self, now: Timestamp) -> Option<Note> {
        self.believe(now);
        let why = if self.is_silent(now) {
            Closing::Silent
        } else if self.is_filled_to(1) {
            Closing::Full
        } else {
            if let State::Closed { trial_at } = self.state
                && trial_at <= now
                && self.owed.is_empty()
            {
                self.state = State::OnTrial { until: now };
            }
            return None;
        };
        let was_open = self.is_open();
        self.state = State::Closed { trial_at: now };
        was_open.then(|| self.closed(why))
    }

    /// The database's clock may have been ahead, and be right again: no time is waited for that is further off
    /// than it may be.
    fn believe(&mut self, now: Timestamp) {
        if let Some(mut oldest) = self.owed.first_entry() {
            let (since, _) = oldest.get_mut();
            *since = now.min(*since);
        }
        self.flowing_since = now.min(self.flowing_since);
        match &mut self.state {
            State::Open => {}
            State::Closed { trial_at } => {
                *trial_at = (*trial_at).min(now + TRIAL_AFTER * 2_u32.pow(DOUBLINGS_MAX));
            }
            State::OnTrial { until } => *until = (*until).min(now + TRIAL_AFTER),
        }
    }

    /// Since when it takes something: silence that began earlier says nothing of a participant.
    pub(super) fn flowing_since(&self) -> Timestamp {
        self.flowing_since
    }

    fn is_silent(&self, now: Timestamp) -> bool {
        let oldest = self.owed.first_key_value();
        oldest.is_some_and(|(_, (since, _))| now.since(*since) >= SILENT_AFTER)
    }

    /// Whether the broker owes this part of what it may owe.
    fn is_filled_to(&self, part: usize) -> bool {
        self.owed.len() * part >= self.owed_max || self.owed_bytes * part >= OWED_BYTES_MAX
    }

    fn closed(&self, why: Closing) -> Note {
        Note::TopicClosed {
            participant: self.participant,
            owed: self.owed.len(),
            why,
        }
    }

    pub(super) fn begin(&mut self, number: u64, publication: Publication, now: Timestamp) {
        self.owed_bytes += publication.bytes;
        self.owed.insert(number, (now, publication));
    }

    /// The broker has answered: what for, if it was owed.
    pub(super) fn end(
        &mut self,
        number: u64,
        is_acknowledged: bool,
        now: Timestamp,
    ) -> Option<Publication> {
        let (since, publication) = self.owed.remove(&number)?;
        if is_acknowledged && now.since(since) >= SILENT_AFTER {
            self.flowing_since = now;
        }
        self.owed_bytes = self.owed_bytes.saturating_sub(publication.bytes);
        Some(publication)
    }

    /// Something did not arrive. What was handed over before the gate closed failed for the same reason.
    pub(super) fn fail(&mut self, now: Timestamp) -> Option<Note> {
        let was_open = self.is_open();
        if let State::Closed { .. } = self.state {
            return None;
        }
        let wait = TRIAL_AFTER * 2_u32.pow(self.failures.min(DOUBLINGS_MAX));
        self.failures += 1;
        self.state = State::Closed {
            trial_at: now + wait,
        };
        was_open.then(|| self.closed(Closing::Failed))
    }

    /// Something has arrived: opens, unless much is still owed.
    pub(super) fn succeed(&mut self, now: Timestamp) -> Option<Note> {
        self.failures = 0;
        if self.is_open() || self.is_silent(now) || self.is_filled_to(2) {
            return None;
        }
        self.state = State::Open;
        self.flowing_since = now;
        Some(Note::TopicOpened {
            participant: self.participant,
            withheld: self.withheld.len(),
        })
    }

    /// Remembers, or forgets, that a saga waits.
    pub(super) fn remember(&mut self, saga: SagaId, waits: bool) {
        if !waits {
            self.withheld.remove(&saga);
        } else if self.withheld.len() < WITHHELD_MAX {
            self.withheld.insert(saga);
        }
    }

    /// Whether any saga waits.
    pub(super) fn is_waited_for(&self) -> bool {
        !self.withheld.is_empty()
    }

    /// A saga that can send what is withheld, of those that are free. While it is on trial one a second, in
    /// turn: the one that is tried may end meanwhile, or hang on another replica.
    pub(super) fn release(
        &mut self,
        now: Timestamp,
        is_free: impl Fn(SagaId) -> bool,
    ) -> Option<SagaId> {
        if self.is_paused {
            return None;
        }
        let after = match self.state {
            State::Open => None,
            State::OnTrial { until } if self.owed.is_empty() && until <= now => {
                self.state = State::OnTrial {
                    until: now + TRIAL_AFTER,
                };
                Some(self.tried)
            }
            State::OnTrial { .. } | State::Closed { .. } => return None,
        };
        let later = after.map_or(Bound::Unbounded, Bound::Excluded);
        let later = self.withheld.range((later, Bound::Unbounded));
        let mut free = later.chain(&self.withheld).filter(|saga| is_free(**saga));
        self.tried = *free.next()?;
        self.withheld.remove(&self.tried);
        Some(self.tried)
    }

    /// When [`Topic::look`] and [`Topic::release`] have something to do although nothing happens.
    pub(super) fn resume_at(&self) -> Option<Timestamp> {
        if let Some((_, (since, _))) = self.owed.first_key_value() {
            // It closes then: a lane that stops waits for it until it does.
            return self.is_open().then(|| *since + SILENT_AFTER);
        }
        if self.withheld.is_empty() || self.is_paused {
            return None;
        }
        match self.state {
            State::Open => None,
            State::Closed { trial_at } => Some(trial_at),
            State::OnTrial { until } => Some(until),
        }
    }
}

#[cfg(test)]
mod tests;
