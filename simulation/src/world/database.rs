//! Statements on their way to the database and back, and every way in which a connection can fail.
//!
//! Invariant: whoever asks gets exactly one answer, as from the real session; what the database does
//! is independent of whether the answer arrives, and of whether the asker still lives.

use std::time::Duration;

use sagas::machine::Reason;
use sagas::{SagaId, Timestamp};
use sagas_core::batch::{Batch, Committed, OutboxId, Outgoing, Slots};
use sagas_core::loaded::{Found, Loaded};
use sagas_core::look::Look;
use sagas_core::membership::{Replica, ReplicaSeen};
use sagas_core::registry::Pin;
use sagas_core::schedule::{OUTBOX_AGE, OUTBOX_MAX};
use sagas_core::{Cause, CommitError};

use super::turns::{count_order, describe};
use super::{Happening, Life, Round, World};
use crate::faults::{Fault, Faults};
use crate::journal::{Commit, Read};

/// A statement.
#[derive(Debug)]
pub(crate) enum Question {
    Heartbeat(Replica),
    Leave(uuid::Uuid),
    /// A look, and the definitions of the process.
    Due(Look, Vec<Pin>),
    Outbox(Slots),
    /// Which of these have ended.
    Ended(Vec<SagaId>),
    /// A commit that deletes what the broker has of the outbox.
    Delivered(Box<Batch>),
    Load {
        lane: usize,
        sagas: Vec<SagaId>,
    },
    Commit {
        lane: usize,
        number: u64,
        batch: Box<Batch>,
    },
}

/// A statement on its way.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(super) life: Life,
    sent: Timestamp,
    /// The one that the connection leads to.
    server: u32,
    pub(super) question: Question,
    /// Whether the asker has been told already that the connection is gone.
    is_given_up: bool,
}

/// What the database says.
#[derive(Debug)]
pub(crate) enum Reply {
    Alive(Vec<ReplicaSeen>, Timestamp),
    Left,
    Due(Round, Vec<SagaId>),
    Outbox(Vec<(OutboxId, Vec<Outgoing>)>),
    Ended(Vec<SagaId>),
    Delivered,
    Loaded {
        lane: usize,
        asked: Vec<SagaId>,
        result: Result<Found, Cause>,
    },
    Committed {
        lane: usize,
        number: u64,
        result: Result<Committed, CommitError>,
    },
    /// A heartbeat or a look that came to nothing.
    Failed(Round),
}

/// An answer on its way back.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) life: Life,
    pub(crate) sent: Timestamp,
    pub(crate) reply: Reply,
}

impl World {
    /// Sends a statement.
    pub(crate) fn ask(&mut self, life: Life, question: Question) {
        let now = self.now();
        if let Question::Commit {
            lane,
            number,
            batch,
        } = &question
        {
            self.note_commit(life, *lane, *number, batch);
        }
        if let Question::Load { lane, sagas } = &question {
            self.note_load(life, *lane, sagas);
        }
        if now < self.database_away_until {
            let wait = self.rng.millis(1, 3_000);
            let error = unavailable;
            return self.fail(life, wait, question, error);
        }
        let wait = if now < self.database_slow_until {
            self.rng.millis(50, 4_000)
        } else {
            self.rng.micros(100, 2_000)
        };
        let is_commit = matches!(question, Question::Commit { .. });
        if is_commit && self.strikes(Fault::CommitNeverArrived, 15) {
            let error = if self.rng.chance(500) {
                unknown
            } else {
                unavailable
            };
            return self.fail(life, wait, question, error);
        }
        if is_commit && self.strikes(Fault::CommitCollided, 10) {
            let error = || CommitError::Retry(Cause::ours("another commit was in the way"));
            return self.fail(life, wait, question, error);
        }
        let is_given_up = is_commit && self.strikes(Fault::CommitArrivedLate, 15);
        if !is_commit && self.strikes(Fault::ReadFailed, 10) {
            return self.fail(life, wait, question, unavailable);
        }
        let mut at = now + wait;
        if is_given_up
            && let Question::Commit {
                lane,
                number,
                batch,
            } = &question
        {
            self.journal.stirred.extend(members(batch));
            let reply = Reply::Committed {
                lane: *lane,
                number: *number,
                result: Err(unknown()),
            };
            self.answer(life, now, at, reply);
            at = at + self.rng.millis(1, 4_000);
        }
        let asked = Asked {
            life,
            sent: now,
            server: self.server,
            question,
            is_given_up,
        };
        self.agenda.at(at, Happening::Asked(Box::new(asked)));
    }

