//! One saga in a bad world: messages are lost, repeated and late, handlers fail, the process that
//! publishes dies, operators cancel, rows are purged. Then a fair time comes, in which it must end.
//!
//! The world plays the part of everything around the state machine: it stores, publishes, delivers
//! and restarts as an orchestrator does. Every broken promise comes back as text.

mod always;
pub(crate) mod naive;
pub(crate) mod participant;
pub(crate) mod promises;
pub(crate) mod sabotage;
pub(crate) mod schedule;
pub(crate) mod spec;
mod standing;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sagas::machine::{
    Blocked, CONFIRM_WITHIN, Entry, Event, Order, Progress, Reason, Reply, Saga, Send, Transition,
    Waits, transition_withholding,
};
use sagas::testkit::Intent;
use sagas::{Definition, Direction, Json, Outcome, Refusal, SagaId, Timestamp};
use uuid::Uuid;

use crate::invariants::{self, Broken, require};
use crate::script::order;
use participant::Participants;
use sabotage::Sabotage;
use schedule::Op;
use spec::Spec;

/// What was counted, so that a fault which never happens is noticed.
pub(crate) type Counts = BTreeMap<&'static str, u64>;

pub(crate) struct World<'a> {
    definition: &'a Definition,
    spec: &'a Spec,
    sabotage: Option<Sabotage>,
    saga: Saga,
    history: Vec<Entry>,
    now: Timestamp,
    /// Committed and not yet published; a crash loses it.
    outbox: Vec<Send>,
    /// Stored with the commit until published: a crash keeps it.
    notices: Vec<Send>,
    /// Steps whose last command is known to be published; a crash forgets it.
    published: BTreeSet<usize>,
    /// Commands that the broker holds, or held.
    at_broker: BTreeSet<(usize, Direction, u32)>,
    /// Flights that a wake found published, by step and instant of sending.
    confirmed: BTreeSet<(usize, Timestamp)>,
    /// Whether the command topic takes nothing.
    is_closed: bool,
    commands: Vec<Send>,
    replies: Vec<Reply>,
    participants: Participants,
    /// Every message that was ever sent, for the bytes and for the last repetition.
    sent: BTreeMap<(usize, Direction, u32), Send>,
    answered: Vec<Reply>,
    pub(crate) counts: Counts,
}

impl<'a> World<'a> {
    pub(crate) fn new(
        definition: &'a Definition,
        spec: &'a Spec,
        sabotage: Option<Sabotage>,
    ) -> Self {
        let id = SagaId(Uuid::from_u128(7));
        let now = Timestamp::default() + Duration::from_secs(100);
        Self {
            definition,
            spec,
            sabotage,
            saga: Saga::new(definition, id, Json::null(), now),
            history: Vec::new(),
            now,
            outbox: Vec::new(),
            notices: Vec::new(),
            published: BTreeSet::new(),
            at_broker: BTreeSet::new(),
            confirmed: BTreeSet::new(),
            is_closed: false,
            commands: Vec::new(),
            replies: Vec::new(),
            participants: Participants::new(spec, sabotage),
            sent: BTreeMap::new(),
            answered: Vec::new(),
            counts: Counts::new(),
        }
    }

    /// Starts the saga, does what the schedule says, and then is fair until it ends.
    pub(crate) fn play(&mut self, schedule: &[Op]) -> Result<(), Broken> {
        self.apply(&Event::Start)?;
        for op in schedule {
            self.now = self.now + Duration::from_millis(1);
            self.act(*op)?;
        }
        self.be_fair()?;
        promises::check(self.definition, self.spec, &self.saga, &self.participants)?;
        self.count(self.saga.status().as_str());
        self.a_person_ends_it()?;
        self.repeat_everything()?;
        promises::check(self.definition, self.spec, &self.saga, &self.participants)
    }

