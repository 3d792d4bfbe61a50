//! A transition under construction: the next state, and what is to be sent.
//!
//! Every rule works on a `Turn`; [`Turn::finish`] is the only way out of it. There the revision
//! grows by one, the wake is set, and a change of status is announced.

use super::entry::{Entry, EntryKind, Sent};
use super::saga::{Flight, Progress, Reason, Saga, Status, Trouble, Waits};
use super::{Announcement, Send, Transition, forward, unwind, wake};
use crate::definition::Definition;
use crate::direction::Direction;
use crate::json::Json;
use crate::time::Timestamp;

pub(super) struct Turn<'a> {
    pub(super) definition: &'a Definition,
    pub(super) before: &'a Saga,
    pub(super) next: Saga,
    pub(super) now: Timestamp,
    sends: Vec<Send>,
    sent: Vec<Sent>,
    trouble: Option<String>,
}

impl<'a> Turn<'a> {
    pub(super) fn new(definition: &'a Definition, before: &'a Saga, now: Timestamp) -> Self {
        let (next, sends, sent) = (before.clone(), Vec::new(), Vec::new());
        Self {
            definition,
            before,
            next,
            now,
            sends,
            sent,
            trouble: None,
        }
    }

    pub(super) fn progress(&self, step: usize) -> &Progress {
        &self.next.moving.steps[step]
    }

    pub(super) fn set(&mut self, step: usize, progress: Progress) {
        self.next.moving.steps[step] = progress;
    }

    /// Puts the first command of a direction in flight: its bytes are fixed here, for good.
    pub(super) fn launch(&mut self, step: usize, direction: Direction, payload: Json) {
        let flight = Flight {
            generation: 1,
            attempt: 1,
            sent_at: self.now,
            due_at: self.now + self.definition.retry().reply_within,
            waits: Waits::Reply,
            exhausted_since: None,
            failure: None,
        };
        self.push(step, direction, &flight, payload.clone(), true);
        let papers = &mut self.next.papers[step];
        match direction {
            Direction::Forward => papers.forward = Some(payload),
            Direction::Compensate => papers.compensation = Some(payload),
            Direction::Fence => {}
        }
        self.set(step, fly(direction, flight));
    }

    /// Sends what is in flight again, under the same id; as a new attempt if `attempt` grows.
    pub(super) fn relaunch(&mut self, step: usize, attempt: u32) {
        let (Some(flight), Some(direction)) = (
            self.progress(step).flight().cloned(),
            self.progress(step).direction(),
        ) else {
            return;
        };
        let policy = self.definition.retry();
        let is_new_attempt = attempt > flight.attempt;
        let exhausted = is_new_attempt && policy.is_last(flight.attempt);
        let exhausted = exhausted.then_some(self.now);
        let flight = Flight {
            attempt,
            sent_at: self.now,
            due_at: if is_new_attempt {
                self.now + policy.reply_within
            } else {
                flight.due_at
            },
            waits: Waits::Reply,
            exhausted_since: flight.exhausted_since.or(exhausted),
            ..flight
        };
        let papers = &self.next.papers[step];
        let payload = match direction {
            Direction::Forward => papers.forward.clone(),
            Direction::Compensate => papers.compensation.clone(),
            Direction::Fence => None,
        };
        self.push(
            step,
            direction,
            &flight,
            payload.unwrap_or_else(Json::null),
            false,
        );
        self.set(step, fly(direction, flight));
    }

    fn push(&mut self, step: usize, direction: Direction, flight: &Flight, bytes: Json, new: bool) {
        let (generation, attempt) = (flight.generation, flight.attempt);
        self.sent.push(Sent {
            step: self.definition.steps()[step].name.clone(),
            direction,
            generation,
            attempt,
            payload: (new && direction != Direction::Fence).then(|| bytes.clone()),
        });
        self.sends.push(Send {
            step,
            direction,
            generation,
            attempt,
            payload: bytes,
        });
    }

    pub(super) fn park(&mut self, step: usize, trouble: Trouble) {
        self.set(step, Progress::Parked(trouble));
    }

    /// Turns the saga back, unless it has turned back already: the first reason stays.
    pub(super) fn turn_back(&mut self, reason: impl FnOnce(String) -> Reason, step: usize) {
        if self.next.moving.reason.is_none() {
            let step = self.definition.steps()[step].name.clone();
            self.next.moving.reason = Some(reason(step));
        }
    }

    /// Takes every step that is possible now, and closes the turn.
    pub(super) fn finish(mut self, entry: EntryKind) -> Transition {
        if self.next.is_unwinding() {
            unwind::undo_what_is_free(&mut self);
        } else {
            forward::start_what_is_ready(&mut self);
        }
        let (was, is) = (self.before.status(), self.next.status());
        if is == Status::Completed {
            self.conclude();
        }
        if is.is_terminal() {
            self.next.moving.cancel = None;
        }
        self.next.revision = self.before.revision + 1;
        self.next.wake_at = wake::wake_at(&self.next, self.before.wake_at, self.now);
        let announcement = if entry == EntryKind::Started {
            Some(Announcement::Started)
        } else {
            (was != is).then_some(Announcement::Entered(is))
        };
        let entry = Entry {
            revision: self.next.revision,
            at: self.now,
            event: entry,
            status: is,
            input: None,
            step: None,
            direction: None,
            attempt: None,
            outcome: None,
            payload: None,
            order: None,
            result: None,
            sent: self.sent,
            output: self.next.output.clone(),
            trouble: self.trouble,
        };
        Transition {
            next: self.next,
            entry,
            sends: self.sends,
            announcement,
        }
    }

    /// Every step took effect, so the saga is completed, whatever its output closure does.
    fn conclude(&mut self) {
        match self.definition.output(&self.next.input, self.next.known()) {
            Ok(output) => self.next.output = output,
            Err(error) => self.trouble = Some(format!("there is no output: {error}")),
        }
    }
}

fn fly(direction: Direction, flight: Flight) -> Progress {
    match direction {
        Direction::Forward => Progress::Forward(flight),
        Direction::Compensate => Progress::Undoing(flight),
        Direction::Fence => Progress::Fencing(flight),
    }
}
