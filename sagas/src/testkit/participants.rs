//! Participants of one saga: one inbox row per step, and the barrier's decision on it.
//!
//! What they have beside the row is a list of effects, which stands for their own tables. They do
//! not lose, repeat or reorder anything: that is the run's affair.

use super::promises::Effect;
use super::subject::Subject;
use crate::barrier::{Answer, Ask, Decision, Row};
use crate::definition::{StepKind, StepSet};
use crate::direction::{Direction, Outcome};
use crate::fault::Fault;
use crate::json::Json;
use crate::machine::Send;

/// What a handler says when it runs for the first time. Later it always says yes, so that a
/// refusal which the barrier forgets is noticed by its effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Accepts,
    Refuses,
}

#[derive(Debug, Clone)]
pub(super) struct Participants {
    rows: Vec<Option<Row>>,
    asked: StepSet,
    /// Who refused its command.
    refused: StepSet,
    /// Whose compensation was refused once.
    refused_to_undo: StepSet,
    /// Whose rows were dropped; the watermark says so.
    purged: StepSet,
    /// Every effect, in order.
    pub(super) effects: Vec<Effect>,
}

impl Participants {
    pub(super) fn new(steps: usize) -> Self {
        Self {
            rows: vec![None; steps],
            asked: StepSet::default(),
            refused: StepSet::default(),
            refused_to_undo: StepSet::default(),
            purged: StepSet::default(),
            effects: Vec::new(),
        }
    }

    /// What later answers depend on: the rows, and which effects there were, in whatever order.
    pub(super) fn key(&self) -> (Vec<Option<Row>>, StepSet, Vec<Effect>) {
        let mut effects = self.effects.clone();
        effects.sort();
        (self.rows.clone(), self.asked, effects)
    }

    /// Whether the forward handler of `step` has run before.
    pub(super) fn has_run(&self, step: usize) -> bool {
        self.asked.contains(step)
    }

    /// Whether the forward command of `step` was refused.
    pub(super) fn has_refused(&self, step: usize) -> bool {
        self.refused.contains(step)
    }

    /// Whether the compensation of `step` was refused.
    pub(super) fn has_refused_to_undo(&self, step: usize) -> bool {
        self.refused_to_undo.contains(step)
    }

    /// Drops the row of `step`; what took effect stays.
    pub(super) fn purge(&mut self, step: usize) {
        self.rows[step] = None;
        self.purged = self.purged.with(step);
    }

    /// Whether the row of `step` was dropped.
    pub(super) fn is_purged(&self, step: usize) -> bool {
        self.purged.contains(step)
    }

    /// Answers a command.
    pub(super) fn handle(
        &mut self,
        subject: &Subject<'_>,
        command: &Send,
        verdict: Verdict,
    ) -> (Outcome, Json) {
        let (step, generation) = (command.step, command.generation);
        let (row, is_purged) = (self.rows[step].take(), self.is_purged(step));
        let (row, answer) =
            match (subject.rules.decide)(row.as_ref(), ask(command), generation, is_purged) {
                Decision::RunForward => {
                    let (row, answer) = self.run(subject, step, generation, verdict);
                    (Some(row), answer)
                }
                Decision::RunCompensation
                    if verdict == Verdict::Refuses && !self.has_refused_to_undo(step) =>
                {
                    self.refused_to_undo = self.refused_to_undo.with(step);
                    let row = row.unwrap_or_else(|| Row::done(generation, "null".to_owned()).0);
                    let fault = Fault::new("refused", "the kit has this compensation refused");
                    let (row, answer) = row.compensation_refused(generation, fault.to_json());
                    (Some(row), answer)
                }
                Decision::RunCompensation => {
                    self.effects.push(Effect::Undid(step));
                    let row = row.unwrap_or_else(|| Row::done(generation, "null".to_owned()).0);
                    let (row, answer) = row.compensated(generation, "null".to_owned());
                    (Some(row), answer)
                }
                Decision::Write(row, answer) => (Some(row), answer),
                Decision::Answer(answer) => (row, answer),
            };
        self.rows[step] = row;
        let payload = Json::parse(answer.payload.into_owned());
        (answer.outcome, payload.expect("answers are JSON"))
    }

    fn run(
        &mut self,
        subject: &Subject<'_>,
        step: usize,
        generation: u32,
        verdict: Verdict,
    ) -> (Row, Answer) {
        let is_first = !self.has_run(step);
        self.asked = self.asked.with(step);
        if is_first && verdict == Verdict::Refuses {
            self.refused = self.refused.with(step);
            let fault = Fault::new("refused", "the kit has this step refused");
            return Row::refused(generation, fault.to_json());
        }
        match subject.definition.steps()[step].kind {
            StepKind::Query | StepKind::Hint => {}
            StepKind::Compensatable | StepKind::Pivot | StepKind::Retriable | StepKind::Notify => {
                self.effects.push(Effect::Did(step))
            }
        }
        Row::done(generation, subject.replies[step].text().to_owned())
    }
}

fn ask(command: &Send) -> Ask {
    match command.direction {
        Direction::Forward => Ask::Forward,
        Direction::Compensate => Ask::Compensate,
        Direction::Fence if command.fences_compensation => Ask::FenceCompensation,
        Direction::Fence => Ask::FenceForward,
    }
}
