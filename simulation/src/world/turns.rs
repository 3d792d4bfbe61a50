//! The rare turns that a saga takes, as its commits show them: counted, and noted for the checks.

use sagas::machine::{Entry, OrderKind, OrderResult, Progress, Reason, Sent, Trouble};
use sagas::{Direction, SagaId};
use sagas_core::batch::State;

use super::World;
use crate::faults::{Fault, Faults};
use crate::journal::Journal;
use crate::recipe::Flaw;

impl World {
    /// Counts what a saga has come to, and notes why it may wait for a person.
    pub(super) fn note_turns(&mut self, saga: SagaId, state: &State) {
        for entry in &state.entries {
            for _ in &entry.skipped {
                self.faults.count(Fault::StepNotNeeded);
            }
        }
        let is_past = matches!(state.moving.reason, Some(Reason::DeadlinePassed { .. }));
        let is_overdue = state.moving.overdue_since.is_some();
        if (is_past || is_overdue) && self.journal.overdue.insert(saga) {
            let turn = if is_past {
                Fault::DeadlinePassed
            } else {
                Fault::Overdue
            };
            self.faults.count(turn);
        }
        for (step, progress) in state.moving.steps.iter().enumerate() {
            let Progress::Parked(Trouble::CommandUnbuildable { direction, .. }) = progress else {
                continue;
            };
            if !self.journal.panicked.insert((saga, step, *direction)) {
                continue;
            }
            let is_undo = *direction == Direction::Compensate;
            let (flaw, turn) = if is_undo {
                (Flaw::Undo, Fault::UndoPanicked)
            } else {
                (Flaw::Command, Fault::ForwardPanicked)
            };
            self.faults.count(turn);
            if self.flaw_of(saga, step) == Some(flaw) {
                self.journal.troubled.insert(saga);
            }
        }
    }

    fn flaw_of(&self, saga: SagaId, step: usize) -> Option<Flaw> {
        let client = *self.numbers.get(&saga)?;
        let recipe = self.scene.recipes.get(self.clients.definition(client))?;
        Some(recipe.steps.get(step)?.flaw)
    }
}

/// Counts an order that is applied, and notes what a person vouches for.
pub(super) fn count_order(faults: &mut Faults, journal: &mut Journal, saga: SagaId, entry: &Entry) {
    let (Some(order), Some(result)) = (&entry.order, entry.result) else {
        return;
    };
    let is_undone = |sent: &Sent| sent.direction == Direction::Compensate;
    faults.count(match order.kind {
        OrderKind::Cancel => Fault::SagaCancelled,
        OrderKind::Pause => Fault::SagaPaused,
        OrderKind::Resume => Fault::SagaResumed,
        OrderKind::RetryNow { .. } => Fault::StepRetried,
        OrderKind::Edit { .. } if entry.sent.iter().any(is_undone) => Fault::UndoEdited,
        OrderKind::Edit { .. } => Fault::CommandEdited,
        OrderKind::Skip { .. } if result == OrderResult::Fencing => Fault::SkipFenced,
        OrderKind::Skip { .. } => Fault::StepSkipped,
        OrderKind::Resolve { .. } => Fault::UndoResolved,
    });
    if let OrderKind::Skip { .. } = order.kind {
        // Whatever a person did, a person must undo.
        journal.troubled.insert(saga);
    }
}

pub(super) fn describe(entry: &Entry) -> String {
    let about = match (&entry.step, entry.direction, entry.outcome) {
        (Some(step), Some(direction), Some(outcome)) => format!(" {step} {direction} {outcome}"),
        _ => entry.order.as_ref().map_or_else(String::new, |order| {
            format!(" {:?} {:?}", order.kind, entry.result)
        }),
    };
    let sent = entry.sent.iter().map(|sent| {
        format!(
            " → {} {} {}#{}",
            sent.step, sent.direction, sent.generation, sent.attempt
        )
    });
    let sent: String = sent.collect();
    let (revision, status) = (entry.revision, entry.status);
    format!("{revision} {:?}{about} {status}{sent}", entry.event)
}