    pub(crate) fn strikes(&mut self, fault: Fault, per_mille: u64) -> bool {
        let strikes = self.faults.strikes(fault, &mut self.rng, per_mille);
        if strikes {
            self.disturb(fault);
        }
        strikes
    }

    /// Notes when the service was kept from its work.
    pub(crate) fn disturb(&mut self, fault: Fault) {
        if Faults::holds_up(fault) {
            self.journal.disturbed.push(self.now());
        }
    }

    fn fail(
        &mut self,
        life: Life,
        wait: Duration,
        question: Question,
        error: impl FnOnce() -> CommitError,
    ) {
        let reply = match question {
            Question::Commit { lane, number, .. } => Reply::Committed {
                lane,
                number,
                result: Err(error()),
            },
            Question::Load { lane, sagas } => Reply::Loaded {
                lane,
                asked: sagas,
                result: Err(Cause::ours("the database is away")),
            },
            Question::Heartbeat(_) => Reply::Failed(Round::Beat),
            Question::Due(look, _) => Reply::Failed(round_of(&look)),
            Question::Outbox(_) => Reply::Failed(Round::Outbox),
            Question::Ended(_) => Reply::Failed(Round::Waits),
            Question::Leave(_) => Reply::Left,
            Question::Delivered(_) => Reply::Delivered,
        };
        let (sent, at) = (self.now(), self.now() + wait);
        self.answer(life, sent, at, reply);
    }

    /// The server, or its process for this connection, is gone.
    pub(super) fn lose_connection(&mut self, asked: Asked) {
        if !asked.is_given_up {
            let wait = self.rng.micros(100, 2_000);
            self.fail(asked.life, wait, asked.question, unknown);
        }
    }

    fn answer(&mut self, life: Life, sent: Timestamp, at: Timestamp, reply: Reply) {
        let answered = Answered { life, sent, reply };
        self.agenda.at(at, Happening::Answered(Box::new(answered)));
    }

    /// The database carries a statement out.
    pub(crate) fn asked(&mut self, asked: Asked) {
        let now = self.now();
        if asked.server != self.server {
            return self.lose_connection(asked);
        }
        let Some(asked) = self.hold_for_standby(asked) else {
            return;
        };
        let Asked {
            life,
            sent,
            question,
            is_given_up,
            ..
        } = asked;
        let reply = match question {
            Question::Heartbeat(own) => {
                let (alive, at) = self.store.heartbeat(&own, now);
                Reply::Alive(alive, at)
            }
            Question::Leave(own) => {
                self.store.leave(own);
                Reply::Left
            }
            Question::Due(look, definitions) => {
                let due = self.store.due(&look, &definitions, now);
                Reply::Due(round_of(&look), due)
            }

            Question::Ended(sagas) => Reply::Ended(self.store.ended(&sagas)),
            Question::Outbox(slots) => {
                let rows = self
                    .store
                    .outbox(&slots, OUTBOX_AGE, limit(OUTBOX_MAX), now);
                Reply::Outbox(rows)
            }
            Question::Delivered(batch) => {
                let done = self.store.commit(&batch, now);
                done.expect("nothing in it is refused");
                Reply::Delivered
            }
            Question::Load { lane, sagas } => self.load(lane, sagas),
            Question::Commit {
                lane,
                number,
                batch,
            } => {
                let result = self.commit(life, lane, &batch);
                let is_lost = result.is_ok() && self.strikes(Fault::CommitAnswerLost, 15);
                if is_lost {
                    self.journal.stirred.extend(members(&batch));
                }
                // The server that went away in the middle is often not back at once.
                if is_lost && self.strikes(Fault::DatabaseAway, 300) {
                    self.database_away_until = now + self.rng.millis(50, 3_000);
                }
                let result = if is_lost { Err(unknown()) } else { result };
                Reply::Committed {
                    lane,
                    number,
                    result,
                }
            }
        };
        if !is_given_up {
            let at = now + self.rng.micros(100, 2_000);
            self.answer(life, sent, at, reply);
        }
    }

