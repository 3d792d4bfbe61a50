//! The person who looks after the saga: gives orders, and decides where a step waits for a decision.
//!
//! Orders are given twice under one id, as a client does that had no answer. What a person may do is
//! not repeated here: the state machine says so, by taking the order.

use std::time::Duration;

use uuid::Uuid;

use super::intent::Intent;
use super::invariants::{Broken, require};
use super::promises;
use super::run::{Plan, Run};
use crate::id::OrderId;
use crate::json::Json;
use crate::machine::{Event, Order, OrderKind, Papers, Progress, Transition, Trouble};

/// More than any case needs: each of 64 steps, resolved twice.
const HELP_MAX: usize = 128;

/// Longer than any wake is ahead.
const YEARS: Duration = Duration::from_secs(10 * 365 * 86_400);

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
    pub(super) fn order(&mut self, intent: Intent) -> Result<bool, Broken> {
        let Some(event) = self.accepted(intent) else {
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
    pub(super) fn orders(&self) -> Vec<Intent> {
        let count = self.subject.definition.steps().len();
        let (alone, about_steps): (Vec<Intent>, Vec<Intent>) = Intent::ALL
            .iter()
            .filter(|intent| **intent != Intent::Cancel)
            .partition(|intent| intent.step().is_none());
        let of_step = |step| about_steps.iter().map(move |intent| intent.about(step));
        let all = alone.into_iter().chain((0..count).flat_map(of_step));
        all.filter(|intent| self.accepted(*intent).is_some())
            .collect()
    }

    fn accepted(&self, intent: Intent) -> Option<Event> {
        let id = OrderId(Uuid::from_u128(2 + self.saga.orders.len() as u128));
        let event = Event::Order(Order {
            id,
            actor: "operator".to_owned(),
            reason: "the kit tries it".to_owned(),
            kind: self.kind(intent)?,
        });
        let (definition, rules) = (self.subject.definition, self.subject.rules);
        let verdict = (rules.transition)(definition, &self.saga, event.clone(), self.now);
        verdict.is_ok().then_some(event)
    }

    fn kind(&self, intent: Intent) -> Option<OrderKind> {
        let sent = if let Intent::Edit(step) = intent {
            Some(self.last_payload(step)?)
        } else {
            None
        };
        Some(intent.order_kind(
            |step| self.subject.name(step).to_owned(),
            |_| sent.unwrap_or_else(Json::null),
            |step| Some(self.subject.replies[step].clone()),
        ))
    }

    /// What an edit sends: the payload of a sample has no other, so it is the same one.
    fn last_payload(&self, step: usize) -> Option<Json> {
        let Papers {
            forward,
            compensation,
            ..
        } = &self.saga.papers[step];
        let sent = compensation.as_ref().or(forward.as_ref())?;
        Some(sent.payload.clone())
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
        let intent = match (trouble, plan.remedy) {
            (
                Trouble::CompensationRefused { .. } | Trouble::RejectedUnexpectedly { .. },
                Remedy::Edits,
            ) => Intent::Edit(step),
            (
                Trouble::CompensationRefused { .. } | Trouble::RejectedUnexpectedly { .. },
                Remedy::Retries,
            ) => Intent::Retry(step),
            (Trouble::Expired { .. } | Trouble::RejectedUnexpectedly { .. }, _)
                if !self.saga.is_unwinding() =>
            {
                Intent::Skip(step)
            }
            _ => Intent::Resolve(step),
        };
        self.helped += 1;
        require(
            self.helped <= HELP_MAX,
            "a person decides again and again, and nothing comes of it",
        )?;
        self.order(intent)
    }

    /// Whether the world, or a person, has made the step wait for a person.
    pub(super) fn may_wait(&self, step: usize, trouble: &Trouble) -> bool {
        match trouble {
            Trouble::DoneByHand => {
                promises::was_skipped_by_hand(self.subject.definition, &self.saga, step)
            }
            Trouble::CompensationRefused { .. } => self.participants.has_refused_to_undo(step),
            Trouble::Expired { .. } => self.participants.is_purged(step),
            Trouble::RejectedUnexpectedly { .. } => self.participants.has_refused(step),
            Trouble::CommandUnbuildable { .. }
            | Trouble::ReplyUnreadable { .. }
            | Trouble::CompensatedElsewhere => false,
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
        let resumes = self.order(Intent::Resume)?;
        require(resumes != has_ended, "a paused saga cannot be resumed")
    }
}
