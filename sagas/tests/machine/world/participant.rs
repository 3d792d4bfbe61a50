//! Participants that follow the barrier table: one row per step decides what takes effect.
//!
//! Written as plainly as the table itself, so that it can be compared line by line.

use sagas::machine::Send;
use sagas::{Direction, Json, Outcome, StepKind};

use super::sabotage::Sabotage;
use super::spec::{Fate, Spec};

/// The row of one step.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Row {
    Rejected { generation: u32 },
    Done { undo_refused: Option<u32> },
    Compensated,
}

/// What changed in a participant's own tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Effect {
    Did(usize),
    Undid(usize),
}

/// All participants of one saga.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Participants {
    fates: Vec<Fate>,
    /// Queries and hints have none.
    has_effect: Vec<bool>,
    rows: Vec<Option<Row>>,
    /// How often the forward handler ran.
    asked: Vec<u32>,
    /// The saga is older than the rows that are kept.
    pub(crate) is_purged: bool,
    /// Every effect, in order.
    pub(crate) effects: Vec<Effect>,
    sabotage: Option<Sabotage>,
}

type Answer = (Outcome, Json);

impl Participants {
    pub(crate) fn new(spec: &Spec, sabotage: Option<Sabotage>) -> Self {
        let count = spec.steps.len();
        Self {
            fates: spec.steps.iter().map(|step| step.fate).collect(),
            has_effect: spec
                .steps
                .iter()
                .map(|step| !matches!(step.kind, StepKind::Query | StepKind::Hint))
                .collect(),
            rows: vec![None; count],
            asked: vec![0; count],
            is_purged: false,
            effects: Vec::new(),
            sabotage,
        }
    }

    /// Drops every row; the watermark stays.
    pub(crate) fn purge(&mut self) {
        self.is_purged = true;
        self.rows.fill(None);
    }

    /// Answers a command. `fails`: this instance cannot do it now, whatever another one did.
    pub(crate) fn handle(&mut self, command: &Send, fails: bool) -> Answer {
        let step = command.step;
        if fails {
            return (Outcome::Failed, fault("unavailable"));
        }
        if self.rows[step].is_none() && self.is_purged {
            return (Outcome::Expired, Json::null());
        }
        match command.direction {
            Direction::Forward => self.forward(step, command.generation),
            Direction::Compensate => self.compensate(step, command.generation),
            Direction::Fence if command.fences_compensation => self.fence_compensation(step),
            Direction::Fence => self.fence(step),
        }
    }

    fn forward(&mut self, step: usize, generation: u32) -> Answer {
        match &self.rows[step] {
            None => self.run(step, generation),
            Some(Row::Rejected {
                generation: refused,
            }) if *refused < generation => self.run(step, generation),
            Some(Row::Rejected { .. }) => (Outcome::Rejected, fault("refused")),
            Some(Row::Done { .. }) if self.sabotage == Some(Sabotage::RunsTwice) => {
                self.run(step, generation)
            }
            Some(Row::Done { .. }) => (Outcome::Succeeded, self.receipt(step)),
            Some(Row::Compensated) => (Outcome::AlreadyCompensated, Json::null()),
        }
    }

    fn run(&mut self, step: usize, generation: u32) -> Answer {
        self.asked[step] += 1;
        if self.fates[step] == Fate::Refused && self.asked[step] == 1 {
            let keeps_the_row = self.sabotage != Some(Sabotage::ForgetsRefusals);
            self.rows[step] = keeps_the_row.then_some(Row::Rejected { generation });
            return (Outcome::Rejected, fault("refused"));
        }
        if self.has_effect[step] {
            self.effects.push(Effect::Did(step));
        }
        self.rows[step] = Some(Row::Done { undo_refused: None });
        (Outcome::Succeeded, self.receipt(step))
    }

    fn compensate(&mut self, step: usize, generation: u32) -> Answer {
        match &self.rows[step] {
            None | Some(Row::Rejected { .. }) => self.bury(step),
            Some(Row::Done {
                undo_refused: Some(refused),
            }) if *refused >= generation => {
                return (Outcome::Rejected, fault("undo-refused"));
            }
            Some(Row::Done { .. }) if self.fates[step] == Fate::UndoRefused => {
                self.rows[step] = Some(Row::Done {
                    undo_refused: Some(generation),
                });
                return (Outcome::Rejected, fault("undo-refused"));
            }
            Some(Row::Done { .. }) => {
                self.effects.push(Effect::Undid(step));
                self.rows[step] = Some(Row::Compensated);
            }
            Some(Row::Compensated) => {}
        }
        (Outcome::Succeeded, Json::null())
    }

    fn fence(&mut self, step: usize) -> Answer {
        match &self.rows[step] {
            None | Some(Row::Rejected { .. }) => self.bury(step),
            Some(Row::Done { .. }) => return (Outcome::Succeeded, self.receipt(step)),
            Some(Row::Compensated) => {}
        }
        (Outcome::Fenced, Json::null())
    }

    /// Whatever took effect stays, and its compensation never runs.
    fn fence_compensation(&mut self, step: usize) -> Answer {
        let was_undone = self.effects.contains(&Effect::Undid(step));
        if self.rows[step] != Some(Row::Compensated) {
            self.bury(step);
        }
        let outcome = if was_undone {
            Outcome::Succeeded
        } else {
            Outcome::Fenced
        };
        (outcome, Json::null())
    }

    /// From now on the step can never take effect.
    fn bury(&mut self, step: usize) {
        let leaves_a_row = self.sabotage != Some(Sabotage::LeavesNoTombstone);
        self.rows[step] = leaves_a_row.then_some(Row::Compensated);
    }

    fn receipt(&self, step: usize) -> Json {
        let text = match self.fates[step] {
            Fate::Unreadable => r#""gibberish""#.to_owned(),
            Fate::Succeeds
            | Fate::Refused
            | Fate::UndoRefused
            | Fate::Unbuildable
            | Fate::UndoUnbuildable => format!(r#"{{"step":{step}}}"#),
        };
        Json::parse(text).expect("a receipt is JSON")
    }
}

/// What the saga is told of an answer that cannot be used.
pub(crate) fn unreadable() -> Json {
    fault("unreadable-reply")
}

fn fault(code: &str) -> Json {
    Json::parse(format!(r#"{{"code":"{code}"}}"#)).expect("a fault is JSON")
}
