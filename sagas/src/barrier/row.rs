//! What a participant remembers of one step, and how a handler's result changes it.
//!
//! Every state that can be written here can occur; one that cannot occur cannot be written.

use super::Answer;
use crate::direction::Outcome;

/// An answer that is final: it was committed together with the effect, or with the refusal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stored {
    /// The generation of the command that was answered so.
    pub generation: u32,
    /// JSON.
    pub payload: String,
}

/// What a participant remembers of one (saga, step). No row: nothing has happened yet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Row {
    /// The forward effect is committed.
    Done {
        /// The reply of the generation that took effect.
        forward: Stored,
        /// The fault of the compensation, where one was refused.
        refusal: Option<Stored>,
    },
    /// The forward command was refused; nothing happened.
    Rejected {
        /// The fault, and the newest generation that was refused.
        refusal: Stored,
    },
    /// Nothing can take effect any more.
    Compensated {
        /// The reply of the forward effect, where there was one.
        forward: Option<Stored>,
        /// The reply of the compensation; `None` where a fence ended the step.
        compensation: Option<Stored>,
    },
}

impl Row {
    /// The forward handler took effect.
    #[must_use]
    pub fn done(generation: u32, payload: String) -> (Self, Answer) {
        let forward = Stored {
            generation,
            payload,
        };
        let answer = Answer::stored(Outcome::Succeeded, &forward);
        (
            Self::Done {
                forward,
                refusal: None,
            },
            answer,
        )
    }

    /// The forward handler refused; `fault` is JSON.
    #[must_use]
    pub fn refused(generation: u32, fault: String) -> (Self, Answer) {
        let refusal = Stored {
            generation,
            payload: fault,
        };
        let answer = Answer::stored(Outcome::Rejected, &refusal);
        (Self::Rejected { refusal }, answer)
    }

    /// The compensation's handler took effect.
    #[must_use]
    pub fn compensated(self, generation: u32, payload: String) -> (Self, Answer) {
        let compensation = Stored {
            generation,
            payload,
        };
        let answer = Answer::stored(Outcome::Succeeded, &compensation);
        (
            Self::Compensated {
                forward: self.forward(),
                compensation: Some(compensation),
            },
            answer,
        )
    }

    /// The compensation's handler refused; the forward effect stands. `fault` is JSON.
    ///
    /// # Panics
    ///
    /// When the row is not [`Row::Done`]: [`super::decide`] runs a compensation only there.
    #[must_use]
    pub fn compensation_refused(self, generation: u32, fault: String) -> (Self, Answer) {
        let forward = self
            .forward()
            .expect("a compensation runs only where there is an effect");
        let refusal = Stored {
            generation,
            payload: fault,
        };
        let answer = Answer::stored(Outcome::Rejected, &refusal);
        (
            Self::Done {
                forward,
                refusal: Some(refusal),
            },
            answer,
        )
    }

    /// The reply of the forward effect, where there was one.
    #[must_use]
    pub fn forward(self) -> Option<Stored> {
        match self {
            Self::Done { forward, .. } => Some(forward),
            Self::Compensated { forward, .. } => forward,
            Self::Rejected { .. } => None,
        }
    }
}
