//! One saga with everything around it: participants, what is on the way, and a virtual clock.
//!
//! [`Run::advance`] does one thing at a time (a delivery, a reply, a wake), so that a case can
//! stop at every point, clone the run and go another way. After each, everything is checked that
//! holds at any time.

use std::collections::VecDeque;

use uuid::Uuid;

use super::closures;
use super::failure::Failure;
use super::invariants::{self, Broken, require};
use super::participants::{Participants, Verdict};
use super::person::Remedy;
use super::promises;
use super::script::{self, Script};
use super::subject::Subject;
use crate::direction::{Direction, Outcome};
use crate::fault::Fault;
use crate::id::{OrderId, SagaId};
use crate::json::Json;
use crate::machine::{
    Entry, Event, Order, OrderKind, Progress, Refusal, Reply, Saga, Send, Status, Transition,
};
use crate::time::Timestamp;

/// More than any case needs: 64 steps, forward and back, with the attempts of one of them used up.
const MOVES_MAX: usize = 20_000;

/// What the world does to the saga beside being fair.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Plan {
    /// The step whose participant refuses it.
    pub(super) refuses: Option<usize>,
    /// The step whose compensation its participant refuses, the first time.
    pub(super) refuses_to_undo: Option<usize>,
    /// What a person does about that.
    pub(super) remedy: Remedy,
    /// The step whose participant is not heard for a while.
    pub(super) quiet: Option<Quiet>,
    /// Every command and every reply is delivered twice.
    pub(super) twice: bool,
}

/// A participant that is not heard.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quiet {
    pub(super) step: usize,
    pub(super) direction: Direction,
    pub(super) how: How,
    /// For so many attempts.
    pub(super) attempts: u32,
}

/// Why it is not heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// The command never arrives.
    LosesCommands,
    /// It takes effect, but its answer never arrives.
    LosesReplies,
    /// It answers that it does not work now.
    Fails,
}

#[derive(Clone)]
pub(super) struct Run<'a> {
    pub(super) subject: &'a Subject<'a>,
    pub(super) saga: Saga,
    history: Vec<Entry>,
    pub(super) now: Timestamp,
    pub(super) participants: Participants,
    /// On their way.
    pub(super) commands: VecDeque<Send>,
    pub(super) replies: VecDeque<Reply>,
    /// Every command that was ever sent, each once, and every answer.
    pub(super) sent: Vec<Send>,
    pub(super) answered: Vec<Reply>,
    /// How often a person had to decide.
    pub(super) helped: usize,
    /// The process has died, so nobody knows what was published.
    has_crashed: bool,
    /// Whether every transition is restored, rebuilt and decided twice. That costs ten times what a
    /// transition does, and is left out where only the end counts.
    pub(super) is_thorough: bool,
    script: Script,
}

impl<'a> Run<'a> {
    pub(super) fn new(subject: &'a Subject<'a>) -> Self {
        let id = SagaId(Uuid::from_u128(7));
        let now = Timestamp::default();
        Self {
            subject,
            saga: Saga::new(subject.definition, id, subject.input.clone(), now),
            history: Vec::new(),
            now,
            participants: Participants::new(subject.definition.steps().len()),
            commands: VecDeque::new(),
            replies: VecDeque::new(),
            sent: Vec::new(),
            answered: Vec::new(),
            helped: 0,
            has_crashed: false,
            is_thorough: true,
            script: Script::default(),
        }
    }

    /// Plays a case; a promise that it breaks becomes a failure with the script.
    pub(super) fn case(
        &mut self,
        name: &dyn Fn() -> String,
        play: impl FnOnce(&mut Self) -> Result<(), Broken>,
    ) -> Result<(), Failure> {
        play(self).map_err(|broken| Failure {
            definition: self.subject.definition.name().to_owned(),
            case: name(),
            broken,
            script: self.script.text(),
        })
    }

    /// Starts, goes on to the end, and repeats everything there.
    pub(super) fn play(&mut self, plan: &Plan) -> Result<(), Broken> {
        self.apply(&Event::Start)?;
        self.go_on(plan)
    }

    /// Goes on to the end.
    pub(super) fn go_on(&mut self, plan: &Plan) -> Result<(), Broken> {
        self.settle(plan)?;
        self.repeat_everything()
    }

    /// Goes on until nothing is left to do, which must be an end.
    pub(super) fn settle(&mut self, plan: &Plan) -> Result<(), Broken> {
        let mut moves = 0;
        while self.advance(plan)? || self.help(plan)? {
            moves += 1;
            require(moves < MOVES_MAX, "the saga goes on and on without an end")?;
        }
        promises::at_the_end(self.subject.definition, &self.saga, &self.participants)
    }