    fn load(&mut self, lane: usize, asked: Vec<SagaId>) -> Reply {
        let found = self.read(&asked);
        Reply::Loaded {
            lane,
            asked,
            result: Ok(found.into()),
        }
    }

    /// A read, as lanes and REST do it.
    pub(crate) fn read(&mut self, asked: &[SagaId]) -> Vec<Loaded> {
        let found = self.store.load(asked);
        for loaded in &found {
            self.journal.reads.push(Read {
                saga: loaded.row.id,
                after: self.journal.commits.len(),
                revision: loaded.row.revision,
                status: loaded.row.status,
                moving: loaded.row.moving.clone(),
                entries: loaded.history.len(),
                newest: loaded.history.last().map_or(0, |entry| entry.revision),
            });
        }
        found
    }

    /// Commits a batch, and notes what it has done.
    pub(super) fn commit(
        &mut self,
        life: Life,
        lane: usize,
        batch: &Batch,
    ) -> Result<Committed, CommitError> {
        use sagas_core::batch::StartOutcome;

        let Ok(committed) = self.store.commit(batch, self.agenda.now()) else {
            self.faults.count(Fault::DataRefused);
            self.disturb(Fault::DataRefused);
            return Err(CommitError::Data(Cause::ours("the data is bad")));
        };
        for letter in &batch.dead_letters {
            let (partition, offset) = (letter.partition, letter.offset);
            self.say(None, || {
                format!("buried replies/{partition} {offset}: {}", letter.reason)
            });
            self.note_burial(partition, offset);
        }
        for update in &batch.updates {
            if !self.can_run(life, update.id) {
                self.journal.written_unknown.push(update.id);
            }
        }
        let starts = batch.starts.iter().zip(&committed.starts);
        let starts = starts
            .filter(|(_, outcome)| **outcome == StartOutcome::Started)
            .map(|(start, _)| (start.id, None, &start.state));
        let updates = batch.updates.iter().zip(&committed.updates);
        let updates = updates
            .filter(|(_, has_won)| **has_won)
            .map(|(update, _)| (update.id, Some(update.expected), &update.state));
        for (saga, expected, state) in starts.chain(updates) {
            let is_given_up = matches!(state.moving.reason, Some(Reason::Exhausted { .. }));
            if is_given_up && self.journal.given_up.insert(saga) {
                self.faults.count(Fault::StepGivenUp);
            }
            let writers = self.journal.writers.entry(saga).or_default();
            writers.insert((life, lane));
            self.note_turns(saga, state);
            for entry in &state.entries {
                count_order(&mut self.faults, &mut self.journal, saga, entry);
                let now = self.agenda.now();
                self.journal.stored_at.insert((saga, entry.revision), now);
            }
            self.journal.commits.push(Commit {
                saga,
                expected,
                revision: state.revision,
                status: state.status,
                wake_at: state.wake_at,
                moving: state.moving.clone(),
            });
            self.say(Some(saga), || {
                let entries = state.entries.iter().map(describe);
                let entries: Vec<String> = entries.collect();
                format!("replica {} stored {}", life.replica, entries.join("; "))
            });
        }
        Ok(committed)
    }
}

/// The sagas that a batch writes.
pub(super) fn members(batch: &Batch) -> impl Iterator<Item = SagaId> {
    let starts = batch.starts.iter().map(|start| start.id);
    starts.chain(batch.updates.iter().map(|update| update.id))
}

fn round_of(look: &Look) -> Round {
    if look.late_by > Duration::ZERO {
        Round::Late
    } else {
        Round::Wakes
    }
}

fn limit(rows: u32) -> usize {
    usize::try_from(rows).unwrap_or(usize::MAX)
}

fn unknown() -> CommitError {
    CommitError::Ambiguous(Cause::ours("the connection is lost"))
}

fn unavailable() -> CommitError {
    CommitError::Unavailable(Cause::ours("the database is away"))
}