    /// Whatever a saga waits for, a person's orders bring it to its end.
    fn a_person_ends_it(&mut self) -> Result<(), Broken> {
        for _ in 0..=self.spec.steps.len() * 2 {
            let steps = self.saga.moving.steps.iter();
            let parked = steps
                .enumerate()
                .filter(|(_, progress)| matches!(progress, Progress::Parked(_)))
                .map(|(step, _)| step);
            let parked: Vec<usize> = parked.collect();
            if parked.is_empty() {
                break;
            }
            for step in parked {
                let intent = if self.saga.is_unwinding() {
                    Intent::Resolve(step)
                } else {
                    Intent::Skip(step)
                };
                self.now = self.now + Duration::from_millis(1);
                let order = self.order(intent);
                self.apply(&Event::Order(order))?;
            }
            self.be_fair()?;
        }
        require(
            self.saga.status().is_terminal(),
            &format!("no person can end it: {:#?}", self.saga.moving),
        )
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    fn act(&mut self, op: Op) -> Result<(), Broken> {
        match op {
            Op::Publish => self.publish(),
            Op::Deliver { which, keep, fails } => {
                if let Some(command) = take(&mut self.commands, which, keep) {
                    self.count(if keep { "command repeated" } else { "command" });
                    self.handle(&command, fails);
                }
            }
            Op::LoseCommand { which } => {
                if take(&mut self.commands, which, false).is_some() {
                    self.count("command lost");
                }
            }
            Op::Answer { which, keep } => {
                if let Some(reply) = take(&mut self.replies, which, keep) {
                    self.count(if keep { "reply repeated" } else { "reply" });
                    self.apply(&Event::Reply(reply))?;
                }
            }
            Op::LoseReply { which } => {
                if take(&mut self.replies, which, false).is_some() {
                    self.count("reply lost");
                }
            }
            Op::Wake { later } => {
                self.now = self.now + later;
                self.wake()?;
            }
            Op::ClockBack { by } => self.now = self.now - by,
            Op::Cancel { number } => self.apply(&Event::Order(order(&number.to_string())))?,
            Op::Order { intent, which } => {
                let step = usize::from(which) % self.spec.steps.len();
                let order = self.order(intent.about(step));
                self.apply(&Event::Order(order))?;
            }
            Op::Crash => self.crash()?,
            Op::Close => self.is_closed = true,
            Op::Open { tells } => {
                self.is_closed = false;
                if tells {
                    self.wake()?;
                }
            }
            Op::Purge => {
                self.count("purge");
                self.participants.purge();
            }
        }
        Ok(())
    }

    /// An order with an id of its own.
    fn order(&self, intent: Intent) -> Order {
        let json = |text: String| Json::parse(text).expect("it is JSON");
        let kind = intent.order_kind(
            Spec::name,
            |step| json(format!(r#"{{"step":{step},"seen":[99]}}"#)),
            |step| Some(json(format!(r#"{{"step":{step}}}"#))),
        );
        Order {
            kind,
            ..order(&(1000 + self.history.len()).to_string())
        }
    }

    fn publish(&mut self) {
        for notice in self.notices.drain(..) {
            self.commands.push(notice);
        }
        for send in self.outbox.drain(..) {
            self.published.insert(send.step);
            self.at_broker
                .insert((send.step, send.direction, send.generation));
            self.commands.push(send);
        }
    }

    fn handle(&mut self, command: &Send, fails: bool) {
        let (mut outcome, mut payload) = self.participants.handle(command, fails);
        // What it says is broken on the way; it did what it did.
        if fails && command.attempt.is_multiple_of(2) {
            self.participants.handle(command, false);
            (outcome, payload) = (Outcome::Failed, participant::unreadable());
            self.count("unreadable");
        }
        let reply = Reply {
            step: self.definition.steps()[command.step].name.clone(),
            direction: command.direction,
            generation: command.generation,
            attempt: command.attempt,
            outcome,
            payload,
        };
        self.count(outcome.as_str());
        self.answered.push(reply.clone());
        self.replies.push(reply);
    }

    /// The process dies: what it had not published is gone, and so is all that it knew by heart.
    fn crash(&mut self) -> Result<(), Broken> {
        self.count(if self.outbox.is_empty() {
            "crash"
        } else {
            "crash with unsent"
        });
        self.outbox.clear();
        self.published.clear();
        self.saga = invariants::restore(self.definition, &self.saga, &self.history)?;
        Ok(())
    }

    fn wake(&mut self) -> Result<(), Broken> {
        let in_flight = self.flights().map(|(step, _, _)| step);
        let published = in_flight
            .into_iter()
            .all(|step| self.published.contains(&step));
        if published {
            let now = self.now;
            let confirmed: Vec<_> = self
                .flights()
                .filter(|(_, sent_at, _)| *sent_at + CONFIRM_WITHIN <= now)
                .map(|(step, sent_at, _)| (step, sent_at))
                .collect();
            self.confirmed.extend(confirmed);
        }
        self.apply(&Event::Wake { published })
    }

    /// Participants whose topics take nothing.
    fn closed(&self) -> &'static [&'static str] {
        if self.is_closed {
            &[spec::PARTICIPANT]
        } else {
            &[]
        }
    }

    /// Flights that wait for a reply and are not withheld: step, instant of sending, due instant.
    fn flights(&self) -> impl Iterator<Item = (usize, Timestamp, Timestamp)> + '_ {
        let steps = self.saga.moving.steps.iter().enumerate();
        steps.filter_map(|(step, progress)| {
            let flight = progress.flight()?;
            let waits = flight.waits == Waits::Reply && flight.withheld_since.is_none();
            waits.then_some((step, flight.sent_at, flight.due_at))
        })
    }

    /// One event through the door, stored and put into the outbox.
    fn apply(&mut self, event: &Event) -> Result<(), Broken> {
        if let Some(sabotage) = self.sabotage {
            sabotage.spoil_the_stored(&mut self.saga);
        }
        let definition = self.definition;
        let blocked = Blocked {
            participants: self.closed(),
            ..Blocked::default()
        };
        let event_again = event.clone();
        let decided =
            transition_withholding(definition, &self.saga, event_again, self.now, blocked);
        if self.sabotage.is_none() {
            self.agrees_with_the_naive(event, decided.as_ref())?;
        }
        let mut transition = match decided {
            Ok(transition) => transition,
            Err(Refusal::NothingDue { wake_at }) => {
                self.saga.wake_at = wake_at;
                return self.wake_is_not_late();
            }
            Err(_) => {
                self.count("refused");
                return Ok(());
            }
        };
        self.history.push(transition.entry.clone());
        if let Some(sabotage) = self.sabotage {
            sabotage.spoil(event, &self.saga, &mut transition, &mut self.history);
        }
        invariants::check(self.definition, &self.saga, &transition, &self.history)?;
        self.the_pivot_was_settled(event, &transition)?;
        self.every_answer_was_read(&transition)?;
        self.count_what_is_new(&transition);
        self.saga = transition.next;
        self.notices.extend(transition.notices);
        for send in transition.sends {
            let key = (send.step, send.direction, send.generation);
            let first = self.sent.entry(key).or_insert_with(|| send.clone());
            require(
                first.payload == send.payload,
                "one command was sent with other bytes",
            )?;
            self.published.remove(&send.step);
            self.outbox.push(send);
        }
        self.what_was_published_is_there()?;
        self.wake_is_not_late()
    }

    /// A second implementation of the rules comes to the same; an order that is refused aside.
    fn agrees_with_the_naive(
        &self,
        event: &Event,
        decided: Result<&Transition, &Refusal>,
    ) -> Result<(), Broken> {
        let is = decided.map_or(&self.saga, |transition| &transition.next);
        let ended = self.saga.status().is_terminal();
        if decided.is_err() && (ended || matches!(event, Event::Order(_) | Event::Start)) {
            return Ok(());
        }
        let expected = naive::after(self.spec, &self.saga, event, self.now, self.is_closed);
        let is = (standing::steps(is), is.is_unwinding());
        require(
            is == expected,
            &format!("{event:?} makes it\n{is:?}, the naive rules\n{expected:?}"),
        )
    }

    fn count_what_is_new(&mut self, transition: &Transition) {
        let Transition { next, entry, .. } = transition;
        if let Some(order) = &entry.order {
            self.count(order.kind.name().as_str());
        }
        if !entry.withheld.is_empty() {
            self.count("withheld");
        }
        if entry.late {
            self.count("recorded as late");
        }
        if !entry.skipped.is_empty() {
            self.count("condition does not hold");
        }
        if !transition.notices.is_empty() {
            self.count("notice");
        }
        if entry.substitute.is_some() && entry.direction == Some(Direction::Fence) {
            self.count("done by hand after a fence");
        }
        if matches!(next.moving.reason, Some(Reason::DeadlinePassed { .. })) {
            self.count("deadline passed");
        }
        if next.moving.overdue_since.is_some() {
            self.count("overdue");
        }
    }

    /// Nothing is lost and nothing fails any more, until nothing is left to do.
    fn be_fair(&mut self) -> Result<(), Broken> {
        /// Eight steps, forward and back, with a wake between any two, end far below.
        const ROUNDS_MAX: usize = 500;
        self.is_closed = false;
        if self.saga.moving.paused.is_some() {
            let order = self.order(Intent::Resume);
            self.apply(&Event::Order(order))?;
        }
        for _ in 0..ROUNDS_MAX {
            self.publish();
            for command in std::mem::take(&mut self.commands) {
                self.handle(&command, false);
            }
            for reply in std::mem::take(&mut self.replies) {
                self.apply(&Event::Reply(reply))?;
            }
            if !self.outbox.is_empty() || !self.notices.is_empty() {
                continue;
            }
            let Some(wake_at) = self.saga.wake_at else {
                return Ok(());
            };
            let waits_for_nothing = self.saga.moving.steps.iter().all(|s| s.flight().is_none());
            if waits_for_nothing {
                return Ok(());
            }
            self.now = self.now.max(wake_at);
            self.wake()?;
        }
        Err(format!("the saga does not end: {:#?}", self.saga.moving))
    }

    /// Whatever was ever on the way arrives once more, in two orders; an ended saga and its
    /// participants stay as they are.
    fn repeat_everything(&mut self) -> Result<(), Broken> {
        if !self.saga.status().is_terminal() {
            return Ok(());
        }
        let (saga, effects) = (self.saga.clone(), self.participants.effects.clone());
        let commands: Vec<Send> = self.sent.values().cloned().collect();
        for command in commands.iter().chain(commands.iter().rev()) {
            self.handle(command, false);
        }
        require(
            self.participants.effects == effects,
            "a late command took effect after the end",
        )?;
        for reply in std::mem::take(&mut self.answered) {
            self.apply(&Event::Reply(reply))?;
        }
        self.now = self.now + Duration::from_secs(3600);
        self.apply(&Event::Wake { published: false })?;
        self.apply(&Event::Start)?;
        self.apply(&Event::Order(order("99")))?;
        let intents = [
            Intent::Pause,
            Intent::Edit(0),
            Intent::Skip(0),
            Intent::Resolve(0),
        ];
        for intent in intents {
            let order = self.order(intent);
            self.apply(&Event::Order(order))?;
        }
        require(saga == self.saga, "an ended saga changed")
    }
}

/// Takes the message that `which` points at out of the list, or copies it.
fn take<T: Clone>(messages: &mut Vec<T>, which: u8, keep: bool) -> Option<T> {
    let index = usize::from(which).checked_rem(messages.len())?;
    if keep {
        messages.get(index).cloned()
    } else {
        Some(messages.remove(index))
    }
}
