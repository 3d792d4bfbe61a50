//! Bugs that are seeded on purpose around the real code, to see that each rule notices one.

use sagas::machine::{
    Event, Flight, OrderKind, Paper, Progress, Reason, Saga, Send, Transition, Waits,
};
use sagas::{Direction, Fault, Json};

use crate::rule::Rule;
use crate::shape;
use crate::state::NOW;

/// A rule that is broken on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// A participant runs a command again that it has done.
    RunsTwice,
    /// A participant does not remember what it refused.
    ForgetsRefusals,
    /// A compensation or fence that finds nothing leaves no row.
    LeavesNoTombstone,
    /// A participant drops rows and does not remember that it did.
    PurgesWithoutWatermark,
    /// Silence counts as a refusal.
    TakesSilenceForRefusal,
    /// Silence counts as success.
    TakesSilenceForSuccess,
    /// A compensation counts as done when it is sent.
    UndoesWithoutWaiting,
    /// All that took effect is undone at once, whatever is built on it.
    UndoesEverythingAtOnce,
    /// The saga turns back while the pivot is in flight.
    CancelsWithoutFence,
    /// Steps start before what they need.
    StartsTooEarly,
    /// Nobody looks at the saga again.
    NeverWakes,
    /// What was sent once is not sent again.
    NeverSendsAgain,
    /// A command is built again instead of sent as it is stored.
    RebuildsCommands,
    /// A transition is stored without its history.
    LosesHistory,
    /// Orders are applied and not remembered.
    ForgetsOrders,
    /// A copy is written over a newer row.
    WritesOverNewer,
    /// What a copy refuses is refused.
    BelievesTheCopy,
    /// A binary moves a saga whose definition it has changed.
    IgnoresFingerprints,
    /// A binary moves a saga whose definition it lacks.
    TakesAnyVersion,
    /// A reply that cannot be read is taken, and not remembered.
    ForgetsWhatItCannotRead,
}

impl Sabotage {
    /// Every seeded bug.
    pub const ALL: [Self; 20] = [
        Self::RunsTwice,
        Self::ForgetsRefusals,
        Self::LeavesNoTombstone,
        Self::PurgesWithoutWatermark,
        Self::TakesSilenceForRefusal,
        Self::TakesSilenceForSuccess,
        Self::UndoesWithoutWaiting,
        Self::UndoesEverythingAtOnce,
        Self::CancelsWithoutFence,
        Self::StartsTooEarly,
        Self::NeverWakes,
        Self::NeverSendsAgain,
        Self::RebuildsCommands,
        Self::LosesHistory,
        Self::ForgetsOrders,
        Self::WritesOverNewer,
        Self::BelievesTheCopy,
        Self::IgnoresFingerprints,
        Self::TakesAnyVersion,
        Self::ForgetsWhatItCannotRead,
    ];

    /// The rule that notices it first; others may at the same moment.
    #[must_use]
    pub fn is_noticed_by(self) -> Rule {
        match self {
            Self::RunsTwice | Self::PurgesWithoutWatermark => Rule::AtMostOnce,
            Self::ForgetsRefusals | Self::LeavesNoTombstone => Rule::KnowsWhatItSays,
            Self::TakesSilenceForRefusal => Rule::UnknownIsNotFailed,
            Self::TakesSilenceForSuccess => Rule::KnowsWhatItSays,
            Self::UndoesWithoutWaiting => Rule::EndsTruly,
            Self::UndoesEverythingAtOnce => Rule::NothingUsedIsUndone,
            Self::CancelsWithoutFence => Rule::PivotIsSettled,
            Self::StartsTooEarly => Rule::NeedsComeFirst,
            Self::NeverWakes => Rule::IsWoken,
            Self::NeverSendsAgain => Rule::ComesToRest,
            Self::RebuildsCommands => Rule::KeepsItsBytes,
            Self::LosesHistory => Rule::ComesBackTheSame,
            Self::ForgetsOrders | Self::ForgetsWhatItCannotRead => Rule::CountsOnce,
            Self::WritesOverNewer | Self::BelievesTheCopy => Rule::TrustsNoCopy,
            Self::IgnoresFingerprints | Self::TakesAnyVersion => Rule::LeavesItToItsBinary,
        }
    }

