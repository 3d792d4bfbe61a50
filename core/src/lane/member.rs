//! A saga in the making of a commit: its transitions so far, and what they leave behind.

use sagas::machine::{
    Announcement, Blocked, Entry, Event, Reason, Refusal, Send, Transition, transition_withholding,
};
use sagas::wire::size::COMMAND_BYTES_MAX;
use sagas::{Definition, Json, Saga, SagaId, Status, Timestamp};
use serde::Serialize;

use super::OutgoingCommand;
use super::cache::{Cached, Carried, after_all_of};
use super::job::{Move, OrderAnswer, StartJob, Ticket, TooLarge};
use crate::batch::{Outgoing, OutgoingEvent, OutgoingNotice, State};

/// A saga in a commit.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) cached: Cached,
    /// Events that were put into the batch before its own.
    pub(super) place: usize,
    /// The stored state that it started from, and what was handed over of that.
    before: Option<(Box<Saga>, Option<Carried>)>,
    /// Once it sends something: what was sent from then on will have been handed over.
    since: Option<Timestamp>,
    /// The events.
    pub(super) moves: Vec<Move>,
    /// The answers for those of them that have callers, if the commit holds.
    pub(super) answers: Vec<(Ticket, OrderAnswer)>,
    pub(super) commands: Vec<OutgoingCommand>,
    pub(super) announcements: Vec<Outgoing>,
    entries: Vec<Entry>,
}

/// A saga that begins with the commit.
#[derive(Debug)]
pub(super) struct Starting {
    pub(super) member: Member,
    pub(super) start: StartJob,
}

impl Member {
    pub(super) fn of(cached: Cached, place: usize) -> Self {
        Self {
            cached,
            place,
            before: None,
            since: None,
            moves: Vec::new(),
            answers: Vec::new(),
            commands: Vec::new(),
            announcements: Vec::new(),
            entries: Vec::new(),
        }
    }

    /// Whether the batch writes it, and so proves the state that it started from.
    pub(super) fn has_moved(&self) -> bool {
        self.before.is_some()
    }

    /// The event is done with once the commit holds.
    pub(super) fn keep(&mut self, event: Move) {
        add(&mut self.moves, std::iter::once(event));
    }

    pub(super) fn apply(
        &mut self,
        event: Event,
        now: Timestamp,
        reply_partition: i32,
        blocked: Blocked<'_>,
    ) -> Result<(), Refusal> {
        let cached = &self.cached;
        let Transition {
            next,
            entry,
            sends,
            notices,
            announcement,
        } = transition_withholding(&cached.definition, &cached.saga, event, now, blocked)?;
        let carried = self.cached.carried;
        if !sends.is_empty() {
            // Which publication has them is known once the commit holds.
            self.cached.carried = None;
            let since = || carried.map_or_else(|| after_all_of(&self.cached.saga), |c| c.since);
            self.since.get_or_insert_with(since);
        }
        let command = |send: Send| OutgoingCommand {
            saga: next.id,
            definition: self.cached.definition.clone(),
            started_at: next.started_at,
            revision: next.revision,
            at: now,
            send,
            reply_partition,
        };
        add(&mut self.commands, sends.into_iter().map(command));
        let announcement = announcement.map(|what| announce(&next, what, now));
        add(&mut self.announcements, announcement.into_iter());
        let notice = |send| notice(&next, &self.cached.definition, send, reply_partition, now);
        add(&mut self.announcements, notices.into_iter().map(notice));
        add(&mut self.entries, std::iter::once(entry));
        let before = std::mem::replace(&mut self.cached.saga, Box::new(next));
        self.before.get_or_insert((before, carried));
        Ok(())
    }

    /// The first of its commands that cannot be sent, whatever topic it is for.
    pub(super) fn too_large(&self) -> Option<TooLarge> {
        let steps = self.cached.definition.steps();
        let commands = self.commands.iter().map(|command| {
            let send = &command.send;
            (steps[send.step].name.as_str(), &send.payload)
        });
        let notices = self
            .announcements
            .iter()
            .filter_map(|outgoing| match outgoing {
                Outgoing::Notice(notice) => Some((notice.step.as_str(), &notice.payload)),
                Outgoing::Event(_) => None,
            });
        let mut all = commands.chain(notices);
        let (step, payload) = all.find(|(_, payload)| payload.text().len() > COMMAND_BYTES_MAX)?;
        Some(TooLarge {
            step: step.to_owned(),
            bytes: payload.text().len(),
            limit: COMMAND_BYTES_MAX,
        })
    }

    /// The saga as it is stored while the commit does not hold; `None` where it is not stored yet.
    pub(super) fn take_back(self) -> (Option<Cached>, Vec<Move>) {
        let before = self.before.filter(|(saga, _)| saga.revision > 0);
        let cached = before.map(|(saga, carried)| Cached {
            saga,
            carried,
            ..self.cached
        });
        (cached, self.moves)
    }

    /// Its commands are in the publication of this number.
    pub(super) fn publish(&mut self, number: u64) {
        let carried = |since| Carried {
            last: number,
            since,
        };
        self.cached.carried = self.since.map(carried);
    }

    /// A publication that carried something of the saga did not arrive: what is known is what its commit
    /// is going to send.
    pub(super) fn unpublish(&mut self) {
        self.cached.carried = None;
        if let Some((saga, carried)) = &mut self.before {
            *carried = None;
            self.since = self.since.map(|_| after_all_of(saga));
        }
    }

    pub(super) fn state(&mut self) -> State {
        let saga = &self.cached.saga;
        State {
            revision: saga.revision,
            status: saga.status(),
            wake_at: saga.wake_at,
            moving: saga.moving.clone(),
            entries: std::mem::take(&mut self.entries),
            announcements: self.announcements.clone(),
        }
    }
}

/// A saga moves once in most commits: room for what that brings, where a `Vec` begins with four.
fn add<T>(list: &mut Vec<T>, items: impl ExactSizeIterator<Item = T>) {
    if list.capacity() == 0 {
        list.reserve_exact(items.len());
    }
    list.extend(items);
}

/// What a lifecycle event says.
#[derive(Serialize)]
struct Announced<'a> {
    saga: SagaId,
    definition: &'a str,
    version: u32,
    revision: u64,
    state: Status,
    reason: Option<&'a Reason>,
    output: Option<&'a Json>,
}

fn announce(saga: &Saga, what: Announcement, at: Timestamp) -> Outgoing {
    let state = saga.status();
    let payload = Announced {
        saga: saga.id,
        definition: &saga.definition,
        version: saga.version,
        revision: saga.revision,
        state,
        reason: saga.moving.reason.as_ref(),
        output: saga.output.as_ref().filter(|_| state == Status::Completed),
    };
    Outgoing::Event(OutgoingEvent {
        saga: saga.id,
        definition: saga.definition.clone(),
        kind: what.as_str().to_owned(),
        revision: saga.revision,
        sequence: saga.moving.announced,
        at,
        payload: Json::of(&payload).unwrap_or_else(|_| Json::null()),
    })
}

fn notice(
    saga: &Saga,
    definition: &Definition,
    send: Send,
    reply_partition: i32,
    at: Timestamp,
) -> Outgoing {
    let step = &definition.steps()[send.step];
    Outgoing::Notice(OutgoingNotice {
        saga: saga.id,
        definition: saga.definition.clone(),
        started_at: saga.started_at,
        revision: saga.revision,
        at,
        step: step.name.clone(),
        participant: step.participant.to_owned(),
        command: step.command.to_owned(),
        reply_partition,
        payload: send.payload,
    })
}
