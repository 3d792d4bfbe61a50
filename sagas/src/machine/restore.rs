//! How a stored saga comes back: the row says how far it has come, the history what was said.

use std::collections::{BTreeMap, BTreeSet};

use super::entry::{Entry, EntryKind, Sent};
use super::progress::Progress;
use super::saga::{Applied, Moving, Paper, Papers, Saga};
use crate::definition::Definition;
use crate::direction::{Direction, Outcome};
use crate::id::SagaId;
use crate::json::Json;
use crate::time::Timestamp;

/// What is stored of a saga beside its history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Who it is.
    pub id: SagaId,
    /// When it was accepted.
    pub started_at: Timestamp,
    /// Its transitions so far.
    pub revision: u64,
    /// When to look at it again.
    pub wake_at: Option<Timestamp>,
    /// How far it has come.
    pub moving: Moving,
}

/// Why a stored saga cannot be brought back: its rows contradict each other or the definition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unrestorable {
    /// The row has another number of steps than the definition.
    #[error("the stored saga has {stored} steps, its definition has {defined}")]
    StepCount {
        /// Steps in the row.
        stored: usize,
        /// Steps in the definition.
        defined: usize,
    },
    /// There is no `started` entry, so there is no input.
    #[error("the history has no start, so the input is lost")]
    NoStart,
    /// The history names a step that the definition does not have.
    #[error("the history names a step {0:?} that the definition does not have")]
    UnknownStep(String),
    /// A command is in flight whose bytes the history does not have.
    #[error("step {0:?} is in flight, but the history does not have its command")]
    NoCommand(String),
}

impl Saga {
    /// Puts a saga together from its row and its whole history, oldest entry first.
    ///
    /// What comes out equals the saga that was stored, byte for byte in its commands, so that it
    /// goes on as if its process had never died. The caller has compared the stored fingerprint
    /// with the definition's: a row does not carry it.
    ///
    /// # Errors
    ///
    /// When rows contradict each other or the definition; nothing is guessed. An entry that is
    /// missing is noticed where a command in flight depends on it.
    pub fn restore(
        definition: &Definition,
        row: Row,
        history: &[Entry],
    ) -> Result<Self, Unrestorable> {
        let Row {
            id,
            started_at,
            revision,
            wake_at,
            moving,
        } = row;
        let count = definition.steps().len();
        if moving.steps.len() != count {
            return Err(Unrestorable::StepCount {
                stored: moving.steps.len(),
                defined: count,
            });
        }
        let start = history
            .iter()
            .find(|entry| entry.event == EntryKind::Started);
        let input = start
            .and_then(|entry| entry.input.clone())
            .ok_or(Unrestorable::NoStart)?;
        let mut saga = Self {
            id,
            definition: definition.name().to_owned(),
            version: definition.version(),
            fingerprint: definition.fingerprint(),
            started_at,
            revision,
            wake_at,
            input,
            moving,
            papers: vec![Papers::default(); count],
            replies: vec![None; count],
            output: None,
            orders: BTreeMap::new(),
            late: BTreeSet::new(),
        };
        let mut resolving = BTreeSet::new();
        for entry in history {
            saga.remember(definition, entry, &mut resolving)?;
        }
        saga.complete(definition)
    }

    /// `resolving` has the fences of compensations so far: their `succeeded` is no reply of the step.
    fn remember(
        &mut self,
        definition: &Definition,
        entry: &Entry,
        resolving: &mut BTreeSet<(usize, u32)>,
    ) -> Result<(), Unrestorable> {
        let position = |step: &str| {
            definition
                .position(step)
                .ok_or_else(|| Unrestorable::UnknownStep(step.to_owned()))
        };
        for sent in &entry.sent {
            let step = position(&sent.step)?;
            self.file(step, sent);
            if sent.fences_compensation {
                resolving.insert((step, sent.generation));
            }
            if !definition.steps()[step].kind.is_awaited() {
                self.replies[step] = Some(Json::null());
            }
        }
        if let (Some(step), Some(substitute)) = (&entry.step, &entry.substitute) {
            self.replies[position(step)?] = Some(substitute.clone());
        }
        if let (Some(step), Some(outcome)) = (&entry.step, entry.outcome) {
            let (step, generation) = (position(step)?, entry.generation.unwrap_or(1));
            // Only a late truth answers an older generation, also where it was taken.
            let newest = self.papers[step].forward.as_ref();
            let is_older = entry.direction == Some(Direction::Forward)
                && newest.is_some_and(|newest| generation < newest.generation);
            if entry.late || is_older {
                self.late.insert((step, generation, outcome));
            }
        }
        let took_effect = entry.outcome == Some(Outcome::Succeeded)
            && entry.direction != Some(Direction::Compensate)
            && !entry.late
            && entry.substitute.is_none();
        if let (true, Some(step), Some(payload)) = (took_effect, &entry.step, &entry.payload) {
            let (step, generation) = (position(step)?, entry.generation.unwrap_or(1));
            let is_of_a_fence = entry.direction == Some(Direction::Fence);
            let is_readable = (definition.steps()[step].check_reply)(payload).is_ok();
            let is_resolved = is_of_a_fence && resolving.contains(&(step, generation));
            // What cannot be read is history, not a reply.
            if is_readable && !is_resolved {
                self.replies[step] = Some(payload.clone());
            } else if !is_readable && !is_of_a_fence {
                self.late.insert((step, generation, Outcome::Succeeded));
            }
        }
        if let (Some(order), Some(result)) = (&entry.order, entry.result) {
            let order = order.clone();
            let at = entry.at;
            self.orders.insert(order.id, Applied { order, result, at });
        }
        if entry.output.is_some() {
            self.output.clone_from(&entry.output);
        }
        Ok(())
    }

    fn file(&mut self, step: usize, sent: &Sent) {
        let papers = &mut self.papers[step];
        let paper = sent.payload.as_ref().map(|payload| Paper {
            generation: sent.generation,
            payload: payload.clone(),
        });
        match (sent.direction, paper) {
            (Direction::Forward, Some(paper)) => papers.forward = Some(paper),
            (Direction::Compensate, Some(paper)) => papers.compensation = Some(paper),
            (Direction::Fence, _) => papers.fences = papers.fences.max(sent.generation),
            (Direction::Forward | Direction::Compensate, None) => {}
        }
    }

    fn complete(self, definition: &Definition) -> Result<Self, Unrestorable> {
        for (step, (progress, papers)) in self.moving.steps.iter().zip(&self.papers).enumerate() {
            let is_there = match progress {
                Progress::Forward(_) => papers.forward.is_some(),
                Progress::Compensating(_) => papers.compensation.is_some(),
                Progress::Idle
                | Progress::Fencing(_)
                | Progress::Done
                | Progress::Skipped
                | Progress::ByHand
                | Progress::Rejected(_)
                | Progress::Unknown
                | Progress::Compensated
                | Progress::Parked(_) => true,
            };
            if !is_there {
                let step = definition.steps()[step].name.clone();
                return Err(Unrestorable::NoCommand(step));
            }
        }
        Ok(self)
    }
}
