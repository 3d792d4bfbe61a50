//! The rules once more, written for clarity alone, to be held against the state machine.
//!
//! It knows no papers, revisions or wakes: only how each step stands, what happened, and then two
//! rules that are applied until nothing changes. It reads the world's [`Spec`], not the definition.

use std::time::Duration;

use sagas::machine::{CONFIRM_WITHIN, Event, Flight, OrderKind, Purpose, Reply, Saga, Waits};
use sagas::{Direction, Json, Outcome, StepKind, Timestamp};

use super::spec::{Condition, Fate, Spec};
use super::standing::{Step, Why, steps};

/// Whether an answer came that could not be used.
fn is_unreadable(payload: &Json) -> bool {
    payload.text().starts_with(r#"{"code":"unreadable-reply""#)
}

struct Naive<'a> {
    spec: &'a Spec,
    before: &'a Saga,
    steps: Vec<Step>,
    turned_back: bool,
    is_paused: bool,
    is_closed: bool,
}

/// How the steps stand after `event`, and whether the saga has turned back.
pub(crate) fn after(
    spec: &Spec,
    before: &Saga,
    event: &Event,
    now: Timestamp,
    is_closed: bool,
) -> (Vec<Step>, bool) {
    let mut naive = Naive {
        spec,
        before,
        steps: steps(before),
        turned_back: before.is_unwinding(),
        is_paused: before.moving.paused.is_some(),
        is_closed,
    };
    match event {
        Event::Start => {}
        Event::Reply(reply) => naive.reply(reply),
        Event::Wake { .. } if naive.is_paused => {}
        Event::Wake { published } => naive.wake(*published, now),
        Event::Order(order) => naive.order(&order.kind, now),
    }
    naive.forget_what_was_withheld();
    naive.settle();
    (naive.steps, naive.turned_back)
}

