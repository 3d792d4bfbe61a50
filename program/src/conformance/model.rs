//! What the barrier's table says that a participant has to answer.
//!
//! Invariant: the model moves only by answers that it expected, so it is in the state that the
//! participant's row has to be in.

use sagas::barrier::{Answer, Ask, Decision, Row, decide};
use sagas::{Fault, Outcome};

/// What the participant has to remember of one step.
#[derive(Debug, Clone, Default)]
pub(super) struct Model {
    row: Option<Row>,
    age: Age,
}

/// Whether the participant may have dropped what it remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Age {
    /// It may not.
    #[default]
    Young,
    /// It may, and says so by its first answer.
    Old,
    /// It has said so.
    Purged,
}

/// What a handler says, should it run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Handler {
    Succeeds,
    Refuses,
}

impl Model {
    /// Of a saga that is so old that its row may have been purged.
    pub(super) fn old() -> Self {
        Self {
            row: None,
            age: Age::Old,
        }
    }

    /// Whether the step's effect has to stand.
    pub(super) fn has_effect(&self) -> bool {
        matches!(self.row, Some(Row::Done { .. }))
    }

    /// Compares an answer with the table, and goes on from there.
    ///
    /// # Errors
    ///
    /// What was expected instead.
    pub(super) fn judge(
        &mut self,
        ask: Ask,
        generation: u32,
        handler: Handler,
        answer: &Answer,
    ) -> Result<(), String> {
        if self.age == Age::Old {
            let is_purged = answer.outcome == Outcome::Expired;
            self.age = if is_purged { Age::Purged } else { Age::Young };
        }
        let is_purged = self.age == Age::Purged;
        let decision = decide(self.row.as_ref(), ask, generation, is_purged);
        let runs = match decision {
            Decision::Answer(expected) => return same(&expected, answer),
            Decision::Write(row, expected) => {
                same(&expected, answer)?;
                self.row = Some(row);
                return Ok(());
            }
            Decision::RunForward | Decision::RunCompensation => handler,
        };
        let outcome = match runs {
            Handler::Succeeds => Outcome::Succeeded,
            Handler::Refuses => Outcome::Rejected,
        };
        if (answer.outcome, answer.effective) != (outcome, Some(generation)) {
            return Err(format!("{outcome} @{generation}"));
        }
        let payload = answer.payload.clone().into_owned();
        if runs == Handler::Refuses && serde_json::from_str::<Fault>(&payload).is_err() {
            return Err(format!(
                "{outcome} @{generation} {{\"code\":…,\"message\":…}}"
            ));
        }
        let before = self.row.take();
        let (row, _) = match (before, ask, runs) {
            (Some(row), Ask::Compensate, Handler::Succeeds) => row.compensated(generation, payload),
            (Some(row), Ask::Compensate, Handler::Refuses) => {
                row.compensation_refused(generation, payload)
            }
            (_, _, Handler::Succeeds) => Row::done(generation, payload),
            (_, _, Handler::Refuses) => Row::refused(generation, payload),
        };
        self.row = Some(row);
        Ok(())
    }
}

fn same(expected: &Answer, answer: &Answer) -> Result<(), String> {
    if expected == answer {
        Ok(())
    } else {
        Err(shown(expected))
    }
}

/// `succeeded @1 {"reservation":31}`.
pub(super) fn shown(answer: &Answer) -> String {
    let effective = answer.effective.map(|generation| format!(" @{generation}"));
    let (outcome, payload) = (answer.outcome, &answer.payload);
    format!("{outcome}{} {payload}", effective.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    fn answer(outcome: Outcome, effective: Option<u32>, payload: &'static str) -> Answer {
        Answer {
            outcome,
            effective,
            payload: Cow::Borrowed(payload),
        }
    }

    #[test]
    fn a_second_run_shows_by_its_generation_or_its_payload() {
        let done = answer(Outcome::Succeeded, Some(1), "1");
        let mut model = Model::default();
        let mut judge = |generation, answer: &Answer| {
            model.judge(Ask::Forward, generation, Handler::Succeeds, answer)
        };
        assert_eq!(judge(1, &done), Ok(()));
        assert_eq!(judge(2, &done), Ok(()));
        for second_run in [
            answer(Outcome::Succeeded, Some(2), "1"),
            answer(Outcome::Succeeded, Some(1), "2"),
        ] {
            assert_eq!(judge(2, &second_run), Err("succeeded @1 1".to_owned()));
        }
    }

    #[test]
    fn an_old_saga_has_expired_for_good_or_not_at_all() {
        let expired = Answer::bare(Outcome::Expired);
        let done = answer(Outcome::Succeeded, Some(1), "1");
        for (first, second) in [(&expired, &done), (&done, &expired)] {
            let mut model = Model::old();
            let mut judge = |answer| model.judge(Ask::Forward, 1, Handler::Succeeds, answer);
            assert_eq!(judge(first), Ok(()));
            assert_eq!(judge(second), Err(shown(first)));
        }
        let mut young = Model::default();
        assert!(
            young
                .judge(Ask::Forward, 1, Handler::Succeeds, &expired)
                .is_err()
        );
    }

    #[test]
    fn a_refusal_has_a_code_and_a_handler_answers_for_its_own_generation() {
        let mut model = Model::default();
        let mut judge =
            |generation, answer| model.judge(Ask::Forward, generation, Handler::Refuses, &answer);
        let bare = answer(Outcome::Rejected, Some(1), "null");
        assert!(judge(1, bare).is_err());
        let fault = answer(Outcome::Rejected, Some(1), r#"{"code":"no"}"#);
        assert_eq!(judge(2, fault.clone()), Err("rejected @2".to_owned()));
        assert_eq!(judge(1, fault), Ok(()));
    }
}