    /// Does the next thing; `false` when there is none.
    pub(super) fn advance(&mut self, plan: &Plan) -> Result<bool, Broken> {
        if let Some(command) = self.commands.pop_front() {
            for _ in 0..if plan.twice { 2 } else { 1 } {
                self.arrive(plan, &command)?;
            }
            return Ok(true);
        }
        if let Some(reply) = self.replies.pop_front() {
            for _ in 0..if plan.twice { 2 } else { 1 } {
                self.apply(&Event::Reply(reply.clone()))?;
            }
            return Ok(true);
        }
        let is_waiting = self
            .saga
            .moving
            .steps
            .iter()
            .any(|step| step.flight().is_some());
        let Some(wake_at) = self.saga.wake_at.filter(|_| is_waiting) else {
            return Ok(false);
        };
        self.now = self.now.max(wake_at);
        let published = !self.has_crashed;
        self.apply(&Event::Wake { published })?;
        Ok(true)
    }

    /// A command arrives, unless the plan says otherwise.
    fn arrive(&mut self, plan: &Plan, command: &Send) -> Result<(), Broken> {
        let is_quiet = |quiet: &Quiet| {
            (quiet.step, quiet.direction) == (command.step, command.direction)
                && command.attempt <= quiet.attempts
        };
        let refuses = match command.direction {
            Direction::Forward => plan.refuses,
            Direction::Compensate => plan.refuses_to_undo,
            Direction::Fence => None,
        };
        let verdict = if refuses == Some(command.step) {
            Verdict::Refuses
        } else {
            Verdict::Accepts
        };
        match plan.quiet.filter(is_quiet).map(|quiet| quiet.how) {
            None => self.deliver(command, verdict),
            Some(How::LosesCommands) => {
                self.note(command, "is lost");
                Ok(())
            }
            Some(How::LosesReplies) => {
                self.deliver(command, verdict)?;
                self.replies.pop_back();
                self.note(command, "its answer is lost");
                Ok(())
            }
            Some(How::Fails) => {
                let fault = Fault::new("unavailable", "the kit has this step fail").to_json();
                let payload = Json::parse(fault).expect("a fault is JSON");
                self.answer(command, Outcome::Failed, payload);
                Ok(())
            }
        }
    }

    /// The participant gets a command and answers.
    pub(super) fn deliver(&mut self, command: &Send, verdict: Verdict) -> Result<(), Broken> {
        let (outcome, payload) = self.participants.handle(self.subject, command, verdict);
        self.answer(command, outcome, payload);
        promises::at_any_time(self.subject.definition, &self.saga, &self.participants)
    }

    fn answer(&mut self, command: &Send, outcome: Outcome, payload: Json) {
        self.note(command, &format!("{outcome} {}", payload.text()));
        let reply = Reply {
            step: self.subject.name(command.step).to_owned(),
            direction: command.direction,
            generation: command.generation,
            attempt: command.attempt,
            outcome,
            payload,
        };
        if !self.answered.contains(&reply) {
            self.answered.push(reply.clone());
        }
        self.replies.push_back(reply);
    }

    fn note(&mut self, command: &Send, outcome: &str) {
        let what = script::command(self.subject.definition, command);
        let participant = self.subject.definition.steps()[command.step].participant;
        self.script
            .push(self.now, &format!("{participant} gets {what}"), outcome);
    }

    /// One event through the door: decided, checked, stored, published.
    pub(super) fn apply(&mut self, event: &Event) -> Result<(), Broken> {
        let definition = self.subject.definition;
        let decide =
            || (self.subject.rules.transition)(definition, &self.saga, event.clone(), self.now);
        let decided = decide();
        if let Some(outcome) = script::outcome(definition, &decided) {
            self.script.push(self.now, &script::event(event), &outcome);
        }
        if self.is_thorough {
            closures::decide_alike(&decided, &decide())?;
        }
        let transition = match decided {
            Ok(transition) => transition,
            Err(Refusal::NothingDue { wake_at }) => {
                self.saga.wake_at = wake_at;
                return Ok(());
            }
            Err(_) => return Ok(()),
        };
        self.subject.count(&transition);
        closures::all_gave_a_value(self.subject, &transition, |step, trouble| {
            self.may_wait(step, trouble)
        })?;
        self.a_paused_saga_rests(event, &transition)?;
        self.the_pivot_was_settled(event, &transition.next)?;
        self.history.push(transition.entry.clone());
        if self.is_thorough {
            invariants::check(definition, &self.saga, &transition, &self.history)?;
            closures::rebuild(self.subject, &transition.next)?;
        }
        self.store(transition);
        Ok(())
    }

    /// Takes the next state, and puts on the way what it sends.
    fn store(&mut self, transition: Transition) {
        self.saga = transition.next;
        for send in transition.sends.into_iter().chain(transition.notices) {
            let is_known = self.sent.iter().any(|sent| {
                (sent.step, sent.direction, sent.generation)
                    == (send.step, send.direction, send.generation)
            });
            if !is_known {
                self.sent.push(send.clone());
            }
            self.commands.push_back(send);
        }
    }

