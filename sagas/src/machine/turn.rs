//! A transition under construction: the next state, and what is to be sent.
//!
//! Every rule works on a `Turn`; [`Turn::finish`] is the only way out of it. There the revision
//! grows by one, the wake is set, and a change of status is announced under the next number.

use super::entry::{Entry, EntryKind, Sent};
use super::order::Order;
use super::point::{Point, point_of_no_return};
use super::progress::{Fence, Flight, Progress, Purpose, Trouble, Waits};
use super::saga::{Paper, Reason, Saga, Status};
use super::{Announcement, Blocked, Send, Transition, forward, unwind, wake};
use crate::definition::{Definition, StepKind};
use crate::direction::Direction;
use crate::json::Json;
use crate::retry::RetryPolicy;
use crate::sabotage::{Bug, is_seeded};
use crate::time::Timestamp;

pub(super) struct Turn<'a> {
    pub(super) definition: &'a Definition,
    pub(super) before: &'a Saga,
    pub(super) next: Saga,
    pub(super) now: Timestamp,
    blocked: Blocked<'a>,
    sends: Vec<Send>,
    notices: Vec<Send>,
    sent: Vec<Sent>,
    skipped: Vec<String>,
    /// Steps whose forward command was withheld, and is of no use any more.
    dropped: Vec<usize>,
    /// Steps whose command is sent once more, because its topic may not have taken it.
    excused: Vec<String>,
    substitute: Option<Json>,
    trouble: Option<String>,
}

impl<'a> Turn<'a> {
    pub(super) fn new(
        definition: &'a Definition,
        before: &'a Saga,
        now: Timestamp,
        blocked: Blocked<'a>,
    ) -> Self {
        Self {
            definition,
            before,
            next: before.clone(),
            now,
            blocked,
            sends: Vec::new(),
            notices: Vec::new(),
            sent: Vec::new(),
            skipped: Vec::new(),
            dropped: Vec::new(),
            excused: Vec::new(),
            substitute: None,
            trouble: None,
        }
    }

    pub(super) fn progress(&self, step: usize) -> &Progress {
        &self.next.moving.steps[step]
    }

    pub(super) fn set(&mut self, step: usize, progress: Progress) {
        self.next.moving.steps[step] = progress;
    }

