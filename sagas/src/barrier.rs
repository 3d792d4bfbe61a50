//! The participants' barrier: whether a command that arrives may take effect, and what it is told.
//!
//! A participant keeps one [`Row`] per (saga, step) in its own database and writes it in the
//! transaction of the effect. [`decide`] is the whole table, one pure function; message ids have no
//! part in it, because an edited command and its late first version have different ids and must
//! still take effect once between them.
//!
//! Invariant: whatever is lost, repeated, reordered or edited, a step's forward effect and its
//! compensating effect happen at most once each, and nothing takes effect once the row is
//! [`Row::Compensated`]. `tests/barrier.rs` searches all interleavings of one step for a counterexample.
//!
//! Not here: the transaction, the rows' SQL (`participant`, `docs/wire.md`), and when a command is
//! sent.

use std::borrow::Cow;

use crate::direction::{Direction, Outcome};
use crate::sabotage::{Bug, is_seeded};

mod report;
mod row;

pub use report::{CaseReport, Report, Verdict};
pub use row::{Row, Stored};

/// What a command asks of the barrier. The direction `fence` is split by what it fences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ask {
    /// Execute the step.
    Forward,
    /// Undo the step.
    Compensate,
    /// Make the forward command final: either it took effect, or it never can.
    FenceForward,
    /// Make the compensation final: either it took effect, or its handler never runs.
    FenceCompensation,
}

impl Ask {
    /// Every value.
    pub const ALL: [Self; 4] = [
        Self::Forward,
        Self::Compensate,
        Self::FenceForward,
        Self::FenceCompensation,
    ];

    /// The direction under which it travels.
    #[must_use]
    pub const fn direction(self) -> Direction {
        match self {
            Self::Forward => Direction::Forward,
            Self::Compensate => Direction::Compensate,
            Self::FenceForward | Self::FenceCompensation => Direction::Fence,
        }
    }
}

/// What becomes of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Run the forward handler; what it says becomes [`Row::done`] or [`Row::refused`].
    RunForward,
    /// Run the compensation's handler; what it says becomes [`Row::compensated`] or
    /// [`Row::compensation_refused`].
    RunCompensation,
    /// Run nothing, write this row, then answer.
    Write(Row, Answer),
    /// Run nothing, write nothing, answer.
    Answer(Answer),
}

/// The part of a reply that the barrier determines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// How the command came out.
    pub outcome: Outcome,
    /// The generation that this answer was stored for; it may differ from the arriving one. `None`
    /// where no stored answer is given.
    pub effective: Option<u32>,
    /// JSON: the reply's payload, the fault of a refusal, or `null`.
    pub payload: Cow<'static, str>,
}

impl Answer {
    /// An answer that has nothing more to say.
    #[must_use]
    pub const fn bare(outcome: Outcome) -> Self {
        Self {
            outcome,
            effective: None,
            payload: Cow::Borrowed("null"),
        }
    }

    /// `failed`, with its fault as JSON. Never stored: it says nothing about effects.
    #[must_use]
    pub fn failed(fault: String) -> Self {
        Self {
            outcome: Outcome::Failed,
            effective: None,
            payload: Cow::Owned(fault),
        }
    }

    fn stored(outcome: Outcome, stored: &Stored) -> Self {
        Self {
            outcome,
            effective: Some(stored.generation),
            payload: Cow::Owned(stored.payload.clone()),
        }
    }
}

/// Decides what an arriving command may do.
///
/// `below_watermark` says that the saga started before the purge watermark: where there is no row,
/// it may have been dropped, and nobody knows what happened.
///
/// The caller holds the row (or its absence) locked until what the decision led to is committed.
#[must_use]
pub fn decide(row: Option<&Row>, ask: Ask, generation: u32, below_watermark: bool) -> Decision {
    let Some(row) = row else {
        return match ask {
            _ if below_watermark => Decision::Answer(Answer::bare(Outcome::Expired)),
            Ask::Forward => Decision::RunForward,
            Ask::Compensate => undo_nothing(generation),
            Ask::FenceForward | Ask::FenceCompensation => fence(None),
        };
    };
    if is_seeded(Bug::ForgetsTombstones)
        && ask == Ask::Forward
        && matches!(row, Row::Compensated { .. })
    {
        return Decision::RunForward;
    }
    match row {
        Row::Rejected { refusal } => match ask {
            Ask::Forward if refusal.generation < generation => Decision::RunForward,
            Ask::Forward => Decision::Answer(Answer::stored(Outcome::Rejected, refusal)),
            Ask::Compensate => undo_nothing(generation),
            Ask::FenceForward | Ask::FenceCompensation => fence(None),
        },
        Row::Done { forward, refusal } => match (ask, refusal) {
            (Ask::Forward, _) if is_seeded(Bug::RunsAgain) => Decision::RunForward,
            (Ask::Forward | Ask::FenceForward, _) => {
                Decision::Answer(Answer::stored(Outcome::Succeeded, forward))
            }
            (Ask::Compensate, Some(refusal)) if refusal.generation >= generation => {
                Decision::Answer(Answer::stored(Outcome::Rejected, refusal))
            }
            (Ask::Compensate, _) => Decision::RunCompensation,
            (Ask::FenceCompensation, _) => fence(Some(forward.clone())),
        },
        Row::Compensated {
            forward,
            compensation,
        } => {
            Decision::Answer(match (ask, compensation, forward) {
                (Ask::Compensate | Ask::FenceCompensation, Some(compensation), _) => {
                    Answer::stored(Outcome::Succeeded, compensation)
                }
                // A fence came first and there was no effect: nothing is left to undo.
                (Ask::Compensate, None, None) => nothing_to_undo(generation).1,
                (Ask::Forward | Ask::Compensate, _, _) => Answer::bare(Outcome::AlreadyCompensated),
                (Ask::FenceForward | Ask::FenceCompensation, _, _) => Answer::bare(Outcome::Fenced),
            })
        }
    }
}

/// There is nothing to undo, and from now on there never will be.
fn nothing_to_undo(generation: u32) -> (Row, Answer) {
    let compensation = Stored {
        generation,
        payload: "null".to_owned(),
    };
    let answer = Answer::stored(Outcome::Succeeded, &compensation);
    (
        Row::Compensated {
            forward: None,
            compensation: Some(compensation),
        },
        answer,
    )
}

fn undo_nothing(generation: u32) -> Decision {
    let (row, answer) = nothing_to_undo(generation);
    Decision::Write(row, answer)
}

fn fence(forward: Option<Stored>) -> Decision {
    Decision::Write(
        Row::Compensated {
            forward,
            compensation: None,
        },
        Answer::bare(Outcome::Fenced),
    )
}

#[cfg(test)]
mod tests;
