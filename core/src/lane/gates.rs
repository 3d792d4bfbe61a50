//! One gate for each topic that a lane writes to: what the broker owes an answer for, and whether more is
//! handed over.
//!
//! Invariants:
//! * One topic never holds another's commits: what a gate does not let through stays in its saga's row,
//!   or in the outbox, and the commit goes on.
//! * A topic that takes nothing holds no more than its bound in memory, and two commits more.
//! * A saga whose command was withheld is woken when the gate opens, as far as the gate remembers; beyond
//!   that its own wake finds it.

mod topic;

use std::collections::{BTreeMap, BTreeSet};

use sagas::machine::Progress;
use sagas::sabotage::{Bug, is_seeded};
use sagas::{Definition, Saga, SagaId, Timestamp};

use super::notes::Note;
use crate::batch::OutboxId;
use topic::Topic;

/// One topic, by its place among a lane's gates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gate(usize);

impl Gate {
    pub(super) fn at(place: usize) -> Self {
        Self(place)
    }

    pub(super) fn place(self) -> usize {
        self.0
    }
}

/// One hand-over: what one commit brings for one topic.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Publication {
    /// The sagas whose commands it carries.
    pub(super) sagas: Vec<SagaId>,
    /// The outbox row of which it carries records.
    pub(super) outbox: Option<OutboxId>,
    /// Bytes of all payloads.
    pub(super) bytes: usize,
}

/// What the broker's answer to a publication means.
#[derive(Debug, Default)]
pub(super) struct Ended {
    /// Sagas whose commands may not have arrived.
    pub(super) lost: Vec<SagaId>,
    /// An outbox row all of whose records the broker has.
    pub(super) delivered: Option<OutboxId>,
    /// Whether the gate has opened or closed.
    pub(super) note: Option<Note>,
}

/// An outbox row, records of which are on their way.
#[derive(Debug)]
struct Row {
    /// Publications that carry some.
    open: usize,
    /// Whether all others have arrived.
    is_whole: bool,
}

/// All gates of a lane.
#[derive(Debug)]
pub(super) struct Gates {
    /// Those of participants, in the order of their names, and that of events.
    topics: Vec<Topic>,
    rows: BTreeMap<OutboxId, Row>,
    /// Participants whose gates let nothing through, as of the last look.
    closed: Vec<&'static str>,
    /// Whose turn it is to be released first.
    turn: usize,
    /// Commits so far. A publication's number is that of its commit and its gate as one.
    commits: u64,
}