    /// Spoils what was decided, before it is committed.
    pub(crate) fn spoil(self, event: &Event, before: &Saga, transition: &mut Transition) {
        let next = &mut transition.next;
        let is_wake = matches!(event, Event::Wake { .. });
        match self {
            Self::TakesSilenceForRefusal if is_wake => answer_for_the_silent(before, next, true),
            Self::TakesSilenceForSuccess if is_wake => answer_for_the_silent(before, next, false),
            Self::UndoesWithoutWaiting => {
                for step in &mut next.moving.steps {
                    if matches!(step, Progress::Compensating(_)) {
                        *step = Progress::Compensated;
                    }
                }
            }
            Self::CancelsWithoutFence => {
                if matches!(event, Event::Order(order) if order.kind == OrderKind::Cancel) {
                    next.moving.reason.get_or_insert_with(refusal);
                }
            }
            Self::NeverWakes => next.wake_at = None,
            Self::NeverSendsAgain if is_wake => {
                let was_sent = |step: usize| before.papers[step] == next.papers[step];
                transition.sends.retain(|send| !was_sent(send.step));
            }
            Self::RebuildsCommands => {
                for send in transition.sends.iter_mut().filter(|send| send.attempt > 1) {
                    let text = r#"{"step":98}"#.to_owned();
                    send.payload = Json::parse(text).expect("it is JSON");
                }
            }
            Self::ForgetsOrders => next.orders.clear(),
            Self::ForgetsWhatItCannotRead => next.late.clear(),
            Self::UndoesEverythingAtOnce if next.is_unwinding() => {
                launch_all(transition, Direction::Compensate);
            }
            Self::StartsTooEarly => launch_all(transition, Direction::Forward),
            _ => {}
        }
    }
}

/// Every forward command that was silent counts as refused, or as done.
fn answer_for_the_silent(before: &Saga, next: &mut Saga, is_refused: bool) {
    for (step, was) in before.moving.steps.iter().enumerate() {
        if !matches!(was, Progress::Forward(_)) {
            continue;
        }
        next.moving.steps[step] = if is_refused {
            next.moving.reason.get_or_insert_with(refusal);
            Progress::Rejected(fault())
        } else {
            next.replies[step] = Json::parse("1".to_owned()).ok();
            Progress::Done
        };
    }
}

/// Sends every command that is left in this direction, whatever it depends on.
fn launch_all(transition: &mut Transition, direction: Direction) {
    let next = &mut transition.next;
    for (step, progress) in next.moving.steps.iter_mut().enumerate() {
        let flight = Flight {
            generation: 1,
            attempt: 1,
            sent_at: NOW,
            due_at: NOW,
            waits: Waits::Reply,
            was_published: false,
            withheld_since: None,
            exhausted_since: None,
            failure: None,
            unreadable: None,
        };
        let payload = Json::parse(format!(r#"{{"step":{step}}}"#)).expect("it is JSON");
        let paper = Some(Paper {
            generation: 1,
            payload: payload.clone(),
        });
        match (direction, &progress) {
            (Direction::Forward, Progress::Idle) => {
                *progress = Progress::Forward(flight);
                next.papers[step].forward = paper;
            }
            (Direction::Compensate, Progress::Done) => {
                *progress = Progress::Compensating(flight);
                next.papers[step].compensation = paper;
            }
            _ => continue,
        }
        transition.sends.push(Send {
            step,
            direction,
            generation: 1,
            attempt: 1,
            fences_compensation: false,
            payload,
        });
    }
}

fn fault() -> Fault {
    Fault::new("made-up", "")
}

fn refusal() -> Reason {
    Reason::Rejected {
        step: shape::name(0),
        fault: fault(),
    }
}
