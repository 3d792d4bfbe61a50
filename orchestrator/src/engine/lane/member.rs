//! A saga in the making of a commit: its transitions so far, and what they leave behind.

use sagas::machine::{Announcement, Entry, Reason, Refusal, Send, Transition};
use sagas::{Definition, Json, Saga, SagaId, Status, Timestamp, transition};
use serde::Serialize;

use super::cache::Cached;
use super::job::{Answer, Job};
use super::{Lane, OutgoingCommand};
use crate::store::batch::{Outgoing, OutgoingEvent, OutgoingNotice, State};

/// A saga in a commit.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) cached: Cached,
    /// Events that were put into the batch before its own.
    pub(super) place: usize,
    /// The stored state that it started from, and the publication of that.
    before: Option<(Box<Saga>, Option<u64>)>,
    /// The events, each with what to tell its caller if the commit holds.
    pub(super) jobs: Vec<(Job, Answer)>,
    pub(super) commands: Vec<OutgoingCommand>,
    pub(super) announcements: Vec<Outgoing>,
    entries: Vec<Entry>,
}

impl Member {
    pub(super) fn of(cached: Cached, place: usize) -> Self {
        Self {
            cached,
            place,
            before: None,
            jobs: Vec::new(),
            commands: Vec::new(),
            announcements: Vec::new(),
            entries: Vec::new(),
        }
    }

    /// Whether the batch writes it, and so proves the state that it started from.
    pub(super) fn has_moved(&self) -> bool {
        self.before.is_some()
    }

    /// Its caller is told once the commit holds.
    pub(super) fn tell_after(&mut self, job: Job, answer: Answer) {
        add(&mut self.jobs, std::iter::once((job, answer)));
    }

    pub(super) fn apply(
        &mut self,
        job: &Job,
        published: bool,
        now: Timestamp,
        lane: &Lane,
    ) -> Result<(), Refusal> {
        let cached = &self.cached;
        let Transition {
            next,
            entry,
            sends,
            notices,
            announcement,
        } = transition(&cached.definition, &cached.saga, job.event(published), now)?;
        let reply_partition = lane.reply_partition();
        let publication = self.cached.publication;
        if !sends.is_empty() {
            // Its number is known once the commit holds.
            self.cached.publication = None;
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
        self.before.get_or_insert((before, publication));
        Ok(())
    }

    /// The saga as it is stored while the commit does not hold; `None` where it is not stored yet.
    pub(super) fn take_back(self) -> (Option<Cached>, Vec<(Job, Answer)>) {
        let before = self.before.filter(|(saga, _)| saga.revision > 0);
        let cached = before.map(|(saga, publication)| Cached {
            saga,
            publication,
            ..self.cached
        });
        (cached, self.jobs)
    }

    /// Forgets that `publication` carried what the saga has in flight: it did not arrive.
    pub(super) fn unpublish(&mut self, publication: u64) {
        let before = self.before.as_mut().map(|(_, last)| last);
        let lasts = [Some(&mut self.cached.publication), before];
        for last in lasts.into_iter().flatten() {
            last.take_if(|last| *last <= publication);
        }
    }

    /// The answer of the commit was lost: it may hold.
    pub(super) fn doubt(&mut self) {
        for (job, _) in &mut self.jobs {
            if let Job::Start { is_retried, .. } = job {
                *is_retried = true;
            }
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