impl Gates {
    /// Open gates; the broker may owe `owed_max` answers for each. Participants are in the order of their
    /// names.
    pub(super) fn new(participants: Vec<&'static str>, owed_max: usize) -> Self {
        let participants = participants.into_iter().map(Some);
        let all = participants.chain([None]);
        Self {
            topics: all.map(|name| Topic::new(name, owed_max)).collect(),
            rows: BTreeMap::new(),
            closed: Vec::new(),
            turn: 0,
            commits: 0,
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.topics.len()
    }

    /// The gate of lifecycle events.
    pub(super) fn events(&self) -> Gate {
        Gate(self.topics.len() - 1)
    }

    /// The gate of a participant's commands. A lane sends to the participants of its definitions alone.
    pub(super) fn of(&self, participant: &str) -> Gate {
        let named = &self.topics[..self.topics.len() - 1];
        let place =
            named.binary_search_by(|topic| topic.participant.unwrap_or("").cmp(participant));
        place.map_or_else(|_| self.events(), Gate)
    }

    /// Closes what has become silent or full, and sees which participants take nothing now.
    pub(super) fn look(&mut self, now: Timestamp) -> Vec<Note> {
        let notes = self.topics.iter_mut().filter_map(|topic| topic.look(now));
        let notes = notes.collect();
        self.closed.clear();
        if !is_seeded(Bug::IgnoresGates) {
            let closed = self.topics.iter().filter(|topic| !topic.lets_through());
            self.closed
                .extend(closed.filter_map(|topic| topic.participant));
        }
        notes
    }

    /// Participants whose topics took nothing at the last look.
    pub(super) fn closed(&self) -> &[&'static str] {
        &self.closed
    }

    /// Pauses the gates of these participants' commands, and no others.
    pub(super) fn pause(&mut self, participants: &BTreeSet<String>) {
        for topic in &mut self.topics {
            let name = topic.participant;
            topic.is_paused = name.is_some_and(|name| participants.contains(name));
        }
    }

    /// Whether something may be handed over for this topic.
    pub(super) fn lets_through(&self, gate: Gate) -> bool {
        self.topics[gate.0].lets_through() || is_seeded(Bug::IgnoresGates)
    }

    /// Whether some topic lets nothing through.
    pub(super) fn is_any_closed(&self) -> bool {
        self.topics.iter().any(|topic| !topic.lets_through())
    }

    /// A commit holds, and publishes. Its last publication has this number or a lower one, and all are
    /// above those before.
    pub(super) fn begin_commit(&mut self) -> u64 {
        self.commits += 1;
        self.number(self.events())
    }

    fn number(&self, gate: Gate) -> u64 {
        self.commits * self.topics.len() as u64 + gate.0 as u64
    }

    /// Something of the last commit is handed over, as this publication; once for each gate.
    pub(super) fn begin(&mut self, gate: Gate, publication: Publication, now: Timestamp) -> u64 {
        let number = self.number(gate);
        if let Some(row) = publication.outbox {
            self.row(row).open += 1;
        }
        self.topics[gate.0].begin(number, publication, now);
        number
    }

    /// Records of the row are not handed over: it stays for the sweep. To be said after all that is.
    pub(super) fn keep(&mut self, id: OutboxId) {
        if let Some(row) = self.rows.get_mut(&id) {
            row.is_whole = false;
        }
    }

    fn row(&mut self, id: OutboxId) -> &mut Row {
        self.rows.entry(id).or_insert(Row {
            open: 0,
            is_whole: true,
        })
    }

    /// The broker has answered for a publication; unless it was answered before.
    pub(super) fn end(&mut self, number: u64, is_acknowledged: bool, now: Timestamp) -> Ended {
        let count = self.topics.len() as u64;
        let place = usize::try_from(number % count).unwrap_or(0);
        let topic = &mut self.topics[place];
        let Some(Publication { sagas, outbox, .. }) = topic.end(number, is_acknowledged, now)
        else {
            return Ended::default();
        };
        let note = if is_acknowledged {
            topic.succeed(now)
        } else {
            topic.fail(now)
        };
        Ended {
            lost: if is_acknowledged { Vec::new() } else { sagas },
            delivered: outbox.filter(|row| self.settle(*row, is_acknowledged)),
            note,
        }
    }

    /// A part of the row has arrived, or has not. Says whether the broker has the whole row now.
    fn settle(&mut self, id: OutboxId, is_acknowledged: bool) -> bool {
        let row = self.row(id);
        row.open = row.open.saturating_sub(1);
        row.is_whole &= is_acknowledged;
        let (is_over, is_whole) = (row.open == 0, row.is_whole);
        if is_over {
            self.rows.remove(&id);
        }
        is_over && is_whole
    }

    /// Answers that the broker owes for topics that take something.
    pub(super) fn owed(&self) -> usize {
        let open = self.topics.iter().filter(|topic| topic.is_open());
        open.map(Topic::owed).sum()
    }

    /// Since when the broker owes an answer for commands, if it does so for those of `commits` commits or more.
    /// Topics that take nothing do not count.
    pub(super) fn ahead_since(&self, commits: u64) -> Option<Timestamp> {
        let (_, named) = self.topics.split_last()?;
        let owing = named.iter().filter(|topic| topic.is_open());
        let owing = owing.filter_map(|topic| Some((topic.first_owed()?, topic.newest()?)));
        let ((oldest, since), newest) = owing.reduce(|(a, b), (c, d)| (a.min(c), b.max(d)))?;
        let commit = |number| number / self.topics.len() as u64;
        (commit(newest) - commit(oldest) + 1 >= commits).then_some(since)
    }

    /// Whether the broker has all that the saga has in flight, as far as it was handed over with `last` or
    /// before.
    pub(super) fn has_all(&self, definition: &Definition, saga: &Saga, last: u64) -> bool {
        let mut sent = flights(definition, saga).filter(|(_, is_withheld)| !is_withheld);
        sent.all(|(participant, _)| {
            let oldest = self.topics[self.of(participant).0].oldest();
            oldest.is_none_or(|oldest| oldest > last)
        })
    }

    /// Whether the saga has withheld something that may be sent now.
    pub(super) fn may_release(&self, definition: &Definition, saga: &Saga) -> bool {
        let mut waiting = waiting(definition, saga);
        waiting.any(|participant| !self.closed.contains(&participant))
    }

    /// Remembers the saga for the gates that its withheld commands wait for, and for no others.
    pub(super) fn remember(&mut self, definition: &Definition, saga: &Saga) {
        if self.topics.iter().any(Topic::is_waited_for) {
            self.topics
                .iter_mut()
                .for_each(|topic| topic.remember(saga.id, false));
        }
        for participant in waiting(definition, saga) {
            if !is_seeded(Bug::ForgetsTheWithheld) {
                let gate = self.of(participant);
                self.topics[gate.0].remember(saga.id, true);
            }
        }
    }

    /// Steps whose silence says nothing at a wake of this saga: their topics took nothing at some time since
    /// the command was sent.
    pub(super) fn excused(&self, definition: &Definition, saga: &Saga) -> Vec<usize> {
        let steps = saga.moving.steps.iter().zip(definition.steps());
        let excused = steps.enumerate().filter(|(_, (progress, step))| {
            let gate = self.of(step.participant);
            let flowing_since = self.topics[gate.0].flowing_since();
            let flight = Progress::flight(progress);
            flight.is_some_and(|flight| {
                flight.withheld_since.is_none() && flight.sent_at < flowing_since
            })
        });
        if is_seeded(Bug::IgnoresGates) {
            return Vec::new();
        }
        excused.map(|(step, _)| step).collect()
    }

    /// Sagas to be woken that wait for a gate which lets something through, `room` at most, of those that
    /// are free. The others stay.
    pub(super) fn release(
        &mut self,
        now: Timestamp,
        room: usize,
        is_free: impl Fn(SagaId) -> bool,
    ) -> Vec<SagaId> {
        let mut released = Vec::new();
        // Another topic is the first each time: one may have more than there is room for.
        self.turn = (self.turn + 1) % self.topics.len();
        let (before, from) = self.topics.split_at_mut(self.turn);
        for topic in from.iter_mut().chain(before) {
            while released.len() < room
                && let Some(saga) = topic.release(now, &is_free)
            {
                released.push(saga);
            }
        }
        released
    }

    /// When a gate has something to do although nothing happens.
    pub(super) fn resume_at(&self) -> Option<Timestamp> {
        self.topics.iter().filter_map(Topic::resume_at).min()
    }
}

/// Participants whose topics the saga waits for. One that is paused waits for a person.
fn waiting<'a>(
    definition: &'a Definition,
    saga: &'a Saga,
) -> impl Iterator<Item = &'static str> + 'a {
    let is_paused = saga.moving.paused.is_some();
    let withheld = flights(definition, saga).filter(move |(_, is)| *is && !is_paused);
    withheld.map(|(participant, _)| participant)
}

/// Participants of the commands in flight, with whether the command is withheld.
fn flights<'a>(
    definition: &'a Definition,
    saga: &'a Saga,
) -> impl Iterator<Item = (&'static str, bool)> + 'a {
    let steps = saga.moving.steps.iter().zip(definition.steps());
    steps.filter_map(|(progress, step)| {
        let flight = Progress::flight(progress)?;
        Some((step.participant, flight.withheld_since.is_some()))
    })
}