    pub(super) fn policy(&self, step: usize) -> &'a RetryPolicy {
        &self.definition.steps()[step].retry
    }

    pub(super) fn name(&self, step: usize) -> String {
        self.definition.steps()[step].name.clone()
    }

    /// Puts the next generation of a step's command in flight: its bytes are fixed here, for good.
    pub(super) fn launch_forward(&mut self, step: usize, payload: Json) {
        let flight = self.flight(
            step,
            next_generation(self.next.papers[step].forward.as_ref()),
        );
        self.next.papers[step].forward = Some(paper(&flight, &payload));
        let flight = self.push(step, Direction::Forward, flight, payload, true);
        self.set(step, Progress::Forward(flight));
    }

    /// The same for its compensation.
    pub(super) fn launch_compensation(&mut self, step: usize, payload: Json) {
        let generation = next_generation(self.next.papers[step].compensation.as_ref());
        let flight = self.flight(step, generation);
        self.next.papers[step].compensation = Some(paper(&flight, &payload));
        let flight = self.push(step, Direction::Compensate, flight, payload, true);
        self.set(step, Progress::Compensating(flight));
    }

    /// Asks the participant to make the step final; the order is applied once it has answered.
    pub(super) fn launch_fence(&mut self, step: usize, purpose: Purpose, order: &Order) {
        self.next.papers[step].fences += 1;
        let flight = self.flight(step, self.next.papers[step].fences);
        let order = order.id;
        self.fence(
            step,
            Fence {
                flight,
                purpose,
                order,
            },
        );
    }

    fn fence(&mut self, step: usize, mut fence: Fence) {
        self.set(step, Progress::Fencing(fence.clone()));
        let bytes = Json::null();
        fence.flight = self.push(step, Direction::Fence, fence.flight, bytes, false);
        self.set(step, Progress::Fencing(fence));
    }

    /// Sends a command that nobody answers; it is done once it is stored.
    pub(super) fn notify(&mut self, step: usize, payload: Json) {
        let flight = self.flight(step, 1);
        self.next.papers[step].forward = Some(paper(&flight, &payload));
        let notice = self.send(step, Direction::Forward, &flight, payload, true);
        self.notices.push(notice);
        self.next.replies[step] = Some(Json::null());
        self.set(step, Progress::Done);
    }

    fn flight(&self, step: usize, generation: u32) -> Flight {
        Flight {
            generation,
            attempt: 1,
            sent_at: self.now,
            due_at: self.now + self.policy(step).reply_wait(1),
            waits: Waits::Reply,
            was_published: false,
            withheld_since: None,
            exhausted_since: None,
            failure: None,
            unreadable: None,
        }
    }

    /// Sends what is in flight once more, under the same id, as a new attempt. `was_published`: the broker
    /// is known to hold an earlier one.
    pub(super) fn try_again(&mut self, step: usize, was_published: bool) {
        let policy = *self.policy(step);
        let Some(flight) = self.progress(step).flight().cloned() else {
            return;
        };
        let exhausted = policy.is_last(flight.attempt).then_some(self.now);
        let attempt = flight.attempt + 1;
        self.send_again(
            step,
            Flight {
                attempt,
                sent_at: self.now,
                due_at: self.now + policy.reply_wait(attempt),
                waits: Waits::Reply,
                was_published,
                exhausted_since: flight.exhausted_since.or(exhausted),
                ..flight
            },
        );
    }

    /// Sends what is in flight once more, as the same attempt: nobody knows whether it was published.
    pub(super) fn repeat(&mut self, step: usize) {
        let now = self.now;
        let Some(flight) = self.progress(step).flight().cloned() else {
            return;
        };
        self.send_again(
            step,
            Flight {
                sent_at: now,
                ..flight
            },
        );
    }

    /// Keeps what is in flight back until its topic takes something.
    pub(super) fn withhold(&mut self, step: usize) {
        let now = self.now;
        if let Progress::Forward(flight)
        | Progress::Compensating(flight)
        | Progress::Fencing(Fence { flight, .. }) = &mut self.next.moving.steps[step]
        {
            flight.withheld_since.get_or_insert(now);
        }
    }

    /// As [`Turn::repeat`], with the whole time for an answer before it.
    pub(super) fn repeat_afresh(&mut self, step: usize) {
        let Some(flight) = self.progress(step).flight().cloned() else {
            return;
        };
        let due_at = self.now + self.policy(step).reply_wait(flight.attempt);
        let sent_at = self.now;
        self.send_again(
            step,
            Flight {
                sent_at,
                due_at,
                ..flight
            },
        );
    }

    /// Sends the newest forward command again, although nothing of the step is in flight.
    pub(super) fn ask_again(&mut self, step: usize) {
        if let Some(paper) = self.next.papers[step].forward.clone() {
            let flight = self.flight(step, paper.generation);
            let flight = self.push(step, Direction::Forward, flight, paper.payload, false);
            self.set(step, Progress::Forward(flight));
        }
    }

    fn send_again(&mut self, step: usize, flight: Flight) {
        let papers = &self.next.papers[step];
        let bytes = |paper: &Option<Paper>| {
            let payload = paper.as_ref().map(|paper| paper.payload.clone());
            payload.expect("what is in flight has its bytes: restore checks it")
        };
        match self.progress(step) {
            Progress::Forward(_) => {
                let mut payload = bytes(&papers.forward);
                if is_seeded(Bug::ChangesBytes) {
                    payload = Json::null();
                }
                let flight = self.push(step, Direction::Forward, flight, payload, false);
                self.set(step, Progress::Forward(flight));
            }
            Progress::Compensating(_) => {
                let payload = bytes(&papers.compensation);
                let flight = self.push(step, Direction::Compensate, flight, payload, false);
                self.set(step, Progress::Compensating(flight));
            }
            Progress::Fencing(fence) => {
                let fence = Fence {
                    flight,
                    ..fence.clone()
                };
                self.fence(step, fence);
            }
            Progress::Idle
            | Progress::Done
            | Progress::Skipped
            | Progress::ByHand
            | Progress::Rejected(_)
            | Progress::Unknown
            | Progress::Compensated
            | Progress::Parked(_) => {}
        }
    }

    /// Sends the command of a flight, or withholds it while its topic takes nothing. A saga that is paused
    /// sends nothing whatever its topics take.
    fn push(
        &mut self,
        step: usize,
        direction: Direction,
        flight: Flight,
        bytes: Json,
        new: bool,
    ) -> Flight {
        let withholds = self.is_closed(step) && self.next.moving.paused.is_none();
        let send = self.send(step, direction, &flight, bytes, new);
        if !withholds {
            self.sends.push(send);
        }
        Flight {
            withheld_since: withholds.then(|| flight.withheld_since.unwrap_or(self.now)),
            ..flight
        }
    }

    /// Whether the command topic of the step's participant takes nothing.
    pub(super) fn is_closed(&self, step: usize) -> bool {
        let participant = self.definition.steps()[step].participant;
        self.blocked.participants.contains(&participant)
    }

    /// Whether the step's command was sent before its topic took something again.
    pub(super) fn was_closed(&self, step: usize) -> bool {
        self.blocked.steps.contains(&step)
    }

    /// Sends the command of a flight once more, as the same attempt, because its topic may not have taken it.
    pub(super) fn excuse(&mut self, step: usize) {
        let name = self.name(step);
        self.excused.push(name);
        self.repeat_afresh(step);
    }

    /// Notes a command in the history, and gives it back.
    fn send(
        &mut self,
        step: usize,
        direction: Direction,
        flight: &Flight,
        bytes: Json,
        new: bool,
    ) -> Send {
        let (generation, attempt) = (flight.generation, flight.attempt);
        let fences_compensation = direction == Direction::Fence
            && self.progress(step).fence_purpose() == Some(Purpose::Resolve);
        self.sent.push(Sent {
            step: self.name(step),
            direction,
            generation,
            attempt,
            fences_compensation,
            payload: new.then(|| bytes.clone()),
        });
        Send {
            step,
            direction,
            generation,
            attempt,
            fences_compensation,
            payload: bytes,
        }
    }

    /// Whether a command is withheld that can be sent now.
    pub(super) fn has_something_to_release(&self) -> bool {
        let mut steps = 0..self.definition.steps().len();
        self.next.moving.paused.is_none() && steps.any(|step| self.is_to_release(step))
    }

    fn is_to_release(&self, step: usize) -> bool {
        let flight = self.progress(step).flight();
        let is_withheld = flight.is_some_and(|flight| flight.withheld_since.is_some());
        is_withheld && (!self.is_closed(step) || self.is_of_no_use(step))
    }

    /// Whether the command is a forward one, and the saga turns back: it is compensated instead of sent.
    pub(super) fn is_of_no_use(&self, step: usize) -> bool {
        self.next.is_unwinding() && matches!(self.progress(step), Progress::Forward(_))
    }

    /// Sends what was withheld and can be sent now.
    fn release(&mut self) {
        for step in 0..self.definition.steps().len() {
            if self.is_to_release(step) {
                if self.is_of_no_use(step) {
                    let name = self.name(step);
                    self.sent.retain(|sent| sent.step != name);
                    if self.is_closed(step) {
                        self.dropped.push(step);
                    }
                    self.set(step, Progress::Unknown);
                } else {
                    self.repeat_afresh(step);
                }
            }
        }
    }

    /// Names of the steps for which it mattered that their topics take nothing.
    fn withheld(&self) -> Vec<String> {
        let steps = self.next.moving.steps.iter().zip(self.definition.steps());
        let withheld = steps.enumerate().filter(|(step, (progress, _))| {
            let flight = progress.flight();
            let is_withheld = flight.is_some_and(|flight| flight.withheld_since.is_some());
            is_withheld || self.dropped.contains(step)
        });
        withheld.map(|(_, (_, step))| step.name.clone()).collect()
    }

    pub(super) fn park(&mut self, step: usize, trouble: Trouble) {
        self.set(step, Progress::Parked(trouble));
    }

    /// The condition of a step does not hold.
    pub(super) fn skip(&mut self, step: usize) {
        self.skipped.push(self.name(step));
        self.set(step, Progress::Skipped);
    }

    /// A person gives a reply in the participant's stead.
    pub(super) fn substitute(&mut self, step: usize, reply: Json) {
        self.next.replies[step] = Some(reply.clone());
        self.substitute = Some(reply);
    }

    /// Turns the saga back, unless it has turned back already: the first reason stays.
    pub(super) fn turn_back(&mut self, reason: Reason) {
        self.next.moving.reason.get_or_insert(reason);
    }

    /// Takes every step that is possible now, and closes the turn.
    pub(super) fn finish(mut self, entry: EntryKind) -> Transition {
        if self.next.is_unwinding() {
            unwind::let_go(&mut self);
            self.forget_what_was_let_go();
        }
        if self.next.moving.paused.is_none() {
            self.release();
        }
        if self.next.moving.paused.is_some() {
            // What an order has put in flight goes out when the saga is resumed.
            self.sends.clear();
        } else if self.next.is_unwinding() || self.undoes_unasked(entry) {
            unwind::undo_what_is_free(&mut self);
        } else {
            forward::start_what_is_ready(&mut self);
        }
        let (was, is) = (self.before.status(), self.next.status());
        if is == Status::Completed {
            self.conclude();
        }
        if is.is_terminal() {
            self.next.moving.paused = None;
            self.next.moving.overdue_since = None;
        }
        self.next.revision = self.before.revision + 1;
        if is_seeded(Bug::SkipsRevisions) && entry == EntryKind::Wake {
            self.next.revision += 1;
        }
        self.next.wake_at =
            wake::wake_at(self.definition, &self.next, self.before.wake_at, self.now);
        let announcement = if entry == EntryKind::Started {
            Some(Announcement::Started)
        } else {
            (was != is).then_some(Announcement::Entered(is))
        };
        self.next.moving.announced += u32::from(announcement.is_some());
        if is_seeded(Bug::NumbersEventsAnew) && entry == EntryKind::Order {
            self.next.moving.announced = u32::from(announcement.is_some());
        }
        Transition {
            entry: Entry {
                withheld: self.withheld(),
                excused: self.excused,
                sent: self.sent,
                skipped: self.skipped,
                substitute: self.substitute,
                output: self.next.output.clone(),
                trouble: self.trouble,
                ..Entry::of(entry, self.next.revision, self.now, is)
            },
            next: self.next,
            sends: self.sends,
            notices: self.notices,
            announcement,
        }
    }

    fn undoes_unasked(&self, entry: EntryKind) -> bool {
        is_seeded(Bug::UndoesUnasked)
            && entry == EntryKind::Wake
            && matches!(point_of_no_return(self), Point::Ahead)
            && self.has_compensations_for_all_effects()
    }

    /// Whether all that took effect could be compensated; the seeded bug is to send, not to panic.
    fn has_compensations_for_all_effects(&self) -> bool {
        let mut steps = self.definition.steps().iter().enumerate();
        steps.all(|(step, built)| {
            let progress = &self.next.moving.steps[step];
            built.kind == StepKind::Compensatable
                || !matches!(progress, Progress::Done | Progress::Unknown)
        })
    }

    /// A query that was sent in the turn that turns the saga back need not go out.
    fn forget_what_was_let_go(&mut self) {
        let is_in_flight = |step: usize| self.next.moving.steps[step].flight().is_some();
        self.sends.retain(|send| is_in_flight(send.step));
        let position = |name: &str| self.definition.position(name);
        self.sent
            .retain(|sent| position(&sent.step).is_some_and(is_in_flight));
    }

    /// Every step took effect, so the saga is completed, whatever its output closure does.
    fn conclude(&mut self) {
        match self.definition.output(&self.next.input, self.next.known()) {
            Ok(output) => self.next.output = output,
            Err(error) => self.trouble = Some(format!("there is no output: {error}")),
        }
    }
}

fn next_generation(newest: Option<&Paper>) -> u32 {
    newest.map_or(1, |paper| paper.generation + 1)
}

fn paper(flight: &Flight, payload: &Json) -> Paper {
    Paper {
        generation: flight.generation,
        payload: payload.clone(),
    }
}