    /// Promise 5: with the pivot's command in flight, only a definite answer turns the saga back.
    fn the_pivot_was_settled(&self, event: &Event, next: &Saga) -> Result<(), Broken> {
        let Some(pivot) = self.subject.definition.pivot() else {
            return Ok(());
        };
        let was_open = self.saga.moving.steps[pivot].flight().is_some();
        let turned_back = !self.saga.is_unwinding() && next.is_unwinding();
        let is_answer =
            matches!(event, Event::Reply(reply) if reply.step == self.subject.name(pivot));
        require(
            !(was_open && turned_back) || is_answer,
            "the saga turned back while the pivot might still take effect",
        )
    }

    /// The process dies. What it had not published is lost, what the participants have to say is
    /// not; the saga comes back from what is stored.
    pub(super) fn crash(&mut self, loses_commands: bool) -> Result<(), Broken> {
        let what = if loses_commands {
            "crash before publishing"
        } else {
            "crash"
        };
        self.script.push(self.now, what, "");
        if loses_commands {
            self.lose_commands();
        }
        self.has_crashed = true;
        self.comes_back()
    }

    /// The saga that is stored is the one that is here.
    pub(super) fn comes_back(&mut self) -> Result<(), Broken> {
        let restored = invariants::restore(self.subject.definition, &self.saga, &self.history)?;
        if restored != self.saga {
            return Err("the saga comes back from its store as another".to_owned());
        }
        self.saga = restored;
        Ok(())
    }

    /// What is on the way is lost; notices are stored until they are published.
    pub(super) fn lose_commands(&mut self) {
        let steps = self.subject.definition.steps();
        self.commands
            .retain(|send| !steps[send.step].kind.is_awaited());
    }

    /// The participant of a step drops its rows.
    pub(super) fn purge(&mut self, step: usize) {
        self.participants.purge(step);
        let what = format!("the inbox of {} is purged", self.subject.name(step));
        self.script.push(self.now, &what, "");
    }

    /// An operator cancels, always with the same order.
    pub(super) fn cancel(&mut self) -> Result<(), Broken> {
        self.apply(&Event::Order(Order {
            id: OrderId(Uuid::from_u128(1)),
            actor: "operator".to_owned(),
            reason: "the kit cancels".to_owned(),
            kind: OrderKind::Cancel,
        }))
    }

    /// Time passes until `at`, and what is due then is done.
    pub(super) fn pass_until(&mut self, at: Timestamp) -> Result<(), Broken> {
        self.now = self.now.max(at);
        self.apply(&Event::Wake { published: true })
    }

    /// Nobody hears of a step that may be given up on, until its attempts are used up: the state
    /// that follows is put there at once, without the attempts between.
    pub(super) fn stay_silent(&mut self, step: usize) -> Result<(), Broken> {
        let last = self.subject.definition.steps()[step].retry.max_attempts;
        if let Progress::Forward(flight) = &mut self.saga.moving.steps[step] {
            flight.attempt = flight.attempt.max(last);
            flight.due_at = self.now;
        }
        let what = format!("no answer of {} in all attempts", self.subject.name(step));
        self.script.push(self.now, &what, "");
        self.apply(&Event::Wake { published: true })
    }

    /// Whether an answer that was given before would change the saga now.
    pub(super) fn is_news(&self, answered: usize) -> bool {
        let event = Event::Reply(self.answered[answered].clone());
        (self.subject.rules.transition)(self.subject.definition, &self.saga, event, self.now)
            .is_ok()
    }

    /// Everything that was ever on the way arrives once more: nothing changes any more.
    fn repeat_everything(&mut self) -> Result<(), Broken> {
        let (saga, effects) = (self.saga.clone(), self.participants.effects.clone());
        self.script
            .push(self.now, "everything arrives once more", "");
        let sent = self.sent.clone();
        for command in sent.iter().chain(sent.iter().rev()) {
            self.deliver(command, Verdict::Accepts)?;
            require(
                self.participants.effects == effects,
                "a command took effect after the saga's end",
            )?;
        }
        for reply in std::mem::take(&mut self.replies)
            .into_iter()
            .chain(self.answered.clone())
        {
            self.apply(&Event::Reply(reply))?;
        }
        self.apply(&Event::Wake { published: false })?;
        self.cancel()?;
        let same = Saga {
            wake_at: self.saga.wake_at,
            ..saga
        };
        require(same == self.saga, "an ended saga changed")
    }

    /// Whether the saga has ended so.
    pub(super) fn ended(&self, status: Status) -> Result<(), Broken> {
        let is = self.saga.status();
        require(
            is == status,
            &format!("the saga should be {status}, but it is {is}"),
        )
    }

    /// How far a step has come.
    pub(super) fn progress(&self, step: usize) -> &Progress {
        &self.saga.moving.steps[step]
    }
}
