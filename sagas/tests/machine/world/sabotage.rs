//! Bugs that are seeded on purpose, to see that the checks notice them.

use std::time::Duration;

use sagas::Fault;
use sagas::Json;
use sagas::machine::{Announcement, Entry, Event, OrderKind, Progress, Reason, Saga, Transition};

use super::spec::Spec;

/// A rule that is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Sabotage {
    /// A participant runs a command again that it has done.
    RunsTwice,
    /// A participant does not remember what it refused.
    ForgetsRefusals,
    /// A compensation or fence that finds nothing leaves no row, so a late command takes effect.
    LeavesNoTombstone,
    /// The orchestrator takes silence for a refusal.
    TakesSilenceForRefusal,
    /// It does not wait for a compensation's answer before it undoes what came before.
    UndoesWithoutWaiting,
    /// It turns back while the pivot is in flight.
    CancelsWithoutFence,
    /// It looks at the saga too late.
    WakesLate,
    /// It builds a command again instead of sending the stored bytes.
    ChangesBytes,
    /// It stores a transition without its history.
    LosesHistory,
    /// It overwrites a row without a new revision.
    KeepsTheRevision,
    /// It never looks at the saga again.
    NeverWakes,
    /// It gives a lifecycle event the number of the one before it.
    RepeatsNumbers,
    /// It counts attempts faster than transitions.
    SkipsAttempts,
}

impl Sabotage {
    pub(crate) const ALL: [Self; 13] = [
        Self::RunsTwice,
        Self::ForgetsRefusals,
        Self::LeavesNoTombstone,
        Self::TakesSilenceForRefusal,
        Self::UndoesWithoutWaiting,
        Self::CancelsWithoutFence,
        Self::WakesLate,
        Self::ChangesBytes,
        Self::LosesHistory,
        Self::KeepsTheRevision,
        Self::NeverWakes,
        Self::RepeatsNumbers,
        Self::SkipsAttempts,
    ];

    /// How the checks say that they noticed it.
    pub(crate) fn is_noticed_as(self) -> &'static str {
        match self {
            Self::RunsTwice => "done 2 times",
            Self::ForgetsRefusals | Self::LeavesNoTombstone => "took effect after the end",
            Self::TakesSilenceForRefusal | Self::UndoesWithoutWaiting => {
                "the saga is compensated, its effects are"
            }
            Self::CancelsWithoutFence => "while the pivot might still take effect",
            Self::WakesLate | Self::NeverWakes => "is due, the wake is",
            Self::ChangesBytes => "sent bytes are not the stored ones",
            Self::LosesHistory => "cannot be restored",
            Self::KeepsTheRevision => "the revision did not grow",
            Self::RepeatsNumbers => "the numbers of its lifecycle events have a gap",
            Self::SkipsAttempts => "grew faster than the revision",
        }
    }

    /// Spoils what is stored before the next event comes.
    pub(crate) fn spoil_the_stored(self, saga: &mut Saga) {
        if self == Self::UndoesWithoutWaiting {
            for step in &mut saga.moving.steps {
                if matches!(step, Progress::Undoing(_)) {
                    *step = Progress::Undone;
                }
            }
        }
    }

    /// Spoils what the state machine decided.
    pub(crate) fn spoil(
        self,
        event: &Event,
        before: &Saga,
        transition: &mut Transition,
        history: &mut Vec<Entry>,
    ) {
        let next = &mut transition.next;
        match self {
            Self::RunsTwice
            | Self::ForgetsRefusals
            | Self::LeavesNoTombstone
            | Self::UndoesWithoutWaiting => {}
            Self::TakesSilenceForRefusal => {
                if matches!(event, Event::Wake { .. }) {
                    refuse_what_was_silent(before, transition);
                    agree(before, transition, history);
                }
            }
            Self::CancelsWithoutFence => {
                if matches!(event, Event::Order(order) if order.kind == OrderKind::Cancel) {
                    next.moving.reason.get_or_insert_with(reason);
                    agree(before, transition, history);
                }
            }
            Self::WakesLate => next.wake_at = next.wake_at.map(|at| at + Duration::from_secs(60)),
            Self::NeverWakes => next.wake_at = None,
            Self::ChangesBytes => {
                for send in transition.sends.iter_mut().filter(|send| send.attempt > 1) {
                    send.payload = Json::parse(r#"{"other":1}"#.to_owned()).expect("it is JSON");
                }
            }
            Self::LosesHistory => {
                history.pop();
            }
            Self::KeepsTheRevision => next.revision = before.revision,
            Self::RepeatsNumbers => next.moving.announced = before.moving.announced,
            Self::SkipsAttempts => {
                for step in &mut next.moving.steps {
                    if let Progress::Forward(flight) = step {
                        flight.attempt *= 1_000;
                    }
                }
            }
        }
    }
}

/// Every forward command that is sent anew counts as refused instead.
fn refuse_what_was_silent(before: &Saga, transition: &mut Transition) {
    let Reason::Refused { fault, .. } = reason() else {
        unreachable!("the made-up reason is a refusal");
    };
    for (step, was) in before.moving.steps.iter().enumerate() {
        let is_sent = transition.sends.iter().any(|send| send.step == step);
        if is_sent && matches!(was, Progress::Forward(_)) {
            transition.next.moving.steps[step] = Progress::Refused(fault.clone());
            transition.next.moving.reason.get_or_insert_with(reason);
            transition.sends.retain(|send| send.step != step);
            let name = Spec::name(step);
            transition.entry.sent.retain(|sent| sent.step != name);
        }
    }
}

/// Makes the rest of the transition fit, so that only the seeded bug is left to be noticed.
fn agree(before: &Saga, transition: &mut Transition, history: &mut [Entry]) {
    let status = transition.next.status();
    transition.entry.status = status;
    transition.announcement = (before.status() != status).then_some(Announcement::Entered(status));
    let more = u32::from(transition.announcement.is_some());
    transition.next.moving.announced = before.moving.announced + more;
    if let Some(entry) = history.last_mut() {
        *entry = transition.entry.clone();
    }
}

fn reason() -> Reason {
    let fault = Fault {
        code: "made-up".into(),
        message: String::new(),
    };
    Reason::Refused {
        step: Spec::name(0),
        fault,
    }
}
