//! What holds after every event, whatever is still under way.

use sagas::machine::{
    CONFIRM_WITHIN, Event, Progress, Reason, Transition, WITHHELD_LOOK_MAX, Waits,
};
use sagas::{Direction, Outcome};

use super::{World, participant};
use crate::invariants::{Broken, require};

impl World<'_> {
    /// Nobody looks for the newest attempt of a command where the broker holds an earlier one.
    pub(super) fn what_was_published_is_there(&self) -> Result<(), Broken> {
        for (step, progress) in self.saga.moving.steps.iter().enumerate() {
            let Some(flight) = progress.flight().filter(|flight| flight.was_published) else {
                continue;
            };
            let direction = match progress {
                Progress::Compensating(_) => Direction::Compensate,
                Progress::Fencing(_) => Direction::Fence,
                _ => Direction::Forward,
            };
            require(
                self.at_broker
                    .contains(&(step, direction, flight.generation)),
                "a command counts as published that the broker never had",
            )?;
        }
        Ok(())
    }

    /// Promise 5: with the pivot's command in flight, only a definite answer turns the saga back.
    pub(super) fn the_pivot_was_settled(
        &self,
        event: &Event,
        transition: &Transition,
    ) -> Result<(), Broken> {
        let Some(pivot) = self.definition.pivot() else {
            return Ok(());
        };
        let was_open = matches!(
            self.saga.moving.steps[pivot],
            Progress::Forward(_) | Progress::Fencing(_)
        );
        let turned_back = !self.saga.is_unwinding() && transition.next.is_unwinding();
        let is_definite = matches!(event, Event::Reply(reply)
        if reply.step == self.definition.steps()[pivot].name
            && matches!(
                reply.outcome,
                Outcome::Rejected | Outcome::Fenced | Outcome::AlreadyCompensated
            ));
        require(
            !(was_open && turned_back) || is_definite,
            "the saga turned back while the pivot might still take effect",
        )
    }

    /// Nothing is given up on while an answer to its newest command could not be used.
    pub(super) fn every_answer_was_read(&self, transition: &Transition) -> Result<(), Broken> {
        let Some(Reason::Exhausted { step, .. }) = &transition.next.moving.reason else {
            return Ok(());
        };
        if self.saga.is_unwinding() {
            return Ok(());
        }
        let position = self.definition.position(step).unwrap_or_default();
        let newest = self.saga.papers[position].forward.as_ref();
        let generation = newest.map(|paper| paper.generation);
        let unreadable = participant::unreadable();
        let is_unread = self.history.iter().any(|entry| {
            entry.step.as_ref() == Some(step)
                && entry.direction == Some(Direction::Forward)
                && Some(entry.generation.unwrap_or(1)) == generation
                && entry.payload.as_ref() == Some(&unreadable)
        });
        require(!is_unread, "it was given up on, and an answer was not read")
    }

    /// A wake is never later than the earliest thing that is due.
    pub(super) fn wake_is_not_late(&self) -> Result<(), Broken> {
        let steps = self.saga.moving.steps.iter().enumerate();
        let due = steps.filter_map(|(step, progress)| {
            let flight = progress.flight()?;
            if flight.withheld_since.is_some() {
                return Some(self.now + WITHHELD_LOOK_MAX);
            }
            let is_open = flight.waits == Waits::Reply
                && !flight.was_published
                && !self.confirmed.contains(&(step, flight.sent_at));
            let confirm_at = flight.sent_at + CONFIRM_WITHIN;
            Some(if is_open {
                confirm_at.min(flight.due_at)
            } else {
                flight.due_at
            })
        });
        let deadline = self.definition.deadline().filter(|_| {
            !self.saga.is_unwinding()
                && !self.saga.status().is_terminal()
                && self.saga.moving.overdue_since.is_none()
        });
        let deadline = deadline.map(|after| self.saga.started_at + after);
        let Some(due) = due.chain(deadline).min() else {
            return Ok(());
        };
        if self.saga.moving.paused.is_some() {
            return Ok(());
        }
        let is_in_time = self.saga.wake_at.is_some_and(|wake_at| wake_at <= due);
        require(
            is_in_time,
            &format!("{due} is due, the wake is {:?}", self.saga.wake_at),
        )
    }
}
