//! The participants of one saga: the rows that the real barrier decides on, and what took effect.
//!
//! Each step has a participant of its own, so each may drop its rows by itself. What took effect is
//! counted beside the rows, as the business would see it, and outlives them.

use std::borrow::Cow;

use sagas::Direction;
use sagas::barrier::{Answer, Ask, Decision, Row, decide};

use crate::action::Handler;
use crate::sabotage::Sabotage;
use crate::state::Mail;

/// What every handler says when it refuses.
const FAULT: &str = r#"{"code":"refused","message":""}"#;
/// No reply of any step.
const BABBLE: &str = r#""babble""#;

/// All of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Participants {
    steps: Vec<Participant>,
}

/// The participant of one step.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Participant {
    row: Option<Row>,
    is_purged: bool,
    /// How often the forward command took effect.
    pub did: u8,
    /// How often the compensation did.
    pub undid: u8,
    /// Whether it ever refused the forward command.
    pub has_refused: bool,
}

/// What a command changed in the business.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    Nothing,
    Did,
    Undid,
}

impl Participants {
    pub(crate) fn new(count: usize) -> Self {
        Self {
            steps: vec![Participant::default(); count],
        }
    }

    /// The participant of a step.
    #[must_use]
    pub fn of(&self, step: usize) -> &Participant {
        &self.steps[step]
    }

    /// Drops the rows of one; the watermark stays, unless that is what is broken.
    pub(crate) fn purge(&mut self, step: usize, sabotage: Option<Sabotage>) {
        let participant = &mut self.steps[step];
        participant.row = None;
        participant.is_purged = sabotage != Some(Sabotage::PurgesWithoutWatermark);
    }

    /// Delivers a command.
    pub(crate) fn deliver(
        &mut self,
        mail: Mail,
        handler: Handler,
        sabotage: Option<Sabotage>,
    ) -> (Answer, Effect) {
        if handler == Handler::Fails {
            return (Answer::failed(FAULT.to_owned()), Effect::Nothing);
        }
        self.steps[mail.step].deliver(mail, handler, sabotage)
    }
}

impl Participant {
    /// Whether the effect is there.
    #[must_use]
    pub fn is_in_effect(&self) -> bool {
        self.did > self.undid
    }

    /// Whether the forward command of this generation would take effect if it came now.
    #[must_use]
    pub fn lets_in(&self, generation: u32) -> bool {
        let decision = decide(self.row.as_ref(), Ask::Forward, generation, self.is_purged);
        decision == Decision::RunForward
    }

    fn deliver(
        &mut self,
        mail: Mail,
        handler: Handler,
        sabotage: Option<Sabotage>,
    ) -> (Answer, Effect) {
        let ask = match mail.direction {
            Direction::Forward => Ask::Forward,
            Direction::Compensate => Ask::Compensate,
            Direction::Fence if mail.fences_compensation => Ask::FenceCompensation,
            Direction::Fence => Ask::FenceForward,
        };
        let mut decision = decide(self.row.as_ref(), ask, mail.generation, self.is_purged);
        let is_done = matches!(self.row, Some(Row::Done { .. }));
        if sabotage == Some(Sabotage::RunsTwice) && is_done && ask == Ask::Forward {
            decision = Decision::RunForward;
        }
        match decision {
            Decision::RunForward => self.run(mail.generation, handler, sabotage),
            Decision::RunCompensation => self.undo(mail.generation, handler),
            Decision::Write(row, answer) => {
                let leaves_it = sabotage != Some(Sabotage::LeavesNoTombstone);
                self.row = leaves_it.then_some(row);
                (answer, Effect::Nothing)
            }
            Decision::Answer(answer) => (answer, Effect::Nothing),
        }
    }

    fn run(
        &mut self,
        generation: u32,
        handler: Handler,
        sabotage: Option<Sabotage>,
    ) -> (Answer, Effect) {
        if handler == Handler::Refuses {
            let (row, answer) = Row::refused(generation, FAULT.to_owned());
            self.row = (sabotage != Some(Sabotage::ForgetsRefusals)).then_some(row);
            self.has_refused = true;
            return (answer, Effect::Nothing);
        }
        let reply = match handler {
            Handler::Babbles => BABBLE.to_owned(),
            Handler::Succeeds | Handler::Refuses | Handler::Fails => generation.to_string(),
        };
        let (row, answer) = Row::done(generation, reply);
        self.row = Some(row);
        self.did += 1;
        (answer, Effect::Did)
    }

    fn undo(&mut self, generation: u32, handler: Handler) -> (Answer, Effect) {
        let Some(row) = self.row.take() else {
            unreachable!("a compensation runs only where there is a row");
        };
        if handler == Handler::Refuses {
            let (row, answer) = row.compensation_refused(generation, FAULT.to_owned());
            self.row = Some(row);
            return (answer, Effect::Nothing);
        }
        let (row, answer) = row.compensated(generation, "null".to_owned());
        self.row = Some(row);
        self.undid += 1;
        (answer, Effect::Undid)
    }
}

/// The reply's payload, as text.
pub(crate) fn payload(answer: &Answer) -> String {
    match &answer.payload {
        Cow::Borrowed(text) => (*text).to_owned(),
        Cow::Owned(text) => text.clone(),
    }
}