impl Naive<'_> {
    fn kind(&self, step: usize) -> StepKind {
        self.spec.steps[step].kind
    }

    fn may_give_up(&self, step: usize) -> bool {
        matches!(self.kind(step), StepKind::Compensatable | StepKind::Query)
    }

    fn turn_back(&mut self, step: usize, becomes: Step) {
        self.steps[step] = becomes;
        self.turned_back = true;
    }

    fn reply(&mut self, reply: &Reply) {
        let number = reply.step.trim_start_matches("step-").parse();
        let step: usize = number.expect("steps are called step-0, step-1, …");
        let papers = &self.before.papers[step];
        let newest = match reply.direction {
            Direction::Forward => papers.forward.as_ref().map(|paper| paper.generation),
            Direction::Compensate => papers.compensation.as_ref().map(|paper| paper.generation),
            Direction::Fence => Some(papers.fences),
        };
        if newest != Some(reply.generation) {
            // A refusal of an older generation says nothing about the newest.
            let is_older = reply.generation < newest.unwrap_or(0);
            // What was recorded while a newer one was in flight is a duplicate when it comes again.
            let truth = (step, reply.generation, reply.outcome);
            if is_older
                && !self.before.late.contains(&truth)
                && self.steps[step] == Step::Unknown
                && reply.direction == Direction::Forward
                && reply.outcome != Outcome::Rejected
            {
                self.late(step, reply.outcome);
            }
            return;
        }
        let flight = self.before.moving.steps[step].flight();
        let is_current = flight
            .is_some_and(|flight| flight.attempt == reply.attempt && flight.waits == Waits::Reply);
        if reply.outcome == Outcome::Failed && !is_current {
            return;
        }
        match (self.steps[step], reply.direction) {
            (Step::Forward | Step::Retrying, Direction::Forward)
                if is_unreadable(&reply.payload) =>
            {
                self.unreadable(step);
            }
            (Step::Forward | Step::Retrying, Direction::Forward) => {
                self.forward(step, reply.outcome, flight);
            }
            (Step::Undoing, Direction::Compensate) => self.compensation(step, reply.outcome),
            (Step::Fencing(purpose), Direction::Fence) => self.fence(step, purpose, reply.outcome),
            (Step::Fencing(Purpose::Cancel), Direction::Forward)
                if reply.outcome == Outcome::Rejected =>
            {
                self.turn_back(step, Step::Refused);
            }
            (Step::Fencing(Purpose::Cancel), Direction::Forward)
                if reply.outcome != Outcome::Failed =>
            {
                self.forward(step, reply.outcome, flight);
            }
            (Step::Fencing(Purpose::Skip), Direction::Forward)
                if reply.outcome == Outcome::Succeeded =>
            {
                self.steps[step] = Step::Done;
            }
            (Step::Fencing(Purpose::Resolve), Direction::Compensate)
                if matches!(
                    reply.outcome,
                    Outcome::Succeeded | Outcome::AlreadyCompensated
                ) =>
            {
                self.steps[step] = Step::Undone;
            }
            (Step::Unknown, Direction::Forward) => self.late(step, reply.outcome),
            _ => {}
        }
    }

    fn forward(&mut self, step: usize, outcome: Outcome, flight: Option<&Flight>) {
        let is_last =
            flight.is_some_and(|flight| flight.attempt >= 3 && flight.unreadable.is_none());
        match outcome {
            Outcome::Succeeded if self.spec.steps[step].fate == Fate::Unreadable => {
                self.steps[step] = Step::Parked(Why::ReplyUnreadable);
            }
            Outcome::Succeeded => self.steps[step] = Step::Done,
            Outcome::Rejected if self.spec.steps[step].refusable => {
                self.turn_back(step, Step::Refused);
            }
            Outcome::Rejected => self.steps[step] = Step::Parked(Why::Refused),
            Outcome::Failed if self.turned_back => self.steps[step] = Step::Unknown,
            Outcome::Failed if is_last && self.may_give_up(step) => {
                self.turn_back(step, Step::Unknown);
            }
            Outcome::Failed => self.steps[step] = Step::Retrying,
            Outcome::AlreadyCompensated if self.kind(step) == StepKind::Retriable => {
                self.steps[step] = Step::Parked(Why::CompensatedElsewhere);
            }
            Outcome::AlreadyCompensated => self.turn_back(step, Step::Undone),
            Outcome::Expired => self.steps[step] = Step::Parked(Why::Expired),
            Outcome::Fenced => {}
        }
    }

    /// It may have been a success, so no attempt is the last.
    fn unreadable(&mut self, step: usize) {
        self.steps[step] = if self.turned_back {
            Step::Unknown
        } else {
            Step::Retrying
        };
    }

    fn compensation(&mut self, step: usize, outcome: Outcome) {
        self.steps[step] = match outcome {
            Outcome::Succeeded | Outcome::AlreadyCompensated => Step::Undone,
            Outcome::Rejected => Step::Parked(Why::CompensationRefused),
            Outcome::Expired => Step::Parked(Why::Expired),
            Outcome::Failed | Outcome::Fenced => Step::Undoing,
        };
    }

    fn fence(&mut self, step: usize, purpose: Purpose, outcome: Outcome) {
        match (outcome, purpose) {
            (Outcome::Succeeded, Purpose::Cancel) => self.forward(step, outcome, None),
            (Outcome::Succeeded, Purpose::Skip) => self.steps[step] = Step::Done,
            (Outcome::Fenced, Purpose::Cancel) if self.kind(step) == StepKind::Retriable => {
                self.steps[step] = Step::Parked(Why::CompensatedElsewhere);
            }
            (Outcome::Fenced, Purpose::Cancel) => self.turn_back(step, Step::Undone),
            (Outcome::Expired, Purpose::Cancel) => self.steps[step] = Step::Parked(Why::Expired),
            (Outcome::Fenced | Outcome::Expired, Purpose::Skip) => self.steps[step] = Step::ByHand,
            (Outcome::Succeeded | Outcome::Fenced | Outcome::Expired, Purpose::Resolve) => {
                self.steps[step] = Step::Undone;
            }
            (Outcome::Failed | Outcome::Rejected | Outcome::AlreadyCompensated, _) => {}
        }
    }

    /// The truth about a step that was given up on and is not being undone yet.
    fn late(&mut self, step: usize, outcome: Outcome) {
        match outcome {
            Outcome::Succeeded if self.spec.steps[step].fate != Fate::Unreadable => {
                self.steps[step] = Step::Done;
            }
            Outcome::Rejected => self.steps[step] = Step::Refused,
            Outcome::AlreadyCompensated => self.steps[step] = Step::Undone,
            _ => {}
        }
    }

    /// Nobody waits for the answer to a forward command that was withheld when the saga turns back.
    fn forget_what_was_withheld(&mut self) {
        if !self.turned_back || self.is_paused {
            return;
        }
        for (step, before) in self.steps.iter_mut().zip(&self.before.moving.steps) {
            let flight = before.flight();
            let was_withheld = flight.is_some_and(|flight| flight.withheld_since.is_some());
            if was_withheld && *step == Step::Forward {
                *step = Step::Unknown;
            }
        }
    }

    /// Whether the wait for a reply means nothing, because the topic takes nothing, or took nothing.
    fn is_excused(&self, flight: &Flight) -> bool {
        let is_closed = self.is_closed || flight.withheld_since.is_some();
        flight.waits == Waits::Reply && is_closed
    }

    fn wake(&mut self, published: bool, now: Timestamp) {
        self.pass_deadline(now);
        let was_turned_back = self.turned_back;
        for step in 0..self.steps.len() {
            let flight = self.before.moving.steps[step].flight();
            let flight = flight.filter(|flight| flight.due_at <= now && !self.is_excused(flight));
            let Some(flight) = flight else {
                continue;
            };
            let is_forward = matches!(self.steps[step], Step::Forward | Step::Retrying);
            let is_last = flight.attempt >= 3 && flight.unreadable.is_none();
            let is_known = published || flight.was_published || flight.waits == Waits::Retry;
            if is_forward && !was_turned_back && is_last && is_known && self.may_give_up(step) {
                self.turn_back(step, Step::Unknown);
            }
        }
        for step in 0..self.steps.len() {
            let flight = self.before.moving.steps[step].flight();
            let is_due = flight.is_some_and(|flight| {
                let is_unheard =
                    !published && flight.is_unconfirmed() && flight.sent_at + CONFIRM_WITHIN <= now;
                // A saga that turns back does not wait until a topic is open.
                let gives_up = self.turned_back && self.is_closed && is_unheard;
                let is_silent = !self.is_excused(flight) || self.turned_back;
                flight.due_at <= now && is_silent || gives_up
            });
            if !is_due || !matches!(self.steps[step], Step::Forward | Step::Retrying) {
                continue;
            }
            self.steps[step] = if self.turned_back {
                Step::Unknown
            } else {
                Step::Forward
            };
        }
    }

    fn pass_deadline(&mut self, now: Timestamp) {
        let deadline = self.spec.deadline.map(u64::from).map(Duration::from_secs);
        let is_past = deadline.is_some_and(|after| self.before.started_at + after <= now);
        if is_past && self.before.moving.overdue_since.is_none() && self.can_turn_back() {
            self.turned_back = true;
        }
    }

    /// Nothing that cannot be taken back has been sent.
    fn can_turn_back(&self) -> bool {
        let out_of_play = [
            Step::Idle,
            Step::Skipped,
            Step::Parked(Why::Refused),
            Step::Parked(Why::CommandUnbuildable),
        ];
        let is_final = |step: &usize| match self.kind(*step) {
            StepKind::Pivot | StepKind::Retriable | StepKind::Notify => true,
            StepKind::Compensatable | StepKind::Query | StepKind::Hint => false,
        };
        let mut finals = (0..self.steps.len()).filter(is_final);
        finals.all(|step| {
            // Behind a pivot only the pivot counts: what comes after it was never sent before it,
            // unless a person has done it by hand.
            let is_behind = self
                .spec
                .steps
                .iter()
                .any(|step| step.kind == StepKind::Pivot)
                && self.kind(step) != StepKind::Pivot;
            is_behind || out_of_play.contains(&self.steps[step])
        })
    }

    fn order(&mut self, kind: &OrderKind, now: Timestamp) {
        let position = |name: &str| (0..self.steps.len()).find(|step| Spec::name(*step) == name);
        match kind {
            OrderKind::Cancel if self.can_turn_back() => self.turned_back = true,
            OrderKind::Cancel => {
                let pivot = |step: &usize| self.spec.steps[*step].kind == StepKind::Pivot;
                let pivot = (0..self.steps.len()).find(pivot);
                self.steps[pivot.expect("only a pivot is fenced")] = Step::Fencing(Purpose::Cancel);
            }
            OrderKind::Pause => self.is_paused = true,
            OrderKind::Resume => self.resume(now),
            OrderKind::RetryNow { step: None } => {
                (0..self.steps.len()).for_each(|step| self.retry(step));
            }
            OrderKind::RetryNow { step: Some(name) } => {
                position(name).into_iter().for_each(|step| self.retry(step));
            }
            OrderKind::Edit { step: name, .. } => {
                let step = position(name).expect("the order was accepted");
                self.steps[step] = match self.steps[step] {
                    Step::Undoing
                    | Step::Parked(Why::CompensationRefused | Why::CompensationUnbuildable) => {
                        Step::Undoing
                    }
                    _ if self.is_awaited(step) => Step::Forward,
                    _ => Step::Done,
                };
            }
            OrderKind::Skip { step: name, .. } => {
                let step = position(name).expect("the order was accepted");
                assert!(self.has_its_turn(step), "skipped before its turn");
                let was_sent = self.before.papers[step].forward.is_some();
                self.steps[step] = if was_sent {
                    Step::Fencing(Purpose::Skip)
                } else {
                    Step::ByHand
                };
            }
            OrderKind::Resolve { step: name } => {
                let step = position(name).expect("the order was accepted");
                self.steps[step] = match self.steps[step] {
                    Step::Parked(Why::DoneByHand) => Step::Undone,
                    _ => Step::Fencing(Purpose::Resolve),
                };
            }
        }
    }

    /// A saga that may turn back, and whose deadline is over, waits for no forward command any more.
    fn resume(&mut self, now: Timestamp) {
        self.is_paused = false;
        let was_turned_back = self.turned_back;
        self.pass_deadline(now);
        // What cannot be sent again is not waited for.
        if self.turned_back && (!was_turned_back || self.is_closed) {
            for step in &mut self.steps {
                if matches!(step, Step::Forward | Step::Retrying) {
                    *step = Step::Unknown;
                }
            }
        }
    }

    fn retry(&mut self, step: usize) {
        self.steps[step] = match self.steps[step] {
            Step::Retrying if !self.turned_back => Step::Forward,
            Step::Parked(Why::CommandUnbuildable) => Step::Idle,
            Step::Parked(Why::CompensationUnbuildable) => {
                if self.before.replies[step].is_some() {
                    Step::Done
                } else {
                    Step::Unknown
                }
            }
            Step::Parked(Why::ReplyUnreadable | Why::Refused) => Step::Forward,
            Step::Parked(Why::CompensationRefused) => Step::Undoing,
            other => other,
        };
    }

    fn is_awaited(&self, step: usize) -> bool {
        !matches!(self.kind(step), StepKind::Notify | StepKind::Hint)
    }

    /// Applies the two rules until nothing changes.
    fn settle(&mut self) {
        loop {
            let was = self.steps.clone();
            for step in 0..self.steps.len() {
                if self.turned_back {
                    self.let_go(step);
                }
                if !self.is_paused {
                    self.go_on(step);
                }
            }
            if self.steps == was {
                return;
            }
        }
    }

    /// What a saga that turns back need not wait for.
    fn let_go(&mut self, step: usize) {
        let is_gone = self.is_gone(step);
        self.steps[step] = match (self.kind(step), self.steps[step]) {
            (StepKind::Query | StepKind::Hint, _) if !is_gone => Step::Undone,
            (_, Step::Retrying | Step::Parked(Why::ReplyUnreadable)) => Step::Unknown,
            (_, Step::Parked(Why::Refused)) => Step::Refused,
            (_, Step::Parked(Why::CommandUnbuildable)) => Step::Idle,
            (_, other) => other,
        };
    }

    fn go_on(&mut self, step: usize) {
        let has_effect = matches!(self.steps[step], Step::Done | Step::Unknown | Step::ByHand);
        let others = 0..self.steps.len();
        if self.turned_back {
            let mut later = others.filter(|later| self.comes_before(step, *later));
            if has_effect && later.all(|later| self.is_gone(later)) {
                self.steps[step] = match (self.steps[step], self.spec.steps[step].fate) {
                    (Step::ByHand, _) => Step::Parked(Why::DoneByHand),
                    (_, Fate::UndoUnbuildable) => Step::Parked(Why::CompensationUnbuildable),
                    _ => Step::Undoing,
                };
            }
            return;
        }
        if self.steps[step] == Step::Idle && self.has_its_turn(step) {
            self.steps[step] = self.started(step);
        }
    }

    /// Whether every step before it took effect, was skipped, or was done by hand.
    fn has_its_turn(&self, step: usize) -> bool {
        let others = 0..self.steps.len();
        let mut earlier = others.filter(|earlier| self.comes_before(*earlier, step));
        earlier.all(|earlier| {
            matches!(
                self.steps[earlier],
                Step::Done | Step::Skipped | Step::ByHand
            )
        })
    }

    fn started(&self, step: usize) -> Step {
        let spec = &self.spec.steps[step];
        let mut needs = spec.needs.iter();
        let is_skipped = match spec.condition {
            Condition::None => false,
            Condition::When(holds) => !holds,
            Condition::Given => needs.any(|need| self.steps[*need] == Step::Skipped),
        };
        if is_skipped {
            Step::Skipped
        } else if spec.fate == Fate::Unbuildable {
            Step::Parked(Why::CommandUnbuildable)
        } else if self.is_awaited(step) {
            Step::Forward
        } else {
            Step::Done
        }
    }

    fn is_gone(&self, step: usize) -> bool {
        matches!(
            self.steps[step],
            Step::Idle | Step::Skipped | Step::Refused | Step::Undone
        )
    }

    /// Whether `later` needs `earlier`, directly or through others.
    fn comes_before(&self, earlier: usize, later: usize) -> bool {
        let needs = &self.spec.steps[later].needs;
        needs
            .iter()
            .any(|need| *need == earlier || self.comes_before(earlier, *need))
    }
}
