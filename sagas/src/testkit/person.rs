//! The person who looks after the saga: gives orders, and decides where a step waits for a decision.
//!
//! Orders are given twice under one id, as a client does that had no answer. What a person may do is
//! not repeated here: the state machine says so, by taking the order.

use std::time::Duration;

use uuid::Uuid;

use super::invariants::{Broken, require};
use super::promises;
use super::run::{Plan, Run};
use crate::id::OrderId;
use crate::machine::{Event, Order, OrderKind, Papers, Progress, Transition, Trouble};

/// More than any case needs: each of 64 steps, resolved twice.
const HELP_MAX: usize = 128;

/// Longer than any wake is ahead.
const YEARS: Duration = Duration::from_secs(10 * 365 * 86_400);

/// An order, for a step where it is about one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    Cancel,
    Pause,
    Resume,
    RetryAll,
    Retry(usize),
    /// The payload of a sample has no other: the same one, as the next generation.
    Edit(usize),
    Skip(usize),
    Resolve(usize),
}

/// What a person does about a refusal that only a person can decide about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Remedy {
    #[default]
    ByHand,
    Edits,
    Retries,
}

impl Run<'_> {
    /// Gives an order, twice. `false` where it makes no sense, which leaves no trace.
    pub(super) fn order(&mut self, wish: Wish) -> Result<bool, Broken> {
        let Some(event) = self.accepted(wish) else {
            return Ok(false);
        };
        self.apply(&event)?;
        let revision = self.saga.revision;
        self.apply(&event)?;
        require(
            self.saga.revision == revision,
            "an order that was given twice changed the saga twice",
        )?;
        Ok(true)
    }

    /// Every order, but a cancel, that the saga takes as it stands.
    pub(super) fn orders(&self) -> Vec<Wish> {
        let steps = 0..self.subject.definition.steps().len();
        let of_steps = steps.flat_map(|step| {
            [
                Wish::Retry(step),
                Wish::Edit(step),
                Wish::Skip(step),
                Wish::Resolve(step),
            ]
        });
        let all = [Wish::Pause, Wish::RetryAll].into_iter().chain(of_steps);
        all.filter(|wish| self.accepted(*wish).is_some()).collect()
    }

    fn accepted(&self, wish: Wish) -> Option<Event> {
        let id = OrderId(Uuid::from_u128(2 + self.saga.orders.len() as u128));
        let event = Event::Order(Order {
            id,
            actor: "operator".to_owned(),
            reason: "the kit tries it".to_owned(),
            kind: self.kind(wish)?,
        });
        let (definition, rules) = (self.subject.definition, self.subject.rules);
        let verdict = (rules.transition)(definition, &self.saga, event.clone(), self.now);
        verdict.is_ok().then_some(event)
    }

    fn kind(&self, wish: Wish) -> Option<OrderKind> {
        let name = |step| self.subject.name(step).to_owned();
        Some(match wish {
            Wish::Cancel => OrderKind::Cancel,
            Wish::Pause => OrderKind::Pause,
            Wish::Resume => OrderKind::Resume,
            Wish::RetryAll => OrderKind::RetryNow { step: None },
            Wish::Retry(step) => OrderKind::RetryNow {
                step: Some(name(step)),
            },
            Wish::Edit(step) => {
                let Papers {
                    forward,
                    compensation,
                    ..
                } = &self.saga.papers[step];
                OrderKind::Edit {
                    step: name(step),
                    payload: compensation.as_ref().or(forward.as_ref())?.payload.clone(),
                }
            }
            Wish::Skip(step) => OrderKind::Skip {
                step: name(step),
                reply: Some(self.subject.replies[step].clone()),
            },
            Wish::Resolve(step) => OrderKind::Resolve { step: name(step) },
        })
    }

    /// Decides about the first step that waits for a person; `false` where there is none.
    pub(super) fn help(&mut self, plan: &Plan) -> Result<bool, Broken> {
        let steps = self.saga.moving.steps.iter().enumerate();
        let mut parked = steps.filter_map(|(step, progress)| {
            let is_parked = matches!(progress, Progress::Parked(_));
            is_parked.then_some((step, progress))
        });
        let Some((step, Progress::Parked(trouble))) = parked.next() else {
            return Ok(false);
        };
        let wish = match (trouble, plan.remedy) {
            (
                Trouble::CompensationRefused { .. } | Trouble::RefusedUnexpectedly { .. },
                Remedy::Edits,
            ) => Wish::Edit(step),
            (
                Trouble::CompensationRefused { .. } | Trouble::RefusedUnexpectedly { .. },
                Remedy::Retries,
            ) => Wish::Retry(step),
            (Trouble::Expired { .. } | Trouble::RefusedUnexpectedly { .. }, _)
                if !self.saga.is_unwinding() =>
            {
                Wish::Skip(step)
            }
            _ => Wish::Resolve(step),
        };
        self.helped += 1;
        require(
            self.helped <= HELP_MAX,
            "a person decides again and again, and nothing comes of it",
        )?;
        self.order(wish)
    }

    /// Whether the world, or a person, has made the step wait for a person.
    pub(super) fn may_wait(&self, step: usize, trouble: &Trouble) -> bool {
        match trouble {
            Trouble::DoneByHand => {
                promises::was_skipped_by_hand(self.subject.definition, &self.saga, step)
            }
            Trouble::CompensationRefused { .. } => self.participants.has_refused_to_undo(step),
            Trouble::Expired { .. } => self.participants.is_purged(step),
            Trouble::RefusedUnexpectedly { .. } => self.participants.has_refused(step),
            Trouble::CommandUnbuildable { .. }
            | Trouble::ReplyUnreadable { .. }
            | Trouble::UndoneElsewhere => false,
        }
    }

    /// A paused saga sends nothing, and nobody wakes it.
    pub(super) fn a_paused_saga_rests(
        &self,
        event: &Event,
        transition: &Transition,
    ) -> Result<(), Broken> {
        let was_paused = self.saga.moving.paused.is_some();
        let is_wake = matches!(event, Event::Wake { .. });
        require(!(was_paused && is_wake), "a wake moved a paused saga")?;
        if transition.next.moving.paused.is_none() {
            return Ok(());
        }
        let is_silent = transition.sends.is_empty() && transition.notices.is_empty();
        require(is_silent, "a paused saga sent something")?;
        require(
            transition.next.wake_at.is_none(),
            "a paused saga is to be woken",
        )
    }

    /// What is on the way arrives at the paused saga, and nothing becomes due however long it waits.
    pub(super) fn hold(&mut self, plan: &Plan) -> Result<(), Broken> {
        while self.advance(plan)? {}
        let (definition, rules) = (self.subject.definition, self.subject.rules);
        let (wake, later) = (Event::Wake { published: false }, self.now + YEARS);
        let due = (rules.transition)(definition, &self.saga, wake, later);
        require(due.is_err(), "something became due in a paused saga")?;
        let has_ended = self.saga.status().is_terminal();
        let resumes = self.order(Wish::Resume)?;
        require(resumes != has_ended, "a paused saga cannot be resumed")
    }
}
